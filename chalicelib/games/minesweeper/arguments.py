"""A reveal as the arguments of a tool call: reading, writing, JSON Schema."""

from typing import Any

from chalicelib.errors import InvalidMoveError
from chalicelib.games.game import Json
from chalicelib.games.minesweeper.boards import Cell
from chalicelib.games.minesweeper.rules import Observation, Reveal

FIELDS = ("reasoning", "reveal", "claims", "flags")
HELP = 'Answer with {"reveal": [{"row": r, "column": c}, ...]}, counted from 0.'


def read(arguments: Any) -> Reveal:
    """The reveal in the arguments; InvalidMoveError when there is none."""
    if not isinstance(arguments, dict):
        raise InvalidMoveError(f"The move is not a JSON object. {HELP}")
    surplus = sorted(set(map(str, arguments)) - set(FIELDS))
    if surplus:
        raise InvalidMoveError(f"Unknown field {surplus[0][:40]!r}. {HELP}")
    if not isinstance(arguments.get("reveal"), list):
        raise InvalidMoveError(f"The field reveal is missing or no array. {HELP}")
    return Reveal(tuple(read_cell(cell) for cell in arguments["reveal"]))


def read_cell(cell: Any) -> Cell:
    """The (row, column) of {"row": r, "column": c}."""
    if not isinstance(cell, dict) or set(cell) != {"row", "column"}:
        raise InvalidMoveError(f"A cell has exactly a row and a column. {HELP}")
    row, column = cell["row"], cell["column"]
    if type(row) is not int or type(column) is not int:
        raise InvalidMoveError(f"The row and the column are integers. {HELP}")
    return row, column


def write(move: Reveal) -> Json:
    """The arguments that `read` turns into this move."""
    return {"reveal": [{"row": row, "column": column} for row, column in move.cells]}


def tool(observation: Observation) -> Json:
    """JSON Schema (strict mode: every field required, nothing else allowed)."""
    height, width = len(observation.rows), len(observation.rows[0])
    coordinates = {
        "row": {"type": "integer", "description": f"0 (top) to {height - 1}"},
        "column": {"type": "integer", "description": f"0 (left) to {width - 1}"},
    }
    cell = {
        "type": "object",
        "properties": coordinates,
        "required": ["row", "column"],
        "additionalProperties": False,
    }
    claim = {
        "type": "object",
        "properties": {
            **coordinates,
            "is": {"type": "string", "enum": ["safe", "mine"]},
        },
        "required": ["row", "column", "is"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "reasoning": {
                "type": "string",
                "description": "Why this move, in a few sentences.",
            },
            "reveal": {
                "type": "array",
                "items": cell,
                "description": "The hidden cells to open, in order.",
            },
            "claims": {
                "type": ["array", "null"],
                "items": claim,
                "description": "Cells you state to be safe or mines, or null.",
            },
            "flags": {
                "type": ["array", "null"],
                "items": cell,
                "description": "Cells you mark for yourself; changes nothing.",
            },
        },
        "required": list(FIELDS),
        "additionalProperties": False,
    }
