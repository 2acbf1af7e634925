"""Spectators: watching, catching up, healing, and frames that make no sense."""

import json
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import RequestError
from chalicelib.events import Event, canonical_json
from chalicelib.records import Episode, Evaluation, NewEvaluation
from chalicelib.services import messages
from chalicelib.services.spectators import (
    BAD_FRAMES,
    CATCH_UP_LIMIT,
    FRAME_BYTES,
    TOPICS_PER_SOCKET,
)
from tests.services import breaking
from tests.services.breaking import begin, fresh_world
from tests.world import World

Json = dict[str, Any]
EPISODE = "ep_watched"
TOPIC = f"episode:{EPISODE}"


def make_evaluation(world: World, **changes: Any) -> None:
    """The evaluation of these episodes, if it is not there yet."""
    made = Evaluation(
        id="ev_1",
        name="",
        tags=(),
        suite="tiny-1",
        entries=("mock~random~1",),
        repeats=1,
        visibility="public",
        team="tests",
        budget_microusd=0,
        status="running",
        created_at="2026-11-22T00:00:00.000Z",
        pinned={},
    )
    made = replace(made, **changes)
    world.store.create_evaluation(made, made.id, "", 0)


def make_log(
    world: World, length: int, name: str = EPISODE, evaluation: str = "ev_1"
) -> None:
    """An episode whose log has so many events."""
    make_evaluation(world, id=evaluation)
    world.store.create_episodes(
        [
            Episode(
                id=name,
                evaluation=evaluation,
                entry="mock~random~1",
                task="t",
                game="MM-I",
                variant="small",
                suite="tiny-1",
                repeat=0,
                status="playing",
                created_at="2026-11-22T00:00:00.000Z",
                seats=("mock~random~1",),
            )
        ]
    )
    grow_log(world, 0, length, name)


def grow_log(world: World, after: int, to: int, name: str = EPISODE) -> None:
    for n in range(after + 1, to + 1):
        world.store.append(Event(name, n, "moved", {"step": n, "said": f"{n} ☃"}))


def tell(world: World, after: int, n: int, name: str = EPISODE) -> None:
    world.tilts.spectators.broadcast(messages.reached_message(name, "ev_1", after, n))


def come(world: World, connection: str = "c1") -> None:
    world.tilts.spectators.connect(connection)


def say(world: World, frame: Any, connection: str = "c1") -> list[Json]:
    """Send a frame; what came back on that connection."""
    before = len(world.feed.sent)
    text = frame if isinstance(frame, str) else json.dumps(frame)
    world.tilts.spectators.receive(connection, text)
    return frames_of(world, connection, before)


def frames_of(world: World, connection: str = "c1", after: int = 0) -> list[Json]:
    return [json.loads(f) for c, f in world.feed.sent[after:] if c == connection]


def watch(topic: str = TOPIC, **more: Any) -> Json:
    return {"action": "watch", "topic": topic, **more}


def numbers(frames: list[Json]) -> list[int]:
    return [frame["n"] for frame in frames if frame["type"] == "event"]


# One episode.


@pytest.mark.parametrize(
    ("after", "expected"), [(None, [1, 2, 3, 4, 5]), (0, [1, 2, 3, 4, 5]), (3, [4, 5]), (5, []), (9, [])]
)  # fmt: skip
def test_watching_begins_with_what_was_missed_and_says_when_one_has_caught_up(
    world: World, after: int | None, expected: list[int]
) -> None:
    make_log(world, 5)
    come(world)
    frames = say(world, watch() if after is None else watch(after=after))
    assert numbers(frames) == expected
    last = frames.pop()
    assert last == {
        "type": "caught-up", "topic": TOPIC, "n": max(5, after or 0),
    }  # fmt: skip
    for frame in frames:
        (event,) = world.store.events(EPISODE, frame["n"] - 1, 1)
        assert frame["topic"] == TOPIC
        assert canonical_json(frame["event"]) == event.line()


def test_what_is_committed_afterwards_is_sent_to_those_that_watch_alone(
    world: World,
) -> None:
    make_log(world, 2)
    make_log(world, 2, "ep_other")
    for connection, topic in (("c1", TOPIC), ("c2", TOPIC), ("c3", "episode:ep_other")):
        come(world, connection)
        say(world, watch(topic), connection)
    start = len(world.feed.sent)
    grow_log(world, 2, 4)
    tell(world, 2, 4)
    for connection, expected in (("c1", [3, 4]), ("c2", [3, 4]), ("c3", [])):
        assert numbers(frames_of(world, connection, start)) == expected


def test_only_committed_events_are_sent_whatever_a_message_says(world: World) -> None:
    make_log(world, 3)
    come(world)
    say(world, watch(after=3))
    start = len(world.feed.sent)
    tell(world, 1, 9)
    assert numbers(frames_of(world, after=start)) == [2, 3]


def test_who_has_stopped_watching_is_sent_nothing_more(world: World) -> None:
    make_log(world, 1)
    come(world)
    say(world, watch())
    assert say(world, {"action": "unwatch", "topic": TOPIC}) == []
    start = len(world.feed.sent)
    grow_log(world, 1, 2)
    tell(world, 1, 2)
    assert frames_of(world, after=start) == []


def test_a_ping_heals_what_was_lost(world: World) -> None:
    make_log(world, 6)
    come(world)
    say(world, watch(after=6))
    frames = say(world, {"action": "ping", "topics": {TOPIC: 2}})
    assert numbers(frames) == [3, 4, 5, 6]
    assert frames[-1] == {"type": "pong"}
    assert say(world, {"action": "ping"}) == [{"type": "pong"}]


def test_a_ping_heals_only_what_is_watched(world: World) -> None:
    make_log(world, 6)
    come(world)
    assert say(world, {"action": "ping", "topics": {TOPIC: 0}}) == [{"type": "pong"}]


@pytest.mark.parametrize("frame", [watch(), {"action": "ping", "topics": {TOPIC: 0}}])
def test_who_is_too_far_behind_is_told_to_fetch_the_log(
    world: World, frame: Json
) -> None:
    make_log(world, CATCH_UP_LIMIT + 1)
    come(world)
    say(world, watch(after=CATCH_UP_LIMIT))
    frames = say(world, frame)
    assert frames[0] == {"type": "resync", "topic": TOPIC}
    assert numbers(frames) == []
    nearer = say(world, watch(after=1))
    assert numbers(nearer) == list(range(2, CATCH_UP_LIMIT + 2))


def test_a_large_leap_is_told_as_a_resync(world: World) -> None:
    make_log(world, 0)
    come(world)
    say(world, watch())
    grow_log(world, 0, CATCH_UP_LIMIT + 1)
    start = len(world.feed.sent)
    tell(world, 0, CATCH_UP_LIMIT + 1)
    assert frames_of(world, after=start) == [{"type": "resync", "topic": TOPIC}]


def test_a_connection_that_has_gone_is_forgotten_and_the_others_are_served(
    world: World,
) -> None:
    make_log(world, 1)
    for connection in ("c1", "c2", "c3"):
        come(world, connection)
        say(world, watch(), connection)
    world.feed.gone = {"c1", "c2"}
    start = len(world.feed.sent)
    grow_log(world, 1, 3)
    tell(world, 1, 3)
    assert numbers(frames_of(world, "c3", start)) == [2, 3]
    assert list(world.store.watchers(TOPIC)) == ["c3"]


def test_who_disconnects_is_forgotten(world: World) -> None:
    make_log(world, 1)
    come(world)
    say(world, watch())
    world.tilts.spectators.disconnect("c1")
    assert list(world.store.watchers(TOPIC)) == []
    assert list(world.store.topics("c1")) == []


def test_a_socket_follows_so_many_topics_and_no_more(world: World) -> None:
    names = [f"ep_{number}" for number in range(TOPICS_PER_SOCKET + 1)]
    for name in names:
        make_log(world, 0, name)
    come(world)
    for name in names[:-1]:
        assert say(world, watch(f"episode:{name}"))[-1]["type"] == "caught-up"
    (refusal,) = say(world, watch(f"episode:{names[-1]}"))
    assert (refusal["type"], refusal["code"]) == ("error", "too-many-topics")
    assert say(world, watch(f"episode:{names[0]}"))[-1]["type"] == "caught-up"
    say(world, {"action": "unwatch", "topic": f"episode:{names[0]}"})
    assert say(world, watch(f"episode:{names[-1]}"))[-1]["type"] == "caught-up"


def test_a_message_of_an_unknown_version_is_refused(world: World) -> None:
    make_log(world, 1)
    message = messages.reached_message(EPISODE, "ev_1", 0, 1)
    with pytest.raises(RequestError):
        world.tilts.spectators.broadcast({**message, "v": 2})


# Topics with a state.


def test_watching_a_state_topic_begins_with_its_state(world: World) -> None:
    begin(world, [("mock~random~1", "MM-I")])
    come(world)
    (live,) = say(world, watch("live"))
    assert live == {"type": "state", "topic": "live", "state": {"episodes": []}}
    (state,) = say(world, watch(f"evaluation:{breaking.EVALUATION}"))
    assert state["state"]["status"] == "queued"


def states(world: World, after: int) -> list[Json]:
    return [f for f in frames_of(world, after=after) if f["type"] == "state"]


def test_a_state_is_sent_at_most_once_a_second_and_the_last_one_always(
    world: World,
) -> None:
    make_log(world, 0)
    come(world)
    say(world, watch("live"))
    start = len(world.feed.sent)
    sent_at: list[float] = []
    for n in range(1, 71):
        if n <= 60:
            grow_log(world, n - 1, n)
            tell(world, n - 1, n)
        world.tell()
        sent_at += [world.clock.now()] * (len(states(world, start)) - len(sent_at))
        world.clock.turn(0.25)
    last_told_at = world.clock.now() - 11 * 0.25
    assert len(sent_at) >= 8
    assert sent_at[-1] >= last_told_at
    assert min(after - before for before, after in pairwise(sent_at)) >= 1.0


def test_what_comes_within_a_second_is_sent_together_a_second_later(
    world: World,
) -> None:
    make_log(world, 3)
    come(world)
    say(world, watch("live"))
    start = len(world.feed.sent)
    tell(world, 0, 1)
    assert len(states(world, start)) == 1
    world.clock.turn(0.3)
    tell(world, 1, 2)
    tell(world, 2, 3)
    make_log(world, 0, "ep_late")
    assert len(states(world, start)) == 1
    world.clock.turn(1.1)
    world.tell()
    (_, trailing) = states(world, start)
    shown = {episode["id"] for episode in trailing["state"]["episodes"]}
    assert shown == {EPISODE, "ep_late"}
    world.clock.turn(5)
    world.tell()
    assert len(states(world, start)) == 2


def test_a_lost_trailing_message_does_not_silence_a_topic_for_ever(
    world: World,
) -> None:
    make_log(world, 3)
    come(world)
    say(world, watch("live"))
    tell(world, 0, 1)
    world.clock.turn(0.3)
    tell(world, 1, 2)
    world.queue.delete(world.queue.receive(messages.BROADCAST, 10, 1))
    world.clock.turn(2)
    world.queue.delete(world.queue.receive(messages.BROADCAST, 10, 1))
    start = len(world.feed.sent)
    tell(world, 2, 3)
    assert len(states(world, start)) == 1


def test_whoever_watches_an_evaluation_sees_it_through(world: World) -> None:
    wanted = NewEvaluation("tiny-1", ("mock~random~1",))
    evaluation = world.tilts.evaluations.create(wanted, "tests", None)
    come(world)
    say(world, watch(f"evaluation:{evaluation.id}"))
    world.work()
    for _ in range(3):
        world.clock.turn(1.1)
        world.work()
    last = states(world, 0)[-1]["state"]
    assert (last["status"], last["end"]) == ("finished", "complete")
    assert last["progress"]["over"] == last["progress"]["episodes"] == 8


def test_what_is_live_is_shown_of_public_evaluations_alone(world: World) -> None:
    make_evaluation(world, id="ev_team", visibility="team")
    make_log(world, 1, "ep_team", "ev_team")
    make_log(world, 1, "ep_public")
    come(world)
    (live,) = say(world, watch("live"))
    assert [episode["id"] for episode in live["state"]["episodes"]] == ["ep_public"]


@pytest.mark.parametrize("topic", ["evaluation:ev_team", "episode:ep_team"])
def test_what_is_a_teams_own_is_watched_with_a_ticket_that_is_good_once(
    world: World, topic: str
) -> None:
    make_evaluation(world, id="ev_team", visibility="team")
    make_log(world, 1, "ep_team", "ev_team")
    come(world)
    for ticket in (None, 7, "", "nonsense", world.tilts.tickets.issue("others")):
        (answer,) = say(world, watch(topic, ticket=ticket))
        assert (answer["code"], answer["topic"]) == ("unknown-topic", topic)
    ticket = world.tilts.tickets.issue("tests")
    assert say(world, watch(topic, ticket=ticket))[0]["type"] in ("state", "event")
    world.tilts.spectators.disconnect("c1")
    come(world)
    (answer,) = say(world, watch(topic, ticket=ticket))
    assert answer["code"] == "unknown-topic"


def test_a_ticket_that_no_store_can_keep_opens_nothing(world: World) -> None:
    make_evaluation(world, id="ev_team", visibility="team")
    come(world)
    (answer,) = say(world, watch("evaluation:ev_team", ticket="\ud800"))
    assert (answer["type"], answer["code"]) == ("error", "unknown-topic")


def test_an_episode_whose_evaluation_is_unknown_is_an_unknown_topic(
    world: World,
) -> None:
    make_log(world, 1)
    world.database.connection().execute("DELETE FROM evaluations")
    come(world)
    (answer,) = say(world, watch())
    assert (answer["type"], answer["code"]) == ("error", "unknown-topic")
    assert answer["topic"] == TOPIC


# Frames that make no sense.


NONSENSE: list[tuple[Any, str]] = [
    ("", "not-json"),
    ("{", "not-json"),
    ("[" * 5_000, "not-json"),
    ("1" * 5_000, "not-json"),
    ("null", "no-action"),
    ("[]", "no-action"),
    ({"action": 1}, "no-action"),
    ({"action": "fly"}, "unknown-action"),
    ({"action": "watch"}, "bad-topic"),
    (watch(""), "bad-topic"),
    (watch("episode:"), "bad-topic"),
    (watch("game:x"), "bad-topic"),
    (watch("episode:" + "x" * 80), "bad-topic"),
    (watch("episode:ep_none"), "unknown-topic"),
    (watch("evaluation:ev_none"), "unknown-topic"),
    (watch("evaluation:visits"), "unknown-topic"),
    (watch(after=-1), "bad-after"),
    (watch(after=1.5), "bad-after"),
    (watch(after=True), "bad-after"),
    (watch(after="1"), "bad-after"),
    ({"action": "unwatch", "topic": 7}, "bad-topic"),
    ({"action": "ping", "topics": []}, "bad-topics"),
    ({"action": "ping", "topics": {TOPIC: "1"}}, "bad-topics"),
    ({"action": "ping", "topics": {TOPIC: -1}}, "bad-topics"),
    ({"action": "ping", "topics": {str(n): 0 for n in range(33)}}, "bad-topics"),
    ("x" * (FRAME_BYTES + 1), "too-large"),
]
UNHANDLED = [
    (watch(after=2**63), "bad-after"),
    ({"action": "ping", "topics": {TOPIC: 10**30}}, "bad-topics"),
    (watch("episode:\ud800"), "bad-topic"),
    (watch("evaluation:\udfff"), "bad-topic"),
    ({"action": "unwatch", "topic": "episode:\ud800"}, "bad-topic"),
]
"""Numbers and texts that no store can keep."""


@pytest.mark.parametrize(("frame", "code"), NONSENSE)
def test_a_frame_that_makes_no_sense_is_answered_and_changes_nothing(
    world: World, frame: Any, code: str
) -> None:
    make_log(world, 1)
    come(world)
    (answer,) = say(world, frame)
    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["message"]
    assert list(world.store.topics("c1")) == []


@pytest.mark.parametrize(("frame", "code"), UNHANDLED)
def test_a_frame_with_what_no_store_can_keep_is_answered(
    world: World, frame: Any, code: str
) -> None:
    make_log(world, 1)
    come(world)
    world.store.watch("c1", TOPIC, 1e12)
    (answer,) = say(world, frame)
    assert (answer["type"], answer["code"]) == ("error", code)


def test_ten_frames_that_make_no_sense_end_the_connection(world: World) -> None:
    make_log(world, 1)
    come(world, "c1")
    come(world, "c2")
    say(world, watch())
    for _ in range(BAD_FRAMES - 1):
        say(world, "nonsense")
        say(world, {"action": "ping"})
    assert world.feed.closed == []
    say(world, "nonsense", "c2")
    say(world, "nonsense")
    assert world.feed.closed == ["c1"]
    assert list(world.store.watchers(TOPIC)) == []


STRANGE = st.text(st.characters(exclude_categories=()), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-3, 300) | STRANGE,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(STRANGE, inner, max_size=3)
    ),
    max_leaves=6,
)
TEXTS = st.text(max_size=30)
TOPICS = (
    st.sampled_from([TOPIC, "live", "episode:", "evaluation:ev_1"])
    | TEXTS
    | TEXTS.map("episode:".__add__)
    | TEXTS.map("evaluation:".__add__)
)
FRAMES = st.fixed_dictionaries(
    {"action": st.sampled_from(["watch", "unwatch", "ping"])},
    optional={
        "topic": TOPICS | VALUES,
        "after": st.integers(-5, 2**40) | VALUES,
        "topics": st.dictionaries(TOPICS, st.integers(-5, 2**40) | VALUES, max_size=4)
        | VALUES,
    },
).map(json.dumps)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with fresh_world(tmp_path_factory.mktemp("lasting") / "world") as world:
        make_log(world, 3)
        yield world


@given(text=STRANGE | VALUES.map(json.dumps) | FRAMES)
def test_no_text_at_all_makes_a_frame_that_is_not_answered_in_its_own_way(
    lasting: World, text: str
) -> None:
    lasting.feed.sent.clear()
    come(lasting, "c9")
    for frame in say(lasting, text, "c9"):
        assert frame["type"] in ("error", "event", "caught-up", "state", "pong")
        json.dumps(frame).encode()
    lasting.tilts.spectators.disconnect("c9")


# A client, and a network that loses, doubles and reorders.


@dataclass
class Viewer:
    """What the page does: drops what it has, holds what comes too early."""

    log: list[Json] = field(default_factory=list)
    early: dict[int, Json] = field(default_factory=dict)
    must_fetch: bool = False

    def take(self, frame: Json) -> None:
        if frame["type"] == "resync":
            self.must_fetch = True
        if frame["type"] != "event" or frame["n"] <= len(self.log):
            return
        self.early[frame["n"]] = frame["event"]
        while (n := len(self.log) + 1) in self.early:
            self.log.append(self.early.pop(n))

    def fetch(self, world: World) -> None:
        """Read the log as the page does over REST, a page at a time."""
        if self.must_fetch:
            self.must_fetch = False
            for event in world.store.events(EPISODE, len(self.log), 100):
                self.take({"type": "event", "n": event.n, "event": event.to_json()})
                self.must_fetch = True


class Network:
    """Carries frames to a viewer, as a script of fates has it."""

    def __init__(self, world: World, viewer: Viewer, fates: list[str]) -> None:
        self.world = world
        self.viewer = viewer
        self.fates = fates
        self.held: list[Json] = []
        self.read = 0

    def carry(self) -> None:
        for frame in frames_of(self.world, after=self.read):
            fate = self.fates.pop() if self.fates else "arrives"
            if fate == "held":
                self.held.append(frame)
            for _ in range({"arrives": 1, "doubled": 2}.get(fate, 0)):
                self.viewer.take(frame)
        self.read = len(self.world.feed.sent)

    def let_go(self) -> None:
        for frame in reversed(self.held):
            self.viewer.take(frame)
        self.held = []


FATES = st.lists(st.sampled_from(["arrives", "lost", "doubled", "held"]), max_size=120)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["grow", "leap", "tell", "tell again", "ping", "watch", "free"]
        ),
        st.integers(1, 12),
    ),
    max_size=40,
)


@given(steps=STEPS, fates=FATES)
def test_whatever_is_lost_doubled_or_reordered_a_viewer_ends_with_the_whole_log(
    steps: list[tuple[str, int]], fates: list[str]
) -> None:
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        check_viewer(world, steps, list(fates))


@pytest.mark.verify
@settings(settings.get_profile("verify"))
@given(steps=STEPS, fates=FATES)
def test_a_viewer_ends_with_the_whole_log_in_very_many_ways(
    steps: list[tuple[str, int]], fates: list[str]
) -> None:
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        check_viewer(world, steps, list(fates))


def check_viewer(world: World, steps: list[tuple[str, int]], fates: list[str]) -> None:
    viewer = Viewer()
    network = Network(world, viewer, fates)
    make_log(world, 0)
    come(world)
    say(world, watch())
    length = told = 0
    for step, amount in steps:
        if step in ("grow", "leap"):
            to = length + amount * (40 if step == "leap" else 1)
            grow_log(world, length, to)
            length = to
        elif step == "tell":
            tell(world, told, length)
            told = length
        elif step == "tell again":
            tell(world, max(0, told - amount), told)
        elif step == "free":
            network.let_go()
        else:
            ask(world, viewer, step)
        network.carry()
        viewer.fetch(world)
        check_prefix(world, viewer)
    network.fates = []
    network.let_go()
    ask(world, viewer, "watch")
    for _ in range(length // 100 + 2):
        network.carry()
        viewer.fetch(world)
        ask(world, viewer, "ping")
    network.carry()
    check_prefix(world, viewer)
    assert len(viewer.log) == length
    assert viewer.early == {}


def ask(world: World, viewer: Viewer, action: str) -> None:
    frame = {
        "watch": watch(after=len(viewer.log)),
        "ping": {"action": "ping", "topics": {TOPIC: len(viewer.log)}},
    }[action]
    world.tilts.spectators.receive("c1", json.dumps(frame))


def check_prefix(world: World, viewer: Viewer) -> None:
    there = world.store.events(EPISODE, 0, len(viewer.log))
    assert viewer.log == [event.to_json() for event in there]


def test_who_watches_a_game_as_it_is_played_ends_with_its_transcript(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MM-I")])
    come(world)
    topic = f"episode:{episode.id}"
    say(world, watch(topic))
    world.play()
    world.tell()
    viewer = Viewer()
    for frame in frames_of(world):
        viewer.take(frame)
    lines = "".join(canonical_json(event) + "\n" for event in viewer.log)
    assert lines.encode() == world.store.transcript(episode.id)
