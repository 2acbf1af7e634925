"""MM-I: Mastermind as the Game protocol sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import log2
from types import MappingProxyType
from typing import Any, Final

from chalicelib.games.chance import Chance
from chalicelib.games.game import Grade, Json, Kind, Outcome
from chalicelib.games.mastermind import arguments as wire
from chalicelib.games.mastermind import grading, rules
from chalicelib.games.mastermind.oracle import PLACES, remaining
from chalicelib.games.mastermind.rules import Code, Observation, State
from chalicelib.games.mastermind.strategies import (
    Strategy,
    play_entropy,
    play_minimax,
)

VARIANTS: Final[Mapping[str, Json]] = {
    name: asdict(variant) | {"colours": list(variant.colours)}
    for name, variant in rules.VARIANTS.items()
}
STRATEGIES: Final[Mapping[str, Strategy]] = {
    "entropy": play_entropy,
    "minimax": play_minimax,
}


def describe_list(observation: Observation) -> str:
    """The rules in brief, and the guesses with their answers, one a line."""
    variant = observation.rules
    lines = [
        f"The secret has {variant.pegs} pegs, 0 (left) to {variant.pegs - 1} "
        f"(right). Colours: {', '.join(variant.colours)}; each may occur on "
        "several pegs.",
        "black: right colour on the right peg; white: right colour on a wrong peg.",
    ]
    lines += [
        f"Guess {number}: {' '.join(wire.write(turn.guess)['guess'])} -> "
        f"{turn.black} black, {turn.white} white"
        for number, turn in enumerate(observation.turns, 1)
    ]
    if observation.left:
        lines.append(f"Guess {len(observation.turns) + 1} of {variant.limit} is next.")
    else:
        lines.append("Solved." if observation.solved else "No guesses are left.")
    return "\n".join(lines)


class Mastermind:
    """One player seeks a secret code; every guess is weighed against all codes."""

    code = "MM-I"
    name = "Mastermind"
    kind: Kind = "interactive"
    seats = 1
    engine = "mastermind-1"
    oracle = "mastermind-oracle-1"
    generator = rules.GENERATOR
    variants = VARIANTS
    strategies = STRATEGIES
    styles: Mapping[str, Callable[[Observation], str]] = MappingProxyType(
        {"list": describe_list}
    )

    def new(self, variant: str, seed: str) -> State:
        return rules.start(variant, seed)

    def to_move(self, state: State) -> int:
        return 0

    def observe(self, state: State, seat: int) -> Observation:
        return rules.observe(state)

    def legal_moves(self, state: State) -> Sequence[Code]:
        if rules.outcome(state):
            return ()
        variant = rules.VARIANTS[state.variant]
        return rules.all_codes(variant.pegs, len(variant.colours))

    def read(self, arguments: Any, observation: Observation) -> Code:
        return wire.read(arguments, observation)

    def write(self, move: Code) -> Json:
        return wire.write(move)

    def check(self, observation: Observation, move: Code) -> None:
        rules.check(observation, move)

    def apply(self, state: State, move: Code, chance: Chance) -> State:
        return rules.apply(state, move)

    def outcome(self, state: State) -> Outcome | None:
        return rules.outcome(state)

    def grade(self, observation: Observation, move: Code, after: State) -> Grade:
        return grading.grade(observation, move, after)

    def judge(self, observation: Observation, arguments: Json) -> list[Json]:
        return grading.judge(observation, arguments.get("claims"))

    def describe(self, observation: Observation) -> str:
        return describe_list(observation)

    def view(self, observation: Observation) -> Json:
        return {
            "pegs": observation.rules.pegs,
            "colours": list(observation.rules.colours),
            "limit": observation.rules.limit,
            "left": observation.left,
            "turns": [
                {**wire.write(turn.guess), "black": turn.black, "white": turn.white}
                for turn in observation.turns
            ],
        }

    def insight(self, observation: Observation) -> Json | None:
        """How many codes remain, in bits too, and how many have each colour where.

        `counts` has a row for each peg and in it a number for each colour.
        """
        if not observation.left:
            return None
        count = len(remaining(observation))
        return {
            "remaining": count,
            "bits": round(log2(count), PLACES),
            "counts": grading.marginals(observation),
        }

    def reveal(self, state: State) -> Json:
        return {"secret": wire.write(state.secret)["guess"]}

    def tool(self, observation: Observation) -> Json:
        return wire.tool(observation)

    def longest(self, variant: str) -> int:
        return rules.VARIANTS[variant].limit

    def fingerprint(self, state: State) -> str:
        return rules.fingerprint(state)

    def scores(
        self, state: State, grades: Sequence[Grade], outcome: Outcome | None
    ) -> Json:
        return grading.scores(state, grades, outcome)


MASTERMIND = Mastermind()
