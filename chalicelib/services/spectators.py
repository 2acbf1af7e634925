"""Spectators: who watches what, what they missed, what is sent to them.

`episode:<id>` is a numbered log: `watch` keeps its row first and then sends what
came after `after`, so a frame may come twice or out of order, but none is lost for
good. `evaluation:<id>` and `live` are state topics: small snapshots, at most one a
second, each replacing the last.
"""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from chalicelib.errors import ConnectionGoneError, NotFoundError, TiltsError
from chalicelib.events import Event, canonical_json
from chalicelib.interfaces import Clock, LiveFeed, Queue, Store
from chalicelib.records import VISITS, Episode
from chalicelib.services import messages
from chalicelib.services.perform import ForEach, one_after_another
from chalicelib.services.snapshots import Snapshots
from chalicelib.services.tickets import ANY_TEAM, Tickets

Json = dict[str, Any]

CATCH_UP_LIMIT: Final = 200
TOPICS_PER_SOCKET: Final = 32
BAD_FRAMES: Final = 10
FRAME_BYTES: Final = 32 * 1024
CONNECTION_SECONDS: Final = 2.5 * 3600
STATE_SECONDS: Final = 1.0
TRAILING_LOST_SECONDS: Final = 10.0
LARGEST_N: Final = 2**53
EVERYONE: Final = "everyone"
"""A topic that each connection follows by itself, and that nothing is sent on: it
says how many there are."""
TOPIC: Final = re.compile(r"[A-Za-z0-9_:]{1,80}")


class BadFrameError(TiltsError):
    """A frame from a spectator that cannot be understood or followed."""

    def __init__(self, code: str, message: str, topic: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.topic = topic


class Spectators:
    """Everyone who follows a topic."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        feed: LiveFeed,
        clock: Clock,
        snapshots: Snapshots,
        tickets: Tickets,
        for_each: ForEach = one_after_another,
    ) -> None:
        self._store = store
        self._queue = queue
        self._feed = feed
        self._clock = clock
        self._snapshots = snapshots
        self._tickets = tickets
        self._for_each = for_each
        self._actions: dict[str, Callable[[str, Json], None]] = {
            "watch": self._watch,
            "unwatch": self._unwatch,
            "ping": self._ping,
        }

    def connect(self, connection: str) -> None:
        """A spectator has come."""
        until = self._clock.now() + CONNECTION_SECONDS
        self._store.connect(connection, until)
        self._store.watch(connection, EVERYONE, until)

    def count(self) -> int:
        """How many are connected."""
        return len(self._store.watchers(EVERYONE))

    def disconnect(self, connection: str) -> None:
        """A spectator has gone."""
        self._store.forget(connection)

    def receive(self, connection: str, text: str) -> None:
        """Do what a frame asks for; ten frames that make no sense end the connection."""
        try:
            frame = read_frame(text)
            action = self._actions.get(frame.get("action", ""))
            if action is None:
                raise BadFrameError(
                    "unknown-action", "The action is watch, unwatch or ping."
                )
            action(connection, frame)
        except BadFrameError as error:
            self._send(
                connection,
                {
                    "type": "error",
                    "code": error.code,
                    "message": error.message,
                    "topic": error.topic,
                },
            )
            if self._store.note_bad_frame(connection) >= BAD_FRAMES:
                self._feed.close(connection)
                self._store.forget(connection)

    def broadcast(self, message: Json) -> None:
        """Send on what a message tells of: events of an episode, or a topic's state."""
        messages.check_version(message)
        if "state" in message:
            self._send_state_to_all(message["state"], is_trailing=True)
            return
        self._send_events_to_all(message)
        for topic in (f"evaluation:{message['evaluation']}", "live"):
            self._send_state_to_all(topic, is_trailing=False)

    def _watch(self, connection: str, frame: Json) -> None:
        topic, after = read_topic(frame.get("topic")), frame.get("after", 0)
        if not is_number(after):
            raise BadFrameError("bad-after", "after is the number of the last event.")
        topics = {*self._store.topics(connection)} - {EVERYONE}
        if topic not in topics and len(topics) >= TOPICS_PER_SOCKET:
            raise BadFrameError(
                "too-many-topics",
                f"A socket follows at most {TOPICS_PER_SOCKET} topics.",
                topic,
            )
        self._check_topic(topic, frame.get("ticket"))
        until = self._clock.now() + CONNECTION_SECONDS
        self._store.watch(connection, topic, until)
        if topic.startswith("episode:"):
            self._catch_up(connection, topic, after, is_final=True)
        else:
            self._send_state(connection, topic)

    def _unwatch(self, connection: str, frame: Json) -> None:
        self._store.unwatch(connection, read_topic(frame.get("topic")))

    def _ping(self, connection: str, frame: Json) -> None:
        topics = frame.get("topics", {})
        if not isinstance(topics, dict) or len(topics) > TOPICS_PER_SOCKET:
            raise BadFrameError("bad-topics", "topics maps each topic to its last n.")
        followed = self._store.topics(connection)
        for topic, n in topics.items():
            if not is_number(n):
                raise BadFrameError("bad-topics", "Each n is a number from 0 on.")
            if topic in followed and topic.startswith("episode:"):
                self._catch_up(connection, topic, n, is_final=False)
        self._send(connection, {"type": "pong"})

    def _catch_up(
        self, connection: str, topic: str, after: int, is_final: bool
    ) -> None:
        episode = topic.partition(":")[2]
        events = self._store.events(episode, after, CATCH_UP_LIMIT + 1)
        if len(events) > CATCH_UP_LIMIT:
            self._send(connection, {"type": "resync", "topic": topic})
            return
        for event in events:
            self._send(connection, event_frame(topic, event))
        if is_final:
            n = events[-1].n if events else after
            self._send(connection, {"type": "caught-up", "topic": topic, "n": n})

    def _check_topic(self, topic: str, ticket: Any) -> None:
        noun, _, name = topic.partition(":")
        if noun == "live":
            return
        try:
            if noun == "episode":
                episode = self._store.episode(name)
                if episode.evaluation == VISITS:
                    check_seal(episode, topic)
                    return
                name = episode.evaluation
            evaluation = self._store.evaluation(name)
        except NotFoundError as error:
            said = f"There is no {topic!r}."
            raise BadFrameError("unknown-topic", said, topic) from error
        if evaluation.visibility == "public":
            return
        team = self._tickets.redeem(ticket) if isinstance(ticket, str) else None
        if team not in (evaluation.team, ANY_TEAM):
            raise BadFrameError("unknown-topic", f"There is no {topic!r}.", topic)

    def _send_events_to_all(self, message: Json) -> None:
        topic = f"episode:{message['episode']}"
        watchers = self._store.watchers(topic)
        if not watchers:
            return
        after, n = message["after"], message["n"]
        if n - after > CATCH_UP_LIMIT:
            self._send_to_all(watchers, [{"type": "resync", "topic": topic}])
            return
        events = self._store.events(message["episode"], after, n - after)
        self._send_to_all(watchers, [event_frame(topic, event) for event in events])

    def _send_state_to_all(self, topic: str, is_trailing: bool) -> None:
        """At most once a second; what comes sooner is sent together, a second later."""
        watchers = self._store.watchers(topic)
        if not watchers:
            return
        now = self._clock.now()
        known = self._store.document("state", topic)
        was = known or {"sent_at": 0.0, "trails_at": None}
        too_soon = now - was["sent_at"] < STATE_SECONDS
        trails_at = None if is_trailing else was["trails_at"]
        if trails_at is not None and now > trails_at + TRAILING_LOST_SECONDS:
            trails_at = None
        if not too_soon:
            to = {"sent_at": now, "trails_at": trails_at}
            if self._store.change_document("state", topic, known, to):
                state = self._snapshots.take(topic)
                frame = {"type": "state", "topic": topic, "state": state}
                self._send_to_all(watchers, [frame])
        elif trails_at is None:
            trails_at = was["sent_at"] + STATE_SECONDS
            to = {"sent_at": was["sent_at"], "trails_at": trails_at}
            if self._store.change_document("state", topic, known, to):
                self._queue.send(
                    messages.BROADCAST,
                    [messages.state_message(topic)],
                    trails_at - now,
                )

    def _send_state(self, connection: str, topic: str) -> None:
        state = self._snapshots.take(topic)
        self._send(connection, {"type": "state", "topic": topic, "state": state})

    def _send_to_all(self, connections: Iterable[str], frames: list[Json]) -> None:
        texts = [write_frame(frame) for frame in frames]
        self._for_each(partial(self._send_texts, texts), connections)

    def _send(self, connection: str, frame: Json) -> None:
        self._send_texts([write_frame(frame)], connection)

    def _send_texts(self, texts: Iterable[str], connection: str) -> None:
        """Send frames in order, until the spectator turns out to have left."""
        try:
            for text in texts:
                self._feed.send(connection, text)
        except ConnectionGoneError:
            self._store.forget(connection)


def write_frame(frame: Json) -> str:
    """A frame's text; where it would be too large for sockets, that there is one."""
    text = canonical_json(frame)
    if len(text.encode()) > FRAME_BYTES:
        return canonical_json({"type": "resync", "topic": frame["topic"]})
    return text


def check_seal(episode: Episode, topic: str) -> None:
    """BadFrameError while a visitor plays the episode."""
    if not episode.is_over:
        raise BadFrameError(
            "sealed",
            "This episode is played by a visitor: sealed until it ends.",
            topic,
        )


def event_frame(topic: str, event: Event) -> Json:
    """One event of an episode, as a frame."""
    return {"type": "event", "topic": topic, "n": event.n, "event": event.to_json()}


def read_frame(text: str) -> Json:
    """The object in a frame's text. BadFrameError."""
    if len(text) > FRAME_BYTES:
        raise BadFrameError("too-large", "The frame is too large.")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFrameError("not-json", "The frame is not JSON.") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("action"), str):
        raise BadFrameError(
            "no-action", 'A frame is like {"action": "watch", "topic": "live"}.'
        )
    return frame


def is_number(value: Any) -> bool:
    """Whether it can be the number of an event."""
    return type(value) is int and 0 <= value < LARGEST_N


def read_topic(topic: Any) -> str:
    """A topic's name. BadFrameError."""
    if isinstance(topic, str) and TOPIC.fullmatch(topic):
        noun, _, name = topic.partition(":")
        if topic == "live" or (noun in ("episode", "evaluation") and name):
            return topic
    raise BadFrameError(
        "bad-topic", "The topic is episode:<id>, evaluation:<id> or live."
    )
