"""The rules: variants, secrets, feedback, what is seen, how it ends.

A code is a tuple of colour numbers, one for each peg from left to right, both
counted from 0; a colour may stand on several pegs. "Lowest" always means first in
the order of these tuples, which is the numerical order of Knuth's 1111 to 6666.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import product
from typing import Final

from chalicelib.errors import IllegalMoveError
from chalicelib.games.chance import Chance
from chalicelib.games.game import Outcome

GENERATOR: Final = "mastermind-1"

Code = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A size of the game: pegs in a code, the first of COLOURS, most guesses."""

    pegs: int
    colours: tuple[str, ...]
    limit: int


COLOURS: Final = ("red", "blue", "green", "yellow", "orange", "purple")
"""All colours; none is called as the black and white pegs of an answer are."""

VARIANTS: Final[Mapping[str, Variant]] = {
    "classic": Variant(pegs=4, colours=COLOURS, limit=10),
    "small": Variant(pegs=3, colours=COLOURS[:4], limit=8),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A guess and its answer.

    Black pegs count right colours on the right peg, white pegs right colours on a
    wrong one.
    """

    guess: Code
    black: int
    white: int


@dataclass(frozen=True, slots=True)
class Observation:
    """All that the player sees: the variant and the answered guesses."""

    variant: str
    turns: tuple[Turn, ...] = ()

    @property
    def rules(self) -> Variant:
        return VARIANTS[self.variant]

    @property
    def solved(self) -> bool:
        return bool(self.turns) and self.turns[-1].black == self.rules.pegs

    @property
    def left(self) -> int:
        """How many guesses may still be made; 0 when it is over."""
        return 0 if self.solved else self.rules.limit - len(self.turns)


@dataclass(frozen=True, slots=True)
class State:
    """The whole truth. The seed is part of it so that a fingerprint hides the secret."""

    variant: str
    seed: str
    secret: Code
    guesses: tuple[Code, ...] = ()


@lru_cache(maxsize=8)
def all_codes(pegs: int, colours: int) -> tuple[Code, ...]:
    """Every code there is, lowest first."""
    return tuple(product(range(colours), repeat=pegs))


@lru_cache(maxsize=8_192)
def feedback(guess: Code, secret: Code) -> tuple[int, int]:
    """Black and white pegs of a guess; the same if the two change places."""
    black = sum(mine == yours for mine, yours in zip(guess, secret, strict=True))
    common = sum(
        min(guess.count(colour), secret.count(colour)) for colour in set(guess)
    )
    return black, common - black


def start(variant: str, seed: str) -> State:
    """The first position; KeyError for an unknown variant."""
    rules = VARIANTS[variant]
    chance = Chance(GENERATOR, variant, seed)
    secret = tuple(chance.below(len(rules.colours)) for _ in range(rules.pegs))
    return State(variant, seed, secret)


def observe(state: State) -> Observation:
    """The guesses with their answers."""
    turns = (Turn(guess, *feedback(guess, state.secret)) for guess in state.guesses)
    return Observation(state.variant, tuple(turns))


def check(observation: Observation, move: Code) -> None:
    """IllegalMoveError unless the guess may be made."""
    rules = observation.rules
    if not observation.left:
        raise IllegalMoveError("The game is over: no further guess can be made.")
    if len(move) != rules.pegs:
        raise IllegalMoveError(
            f"A guess names exactly {rules.pegs} colours, one for each peg; "
            f"this one names {len(move)}."
        )
    if not all(0 <= colour < len(rules.colours) for colour in move):
        raise IllegalMoveError(f"Choose from {', '.join(rules.colours)}.")


def apply(state: State, move: Code) -> State:
    """The position after a guess that passed `check`."""
    return State(state.variant, state.seed, state.secret, (*state.guesses, move))


def outcome(state: State) -> Outcome | None:
    """How it ended, or None while it goes on."""
    if state.guesses and state.guesses[-1] == state.secret:
        return Outcome((1,), "solved", won=True)
    if len(state.guesses) >= VARIANTS[state.variant].limit:
        return Outcome((1,), "limit", won=False)
    return None


def fingerprint(state: State) -> str:
    """16 hexadecimal digits that change when the state does."""
    text = repr((state.variant, state.seed, state.secret, state.guesses))
    return sha256(text.encode()).hexdigest()[:16]
