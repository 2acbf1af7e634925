"""A transcript: the log of one episode, folded into the position it leads to.

Pure. Events are drafted here, committed elsewhere, and taken up with `add`; replay
is the same `add` over a stored log. Grades are computed when a move is drafted and
never again.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from chalicelib.errors import EngineChangedError, MoveError
from chalicelib.events import (
    BODY_LIMIT,
    Event,
    EventType,
    Failure,
    canonical_json,
    clean_text,
)
from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from chalicelib.games.game import Game, Grade
from chalicelib.players.player import MAX_TRIES
from chalicelib.records import Task

Json = dict[str, Any]
Games = Callable[[str], Game[Any, Any, Any]]
"""Finds the rules of a code."""


class NewerEngineError(EngineChangedError):
    """The log was written by newer rules than are known here."""


class Transcript:
    """One episode as far as its log goes.

    `step` is the number of the next move; `tries` the failed attempts at it;
    `complaint` what was wrong with the last of them; `end` how the episode ended.
    """

    def __init__(
        self, episode: str, task: Task, player: str, games: Games = find_game
    ) -> None:
        self.episode = episode
        self.task = task
        self.player = player
        self.game = games(task.game)
        self.events: list[Event] = []
        self.state = self.game.new(task.variant, task.seed)
        self.observation = self.game.observe(self.state, 0)
        self.grades: list[Grade] = []
        self.claims: list[Json] = []
        self.failures: list[str] = []
        self.step = 1
        self.tries = 0
        self.complaint: str | None = None
        self.forfeited = False
        self.ended = False
        self.engine = self.game.engine
        self._drafted: tuple[Event, Any] | None = None

    @property
    def n(self) -> int:
        """How many events there are."""
        return len(self.events)

    @property
    def must_forfeit(self) -> bool:
        """Whether the attempts at this step are used up."""
        return self.tries >= MAX_TRIES and not self.forfeited

    @property
    def is_decided(self) -> bool:
        """Whether no further move is to be made."""
        return self.forfeited or self.game.outcome(self.state) is not None

    @property
    def end(self) -> str:
        """`won`, `lost`, or `forfeited`; only once it is decided."""
        outcome = self.game.outcome(self.state)
        if outcome is None:
            return "forfeited"
        return "won" if outcome.won else "lost"

    def chance(self) -> Chance:
        """The stream of what happens at the next step."""
        return Chance("step", self.task.seed, self.step)

    def player_chance(self) -> Chance:
        """The stream a scripted player draws from for its next answer."""
        return Chance("player", self.episode, self.step, self.tries)

    def draft_started(self) -> Event:
        """The first event: the task, who plays, and the first position."""
        return self._draft(
            "started",
            {
                "task": asdict(self.task),
                "player": self.player,
                "engine": self.game.engine,
                "oracle": self.game.oracle,
                "view": self.game.view(self.observation),
                "insight": self.game.insight(self.observation),
            },
        )

    def draft_attempted(
        self, failure: Failure, complaint: str, said: str | None, call: str | None
    ) -> Event:
        """A failed attempt at a move."""
        return self._draft(
            "attempted",
            {
                "step": self.step,
                "try": self.tries + 1,
                "failure": failure,
                "complaint": complaint,
                "said": said,
                "call": call,
            },
        )

    def draft_moved(self, arguments: Any, said: str | None, call: str | None) -> Event:
        """A move and its grade. InvalidMoveError, IllegalMoveError."""
        move = self.game.read(arguments, self.observation)
        self.game.check(self.observation, move)
        claims = self.game.judge(self.observation, arguments)
        after = self.game.apply(self.state, move, self.chance())
        observation = self.game.observe(after, 0)
        # Named where the log goes on under other rules than before.
        is_same = self.engine == self.game.engine
        event = self._draft(
            "moved",
            {
                **({} if is_same else {"engine": self.game.engine}),
                "step": self.step,
                "seat": self.game.to_move(self.state),
                "move": self.game.write(move),
                "said": said,
                "claims": claims,
                "grade": self.game.grade(self.observation, move, after).to_json(),
                "view": self.game.view(observation),
                "insight": self.game.insight(observation),
                "state": self.game.fingerprint(after),
                "call": call,
            },
        )
        self._drafted = (event, after)
        return event

    def draft_forfeited(self, reason: str) -> Event:
        """The player gives no move that can be played."""
        return self._draft("forfeited", {"step": self.step, "reason": reason})

    def draft_ended(self, totals: Json) -> Event:
        """The last event: outcome, why, the scores with `totals`, and the truth."""
        outcome = self.game.outcome(self.state)
        verdicts = [claim["verdict"] for claim in self.claims]
        return self._draft(
            "ended",
            {
                "outcome": self.end,
                "termination": outcome.termination if outcome else "forfeit",
                "scores": {
                    **self.game.scores(self.state, self.grades, outcome),
                    "forfeited": self.forfeited,
                    "attempts_failed": count(self.failures),
                    "claims": count(verdicts),
                    **totals,
                },
                "state": self.game.fingerprint(self.state),
                "truth": self.game.reveal(self.state),
            },
        )

    def add(self, event: Event) -> None:
        """Take up a committed event. EngineChangedError when it cannot be replayed."""
        if event.n != self.n + 1:
            raise EngineChangedError(f"Event {event.n} follows {self.n}.")
        self._note_engine(event)
        if event.type == "started":
            self._check_start(event)
        elif event.type == "moved":
            self._add_move(event)
        elif event.type == "attempted":
            self.tries += 1
            self.complaint = event.body["complaint"]
            self.failures.append(event.body["failure"])
        elif event.type == "forfeited":
            self.forfeited = True
        elif event.type == "ended":
            self.ended = True
        self.events.append(event)

    def replay(self, events: Iterable[Event]) -> "Transcript":
        """This transcript with all the events taken up."""
        for event in events:
            self.add(event)
        return self

    def _note_engine(self, event: Event) -> None:
        """NewerEngineError when the event is of rules that come after these."""
        self.engine = event.body.get("engine", self.engine)
        if is_newer(self.engine, self.game.engine):
            raise NewerEngineError(
                f"Event {event.n} is of {self.engine}; here is {self.game.engine}."
            )

    def _check_start(self, event: Event) -> None:
        view = self.game.view(self.observation)
        if canonical_json(event.body["view"]) != canonical_json(view):
            raise EngineChangedError(
                f"{self.game.generator} makes another first position of this task."
            )

    def _add_move(self, event: Event) -> None:
        body = event.body
        if self._drafted is not None and self._drafted[0] is event:
            after = self._drafted[1]
        else:
            after = self._replay_move(event)
        self.state = after
        self.observation = self.game.observe(after, 0)
        self.grades.append(Grade.from_json(body["grade"]))
        self.claims += body["claims"]
        self.step += 1
        self.tries = 0
        self.complaint = None
        self._drafted = None

    def _replay_move(self, event: Event) -> Any:
        try:
            move = self.game.read(event.body["move"], self.observation)
            self.game.check(self.observation, move)
        except MoveError as error:
            raise EngineChangedError(f"Event {event.n}: {error}") from error
        after = self.game.apply(self.state, move, self.chance())
        if self.game.fingerprint(after) != event.body["state"]:
            raise EngineChangedError(
                f"Event {event.n} leads to another position under {self.game.engine}."
            )
        return after

    def _draft(self, kind: EventType, body: Json) -> Event:
        if body.get("said") is not None:
            body["said"] = clean_text(body["said"])
        event = Event(self.episode, self.n + 1, kind, body)
        if body.get("said") is None or len(event.line().encode()) <= BODY_LIMIT:
            return event
        surplus = len(canonical_json(body).encode()) - BODY_LIMIT
        if surplus <= 0:
            return event
        shorter = {**body, "said": cut_text(body["said"], surplus)}
        return Event(self.episode, self.n + 1, kind, shorter)


def is_newer(version: str, own: str) -> bool:
    """Whether `version` is a later one of the same rules: `<rules>-<number>`."""
    stem, _, number = version.rpartition("-")
    own_stem, _, own_number = own.rpartition("-")
    if stem != own_stem or not (number.isdecimal() and own_number.isdecimal()):
        return False
    return int(number) > int(own_number)


def cut_text(text: str, surplus: int) -> str:
    """The text without at least so many bytes of its JSON, and a mark that it was cut."""
    kept, size = len(text), 0
    wanted = surplus + len("…".encode())
    while kept and size < wanted:
        kept -= 1
        size += len(canonical_json(text[kept]).encode()) - 2
    return text[:kept] + "…"


def count(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
