"""The Player protocol, what a player is asked, and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.events import Event, Failure
from chalicelib.games.chance import Chance
from chalicelib.players.conversations import Conversation
from chalicelib.records import Call, Task

Json = dict[str, Any]
MAX_TRIES = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """One request for a move.

    `step` and `tries` (attempts that failed at this step) place it in the episode;
    `complaint` says what was wrong with the last attempt; `chance` is a stream of
    the episode, the step and the try. `settled` is a call for this very try that was
    paid for before a worker died: it is the answer.
    """

    task: Task
    seat: int
    step: int
    tries: int
    observation: Any
    legal_moves: Callable[[], Sequence[Any]]
    events: Sequence[Event]
    complaint: str | None
    chance: Chance
    conversation: Conversation
    settled: Call | None

    @property
    def conversation_id(self) -> str:
        """A name for the conversation: its episode's."""
        return self.events[0].episode if self.events else self.task.id


class Timer(Protocol):
    """Time, in epoch seconds."""

    def now(self) -> float:
        """The present moment."""

    async def sleep(self, seconds: float) -> None:
        """Let others go on for that long."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a player answered: arguments of a move, or a failure to give any."""

    arguments: Any = None
    said: str | None = None
    failure: Failure | None = None
    complaint: str | None = None
    call: Call | None = None


class Ledger(Protocol):
    """The write-ahead record of paid calls of one step of one episode."""

    async def intend(self, request: Json, max_microusd: int) -> Call:
        """Write the intent; the call may be made only afterwards.

        CapReachedError, CallsStoppedError.
        """

    async def settle(
        self, call: Call, reply: Json, tokens: Json, cost_microusd: int
    ) -> Call:
        """Write what came of the call."""

    async def fail(self, call: Call, reply: Json, cost_microusd: int) -> Call:
        """Write that the call gave no answer, and what it counts."""


class Player(Protocol):
    """Whoever chooses moves.

    `id` is safe in addresses and keys; `games` are the codes it plays; no call of
    `choose` takes longer than `call_seconds`.
    """

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def games(self) -> tuple[str, ...]: ...
    @property
    def about(self) -> str: ...
    @property
    def call_seconds(self) -> float: ...

    async def choose(self, turn: Turn, ledger: Ledger, deadline: float) -> Choice:
        """A move for the turn, by the deadline (epoch seconds). TransportError."""
