"""Minds: how a model plays, by its name; the same request always gets the same move."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from chalicelib.games.chance import Chance
from chalicelib.games.mastermind import rules as mastermind
from chalicelib.games.mastermind.oracle import remaining, space_of
from chalicelib.games.minesweeper import rules as minesweeper
from chalicelib.games.minesweeper.boards import Cell
from chalicelib.games.minesweeper.memory import posterior_of
from chalicelib.games.minesweeper.strategies import play_safest
from tests.modelserver.reading import read_position

Json = dict[str, Any]

MOST_CLAIMS: Final = 3


@dataclass(frozen=True, slots=True)
class Mind:
    """How often in a thousand it moves blindly, whether it speaks, if it may be asked."""

    blind: int
    speaks: bool = True
    lifecycle: str = "active"


MINDS: Final[Mapping[str, Mind]] = {
    "tilts-strong": Mind(0),
    "tilts-medium": Mind(50),
    "tilts-weak": Mind(300),
    "tilts-random": Mind(1000),
    "tilts-silent": Mind(50, speaks=False),
    "tilts-deprecated": Mind(50, lifecycle="deprecated"),
    "tilts-retired": Mind(50, lifecycle="retired"),
}


@dataclass(frozen=True, slots=True)
class Thought:
    """What a mind makes of a conversation: words, and arguments of a move if it has any."""

    said: str
    arguments: Json | None


def think(mind: Mind, texts: Iterable[str], schema: Json | None, seed: str) -> Thought:
    """The move on the last board in the texts; a filled-in form where there is none."""
    if schema is None:
        return Thought("There is no tool to call.", None)
    chance = Chance(seed)
    properties = schema.get("properties", {})
    position = read_position(texts)
    if isinstance(position, minesweeper.Observation) and "reveal" in properties:
        said, found = sweep(mind, position, chance)
    elif isinstance(position, mastermind.Observation) and "guess" in properties:
        said, found = crack(mind, position, chance)
    else:
        said, found = "I see no board that I know.", {}
    if not mind.speaks:
        said = ""
        found.pop("claims", None)
    arguments = {
        name: said if name == "reasoning" else found.get(name, fill(form))
        for name, form in properties.items()
    }
    return Thought(said, arguments)


def sweep(
    mind: Mind, seen: minesweeper.Observation, chance: Chance
) -> tuple[str, Json]:
    """A reveal, with claims that the oracle can prove."""
    hidden = minesweeper.hidden_cells(seen.rows)
    if seen.over or not hidden:
        return "This board is finished.", {"reveal": []}
    if chance.chance(mind.blind, 1000):
        row, column = chance.choice(hidden)
        said = f"Row {row}, column {column} feels right."
        return said, {"reveal": [{"row": row, "column": column}]}
    cells, claims = safest(seen, chance.below(4))
    shown = ", ".join(f"({row}, {column})" for row, column in cells[:6])
    certain = (
        "safe" if any(claim["is"] == "safe" for claim in claims) else "least risky"
    )
    said = f"From the numbers, {shown} {'are' if len(cells) > 1 else 'is'} {certain}."
    reveal = [{"row": row, "column": column} for row, column in cells]
    return said, {"reveal": reveal, "claims": [*claims] or None}


@lru_cache(maxsize=65_536)
def safest(
    seen: minesweeper.Observation, seed: int
) -> tuple[tuple[Cell, ...], tuple[Json, ...]]:
    """The safest move and a few true claims."""
    posterior = posterior_of(seen.rows, seen.mines)
    move = play_safest(seen, Chance("safest", seed))
    claims = [
        {"row": row, "column": column, "is": verdict}
        for verdict, cells in (
            ("safe", posterior.safe[:MOST_CLAIMS]),
            ("mine", posterior.certain_mines[:MOST_CLAIMS]),
        )
        for row, column in cells
    ]
    return move.cells, tuple(claims)


def crack(mind: Mind, seen: mastermind.Observation, chance: Chance) -> tuple[str, Json]:
    """A code that can still be right, or any code; claims where a colour is ruled out."""
    codes = space_of(seen.variant).codes
    left = remaining(seen)
    if chance.chance(mind.blind, 1000):
        code, said = chance.choice(codes), "This one has not been tried, I think."
    else:
        code = codes[chance.choice(left)]
        said = f"{len(left)} codes agree with all the answers; this is one of them."
    colours = seen.rules.colours
    ruled_out = [
        {"peg": peg, "colour": colours[colour], "is": "impossible"}
        for peg in range(seen.rules.pegs)
        for colour in range(len(colours))
        if all(codes[index][peg] != colour for index in left)
    ]
    guess = [colours[colour] for colour in code]
    return said, {"guess": guess, "claims": ruled_out[:MOST_CLAIMS] or None}


def fill(form: Any) -> Any:
    """The plainest value that a schema allows."""
    if not isinstance(form, dict):
        return None
    if "enum" in form:
        return form["enum"][0]
    kinds = form.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "null" in kinds:
        return None
    if kinds[0] == "object":
        return {name: fill(part) for name, part in form.get("properties", {}).items()}
    plain = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}
    return plain.get(kinds[0])
