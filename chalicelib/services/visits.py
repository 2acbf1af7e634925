"""Playing a public task yourself, over HTTP, by the rules and grades of everyone.

A visit is an episode without an evaluation. Its grades, odds and events are sealed
for everyone until it ends; unfinished after a day it is a forfeit.
"""

import hmac
from hashlib import sha256
from typing import Any, Final

from chalicelib.errors import (
    AccessError,
    ConflictError,
    EventExistsError,
    LimitError,
    NotFoundError,
    StepError,
)
from chalicelib.events import Event
from chalicelib.interfaces import Clock, Ids, Queue, Store
from chalicelib.records import VISITS, Episode, episode_id
from chalicelib.services import messages
from chalicelib.services.endings import finishing_writes
from chalicelib.services.moments import write_moment
from chalicelib.services.suites import Suites
from chalicelib.services.transcripts import Transcript

Json = dict[str, Any]

VISIT_SECONDS: Final = 24 * 3600.0
OPEN_PER_SOURCE: Final = 20
KINDS: Final = ("human", "bot")


class Visits:
    """Episodes that people and bots play themselves."""

    def __init__(
        self, store: Store, queue: Queue, clock: Clock, ids: Ids, suites: Suites
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._ids = ids
        self._suites = suites

    def start(self, task_id: str, kind: str, source: str) -> Json:
        """A new episode, its first position, and the secret token that moves it.

        NotFoundError, LimitError when the source has too many unfinished.
        """
        task = self._suites.task(task_id)
        who = f"{kind}~{self._disguise(source)}"
        repeat = self._count_start(who, task_id)
        now = self._clock.now()
        episode = Episode(
            id=episode_id(VISITS, who, task.id, repeat),
            evaluation=VISITS,
            entry=who,
            task=task.id,
            game=task.game,
            variant=task.variant,
            suite=self._suites.suite_of(task.id),
            repeat=repeat,
            status="playing",
            created_at=write_moment(now),
            seats=(who,),
            due_at=now + VISIT_SECONDS,
        )
        transcript = Transcript(episode.id, task, who)
        self._store.create_episodes([episode])
        token = self._ids.new("move_")
        self._store.put_document(
            "visit", episode.id, {"token": sha256(token.encode()).hexdigest()}
        )
        self._commit(episode, transcript, transcript.draft_started())
        return {**self.position(episode, transcript), "token": token}

    def move(self, episode_id: str, step: int, arguments: Any, token: str) -> Json:
        """Play a move at a step; the position after it.

        AccessError for a wrong token, StepError for another step than the next,
        InvalidMoveError, IllegalMoveError, ConflictError when it is over.
        """
        episode = self._store.episode(episode_id)
        self._check_token(episode, token)
        if episode.is_over:
            raise ConflictError("This episode is over.", end=episode.end)
        transcript = self.read(episode)
        if transcript.is_decided:
            self._end(episode, transcript)
            raise ConflictError("This episode is over.", end=transcript.end)
        if step != transcript.step:
            raise wrong_step(step, self.position(episode, transcript))
        event = transcript.draft_moved(arguments, None, None)
        self._commit(episode, transcript, event)
        if transcript.is_decided:
            self._end(episode, transcript)
        return self.position(self._store.episode(episode_id), transcript)

    def expire(self, episode: Episode) -> None:
        """A day has gone by: forfeit, unless it was over but for the last writes."""
        transcript = self.read(episode)
        if not transcript.n:
            self._store.close(episode.id, "failed", "infra", "it was never started")
            return
        if not transcript.is_decided:
            forfeit = transcript.draft_forfeited("not finished within 24 hours")
            self._commit(episode, transcript, forfeit)
        self._end(episode, transcript)

    def read(self, episode: Episode) -> Transcript:
        """The episode as far as its log goes."""
        task = self._suites.task(episode.task)
        transcript = Transcript(episode.id, task, episode.entry)
        return transcript.replay(self._store.events(episode.id, 0, 10_000))

    def position(self, episode: Episode, transcript: Transcript) -> Json:
        """What the player sees; with the end of the game also how it went."""
        outcome = transcript.game.outcome(transcript.state)
        sight: Json = {
            "id": episode.id,
            "task": episode.task,
            "status": episode.status,
            "step": transcript.step,
            "view": transcript.game.view(transcript.observation),
            "text": transcript.game.describe(transcript.observation),
            "tool": transcript.game.tool(transcript.observation),
            "outcome": outcome.to_json() if outcome else None,
            "scores": None,
        }
        if transcript.ended:
            sight["scores"] = transcript.events[-1].body["scores"]
        return sight

    def _disguise(self, source: str) -> str:
        """A name for a source that nobody can trace back by trying all addresses."""
        secret = self._store.document("secret", "visitors") or self._store.put_document(
            "secret", "visitors", {"key": self._ids.new("")}
        )
        key = secret["key"].encode()
        return hmac.new(key, source.encode(), sha256).hexdigest()[:12]

    def _count_start(self, who: str, task: str) -> int:
        """Which play of this task by this source it is. LimitError."""
        while True:
            was = self._store.document("visitor", who)
            plays = dict(was["plays"]) if was else {}
            running = [e for e in (was["open"] if was else []) if self._is_open(e)]
            if len(running) >= OPEN_PER_SOURCE:
                raise LimitError(
                    f"You have {len(running)} unfinished episodes: finish one first."
                )
            repeat = plays.get(task, 0)
            running.append(episode_id(VISITS, who, task, repeat))
            to = {"plays": {**plays, task: repeat + 1}, "open": running}
            if self._store.change_document("visitor", who, was, to):
                return int(repeat)

    def _is_open(self, episode: str) -> bool:
        try:
            return not self._store.episode(episode).is_over
        except NotFoundError:
            return False

    def _check_token(self, episode: Episode, token: str) -> None:
        kept = self._store.document("visit", episode.id)
        given = sha256(token.encode()).hexdigest()
        if kept is None or not hmac.compare_digest(kept["token"], given):
            raise AccessError(
                "Only who started this episode may move in it: send the token that "
                "came with POST /v1/episodes."
            )

    def _commit(self, episode: Episode, transcript: Transcript, event: Event) -> None:
        try:
            self._store.append(event)
        except EventExistsError as refusal:
            present = self.position(episode, self.read(episode))
            raise wrong_step(transcript.step, present) from refusal
        transcript.add(event)

    def _end(self, episode: Episode, transcript: Transcript) -> None:
        if not transcript.ended:
            ending = transcript.draft_ended({})
            try:
                self._store.append(ending)
            except EventExistsError as refusal:
                # Somebody else has just written the same end.
                ending = refusal.existing
            transcript.add(ending)
        events = transcript.events
        for call, arguments in finishing_writes(self._store, episode, events, None):
            call(*arguments)
        self._queue.send(
            messages.BROADCAST,
            [messages.reached_message(episode.id, VISITS, 0, transcript.n)],
        )


def wrong_step(step: int, position: Json) -> StepError:
    """The refusal of a move for another step than the next, with where things stand."""
    return StepError(
        f"The move is for step {step}; the next step is {position['step']}.",
        step=position["step"],
        position=position,
    )
