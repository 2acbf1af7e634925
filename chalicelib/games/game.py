"""The protocol that every game follows, and the words it shares with the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from chalicelib.games.chance import Chance

Json = dict[str, Any]
Kind = Literal["static", "interactive"]

S = TypeVar("S")
M = TypeVar("M")
O = TypeVar("O")  # noqa: E741 - the letter the protocol is written with


@dataclass(frozen=True, slots=True)
class Grade:
    """What the oracle says of one move; the same shape for every game.

    `regret` is what the move gave away against the best one, in `unit`; 0 is best.
    Where `exact` is false the grade enters no exact metric.
    """

    regret: float
    class_: str
    exact: bool
    unit: str
    details: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """The grade as an event carries it."""
        return {
            "regret": self.regret,
            "class": self.class_,
            "exact": self.exact,
            "unit": self.unit,
            "details": self.details,
        }

    @staticmethod
    def from_json(body: Json) -> "Grade":
        """The grade that `to_json` wrote."""
        return Grade(
            body["regret"],
            body["class"],
            body["exact"],
            body["unit"],
            body["details"],
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an episode ended (`placings`: place of each seat, from 1), and why."""

    placings: tuple[int, ...]
    termination: str
    won: bool | None = None

    def to_json(self) -> Json:
        """The outcome as an event carries it."""
        return {
            "placings": list(self.placings),
            "termination": self.termination,
            "won": self.won,
        }


class Game(Protocol[S, M, O]):
    """The rules of one game. Pure: a state is a value, a refused move changes nothing.

    `engine`, `oracle` and `generator` are version names that go into every log;
    `variants` maps each variant to facts worth showing (size, number of mines);
    `strategies` maps the name of a scripted way to play to its function; `styles` maps
    the name of a way to write an observation as text to its function.
    """

    code: str
    name: str
    kind: Kind
    seats: int
    engine: str
    oracle: str
    generator: str
    variants: Mapping[str, Json]
    strategies: Mapping[str, Callable[[O, Chance], M]]
    styles: Mapping[str, Callable[[O], str]]

    def new(self, variant: str, seed: str) -> S:
        """The first position. KeyError for an unknown variant, GenerationError."""

    def to_move(self, state: S) -> int:
        """The seat whose turn it is."""

    def observe(self, state: S, seat: int) -> O:
        """All that the seat may see, and nothing else."""

    def legal_moves(self, state: S) -> Sequence[M]:
        """The atomic moves of the seat to move; empty exactly when it is over."""

    def read(self, arguments: Any, observation: O) -> M:
        """The move in a tool call's arguments. InvalidMoveError."""

    def write(self, move: M) -> Json:
        """The arguments that `read` turns into this move."""

    def check(self, observation: O, move: M) -> None:
        """IllegalMoveError unless the move is allowed, judged on what was seen."""

    def apply(self, state: S, move: M, chance: Chance) -> S:
        """The position after a move that passed `check`."""

    def outcome(self, state: S) -> Outcome | None:
        """How it ended, or None while it goes on."""

    def grade(self, observation: O, move: M, after: S) -> Grade:
        """What the oracle says of the move, chosen on `observation`, leading to `after`."""

    def judge(self, observation: O, arguments: Json) -> list[Json]:
        """The claims in the arguments, each with a verdict: true, false, not provable.

        InvalidMoveError when they cannot be read.
        """

    def describe(self, observation: O) -> str:
        """The observation as text: prompts, playthroughs, plain views."""

    def view(self, observation: O) -> Json:
        """All that is needed to draw the observation."""

    def insight(self, observation: O) -> Json | None:
        """The oracle on that view; None when it is over."""

    def reveal(self, state: S) -> Json:
        """The whole truth, to be drawn once it is over."""

    def tool(self, observation: O) -> Json:
        """JSON Schema (strict) of the arguments of a move."""

    def longest(self, variant: str) -> int:
        """The most steps an episode can have."""

    def fingerprint(self, state: S) -> str:
        """16 hexadecimal digits that change when the state does."""

    def scores(
        self, state: S, grades: Sequence[Grade], outcome: Outcome | None
    ) -> Json:
        """The numbers of one episode; outcome is None for a forfeit."""
