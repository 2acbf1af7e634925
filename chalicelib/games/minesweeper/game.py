"""MS-I: Minesweeper as the Game protocol sees it."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal

from chalicelib.games.chance import Chance
from chalicelib.games.game import Grade, Json, Outcome
from chalicelib.games.minesweeper import arguments as wire
from chalicelib.games.minesweeper import grading, rules
from chalicelib.games.minesweeper.boards import SIZES
from chalicelib.games.minesweeper.descriptions import (
    describe_coordinates,
    describe_grid,
)
from chalicelib.games.minesweeper.memory import posterior_of
from chalicelib.games.minesweeper.rules import Observation, Reveal, State
from chalicelib.games.minesweeper.strategies import play_safest

CLASSIC = ("5x5", "6x6", "beginner", "intermediate", "expert")
TOP = 65_535


class Minesweeper:
    """Minesweeper with an opening that is already played and exact odds."""

    code = "MS-I"
    name = "Minesweeper"
    kind: Literal["interactive"] = "interactive"
    seats = 1
    engine = "minesweeper-1"
    oracle = "minesweeper-oracle-1"
    generator = rules.GENERATOR
    variants: Mapping[str, Json] = MappingProxyType(
        {
            **{name: asdict(SIZES[name]) for name in CLASSIC},
            **{name + rules.NO_GUESS: asdict(SIZES[name]) for name in CLASSIC},
        }
    )
    strategies: Mapping[str, Any] = MappingProxyType({"safest": play_safest})

    styles: Mapping[str, Any] = MappingProxyType(
        {"grid": describe_grid, "coordinates": describe_coordinates}
    )

    def new(self, variant: str, seed: str) -> State:
        return rules.start(variant, seed)

    def to_move(self, state: State) -> int:
        return 0

    def observe(self, state: State, seat: int) -> Observation:
        return rules.observe(state)

    def legal_moves(self, state: State) -> Sequence[Reveal]:
        if rules.outcome(state):
            return ()
        hidden = rules.hidden_cells(rules.observe(state).rows)
        return tuple(Reveal((cell,)) for cell in hidden)

    def read(self, arguments: Any, observation: Observation) -> Reveal:
        return wire.read(arguments)

    def write(self, move: Reveal) -> Json:
        return wire.write(move)

    def check(self, observation: Observation, move: Reveal) -> None:
        rules.check(observation, move)

    def apply(self, state: State, move: Reveal, chance: Chance) -> State:
        return rules.reveal(state, move)

    def outcome(self, state: State) -> Outcome | None:
        return rules.outcome(state)

    def grade(self, observation: Observation, move: Reveal, after: State) -> Grade:
        return grading.grade(observation, move, after)

    def judge(self, observation: Observation, arguments: Json) -> list[Json]:
        return grading.judge(observation, arguments.get("claims"))

    def describe(self, observation: Observation) -> str:
        return describe_grid(observation)

    def view(self, observation: Observation) -> Json:
        return {"rows": list(observation.rows), "mines": observation.mines}

    def insight(self, observation: Observation) -> Json | None:
        """Mine risk of each hidden cell in reading order, two bytes a cell, base64.

        0 and 65,535 stand only for exactly 0 and exactly 1.
        """
        if observation.over:
            return None
        posterior = posterior_of(observation.rows, observation.mines)
        mined, layouts = posterior.mine_layouts, posterior.layouts
        levels = {ways: two_bytes(ways, layouts) for ways in set(mined.values())}
        cells = rules.hidden_cells(observation.rows)
        risks = b"".join(levels[mined[cell]] for cell in cells)
        return {
            "risk": b64encode(risks).decode(),
            "layouts_digits": len(str(posterior.layouts)),
            "exact": not observation.selected,
        }

    def reveal(self, state: State) -> Json:
        return {
            "mines": sorted(map(list, state.layout.mines)),
            "opening": list(state.layout.opening),
        }

    def tool(self, observation: Observation) -> Json:
        return wire.tool(observation)

    def longest(self, variant: str) -> int:
        return rules.safe_cells(rules.variant_size(variant))

    def fingerprint(self, state: State) -> str:
        return rules.fingerprint(state)

    def scores(
        self, state: State, grades: Sequence[Grade], outcome: Outcome | None
    ) -> Json:
        return grading.scores(state, grades, outcome)


def two_bytes(ways: int, layouts: int) -> bytes:
    """The risk in two bytes; the ends of the scale only for exactly 0 and 1."""
    level = round(Fraction(ways * TOP, layouts))
    if 0 < ways < layouts:
        level = min(max(level, 1), TOP - 1)
    return level.to_bytes(2, "big")


MINESWEEPER = Minesweeper()
