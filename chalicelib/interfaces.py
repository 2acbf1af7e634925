"""What services ask of the outside: Store, Queue, LiveFeed, Clock, Ids, Meter.

All are plain and synchronous but for Clock.sleep. The evaluator reaches them only
through its `perform` seam.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from chalicelib.events import Event
from chalicelib.records import (
    Call,
    Episode,
    Evaluation,
    EvaluationEnd,
    EvaluationStatus,
    Money,
    Page,
    Result,
)

Json = dict[str, Any]


class Store(Protocol):
    """Everything that must outlive a process."""

    def create_evaluation(
        self,
        evaluation: Evaluation,
        idempotency_key: str | None,
        body_hash: str,
        month_cap_microusd: int,
    ) -> Evaluation:
        """Keep it, and set its budget aside from the team's month, in one transaction.

        The same key and body give the first one back. KeyReusedError, BudgetError.
        """

    def evaluation_of_key(self, key: str, body_hash: str) -> Evaluation | None:
        """What was created under an idempotency key, if anything. KeyReusedError."""

    def settle_reservation(self, evaluation: str, amount: int) -> None:
        """It is over: of its budget only this much stays taken from the month."""

    def hold(
        self,
        evaluation: str,
        episode: str,
        amount: int,
        budget: int,
        in_order: bool = False,
    ) -> str:
        """Set an episode's cap aside from the budget: "held" (also when it was before).

        "wait": not now, but what others hold may come free; "refused": never. With
        `in_order` an episode waits for all paid ones that were created before it, and
        is refused once one of them was.
        """

    def settle_hold(self, episode: str, cost: int, orphaned: int = 0) -> None:
        """The episode is over: it cost this much, and as much as `orphaned` more. Once.

        Of what is orphaned no more counts than was set aside: a ledger that says more
        has an intent of a worker that had lost its claim, and that no call followed.
        """

    def money(self, evaluation: str) -> Money:
        """What is held and spent of an evaluation's budget."""

    def month_total(self, team: str, month: str) -> int:
        """What a team's evaluations have taken of a month."""

    def evaluation(self, evaluation_id: str) -> Evaluation:
        """NotFoundError when there is none."""

    def evaluations(
        self, filters: Mapping[str, str], limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        """Newest first; filters: suite, status, visibility, team, untended ("0", "1")."""

    def change_evaluation(
        self,
        evaluation_id: str,
        was: Iterable[EvaluationStatus],
        to: EvaluationStatus,
        end: EvaluationEnd | None = None,
        note: str | None = None,
    ) -> bool:
        """Move to another status, if it is in one of `was`."""

    def replace_evaluation(
        self, was: Evaluation, to: Evaluation, month_cap_microusd: int
    ) -> bool:
        """Replace it if it is still what it was; a larger budget is set aside too.

        BudgetError.
        """

    def create_episodes(self, episodes: Sequence[Episode]) -> None:
        """Keep those that are not there yet."""

    def episode(self, episode_id: str) -> Episode:
        """NotFoundError when there is none."""

    def episodes(
        self,
        evaluation: str | None,
        status: str | None,
        limit: int,
        cursor: str | None,
        newest_first: bool = False,
    ) -> Page[Episode]:
        """In order of creation, or from the newest; of one evaluation or of all."""

    def tally(self, evaluation: str) -> dict[str, int]:
        """How many episodes are in each state: `waiting`, `finished.won`, ..."""

    def has_open(self, evaluation: str) -> bool:
        """Whether any of its episodes is not over; cheaper than a tally of many."""

    def claim(
        self, episode_id: str, owner: str, now: float, lease_seconds: float
    ) -> Episode | None:
        """Take it (epoch + 1, barren + 1); None when held, off the index or over."""

    def renew(self, episode_id: str, epoch: int, until: float) -> bool:
        """Hold it longer; false when another claim has been made, or it was let go."""

    def note_progress(self, episode_id: str, epoch: int, reached: int) -> bool:
        """Note the length of the log, and that this claim was not barren."""

    def release(self, episode_id: str, epoch: int, due_at: float | None) -> bool:
        """Let go, to be taken up at `due_at` (None: only when something asks)."""

    def due(self, now: float, shard: int, limit: int) -> Sequence[str]:
        """Episodes that nobody holds and that should be going on."""

    def append(self, event: Event) -> None:
        """Put if absent. EventExistsError(existing) when n is taken."""

    def events(self, episode_id: str, after: int, limit: int) -> Sequence[Event]:
        """Committed events with n > after, in order; strongly consistent."""

    def intend(self, call: Call) -> None:
        """Keep the intent before the call is made; put if absent."""

    def settle(self, call: Call) -> None:
        """Replace an intent by what came of it."""

    def calls(self, episode_id: str) -> Sequence[Call]:
        """The ledger rows of one episode, in order."""

    def finish(self, result: Result) -> None:
        """Keep the result row if it is not there yet."""

    def close(
        self,
        episode_id: str,
        status: str,
        end: str,
        note: str | None,
        epoch: int | None = None,
    ) -> bool:
        """Reach a terminal state, once; false when it was reached before.

        With an epoch: false, too, when another claim has been made.
        """

    def reopen(self, episode_id: str, due_at: float) -> bool:
        """Let an episode that failed be played on; false unless it has failed."""

    def results(self, evaluation: str, limit: int, cursor: str | None) -> Page[Result]:
        """One row per episode, in the order in which episodes were created."""

    def suite_results(self, suite: str, game: str) -> Sequence[Result]:
        """All rows of public evaluations on one suite and game."""

    def put_transcript(self, episode_id: str, transcript: bytes) -> None:
        """Keep the transcript; writing it again is harmless."""

    def transcript(self, episode_id: str) -> bytes | None:
        """The transcript of an episode that is over, or None."""

    def pack_transcripts(self, evaluation: str) -> bool:
        """Put transcripts of an evaluation that is over together; whether more is left.

        They are read as before, also meanwhile; doing it again is harmless.
        """

    def connect(self, connection: str, until: float) -> None:
        """A spectator has come."""

    def watch(self, connection: str, topic: str, until: float) -> None:
        """A spectator follows a topic."""

    def unwatch(self, connection: str, topic: str) -> None:
        """A spectator follows a topic no longer."""

    def watchers(self, topic: str) -> Sequence[str]:
        """The connections that follow a topic."""

    def topics(self, connection: str) -> Sequence[str]:
        """The topics that a connection follows."""

    def note_bad_frame(self, connection: str) -> int:
        """Count a frame that could not be understood; how many there were."""

    def forget(self, connection: str) -> None:
        """A spectator has gone."""

    def document(self, kind: str, key: str) -> Json | None:
        """A suite, summary, edition, key, or None."""

    def put_document(self, kind: str, key: str, body: Json) -> Json:
        """Put if absent; what is there afterwards."""

    def change_document(self, kind: str, key: str, was: Json | None, to: Json) -> bool:
        """Replace it if it is still what it was (None: absent)."""


class Queue(Protocol):
    """Wake-ups: may be lost, doubled, late and out of order."""

    def send(
        self, queue: str, bodies: Sequence[Json], delay_seconds: float = 0
    ) -> None:
        """Send each body as a message of its own."""


class LiveFeed(Protocol):
    """The way to spectators."""

    def send(self, connection: str, frame: str) -> None:
        """Send one frame. ConnectionGoneError."""

    def close(self, connection: str) -> None:
        """Close the connection, if it is still there."""


class Clock(Protocol):
    """Time, in epoch seconds."""

    def now(self) -> float:
        """The present moment."""

    async def sleep(self, seconds: float) -> None:
        """Let others go on for that long."""


class Ids(Protocol):
    """New names."""

    def new(self, prefix: str) -> str:
        """A name that nothing else has, beginning with the prefix."""


class Meter(Protocol):
    """Where numbers about the running service go."""

    def count(self, name: str, value: float = 1, **dimension: str) -> None:
        """Note a value of a metric, under at most one dimension, from any thread.

        ValueError for a name or a dimension that is not in the table of metrics.
        """
