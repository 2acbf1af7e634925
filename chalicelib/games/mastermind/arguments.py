"""A guess as the arguments of a tool call: reading, writing, JSON Schema."""

from typing import Any

from chalicelib.errors import InvalidMoveError
from chalicelib.games.game import Json
from chalicelib.games.mastermind.rules import COLOURS, Code, Observation

FIELDS = ("reasoning", "guess", "claims")


def read(arguments: Any, observation: Observation) -> Code:
    """The guess in the arguments; InvalidMoveError when there is none.

    A guess of the wrong length can be read; `rules.check` refuses it.
    """
    names = ", ".join(observation.rules.colours)
    help_ = (
        f'Answer with {{"guess": [...]}}: {observation.rules.pegs} colours from left '
        f"to right, each one of {names}."
    )
    if not isinstance(arguments, dict):
        raise InvalidMoveError(f"The move is not a JSON object. {help_}")
    surplus = sorted(set(map(str, arguments)) - set(FIELDS))
    if surplus:
        raise InvalidMoveError(f"Unknown field {surplus[0][:40]!r}. {help_}")
    if not isinstance(arguments.get("guess"), list):
        raise InvalidMoveError(f"The field guess is missing or no array. {help_}")
    colours = [read_colour(name, observation) for name in arguments["guess"]]
    if None in colours:
        wrong = arguments["guess"][colours.index(None)]
        shown = repr(wrong[:40]) if isinstance(wrong, str) else "What is not text"
        raise InvalidMoveError(f"{shown} is no colour here. {help_}")
    return tuple(colour for colour in colours if colour is not None)


def read_colour(name: Any, observation: Observation) -> int | None:
    """The number of a colour, whatever its case; None when it is not in the game."""
    if isinstance(name, str) and name.strip().lower() in observation.rules.colours:
        return observation.rules.colours.index(name.strip().lower())
    return None


def write(move: Code) -> Json:
    """The arguments that `read` turns into this move."""
    return {"guess": [COLOURS[colour] for colour in move]}


def tool(observation: Observation) -> Json:
    """JSON Schema (strict mode: every field required, nothing else allowed)."""
    rules = observation.rules
    colour = {"type": "string", "enum": list(rules.colours)}
    last = rules.pegs - 1
    claim = {
        "type": "object",
        "properties": {
            "peg": {"type": "integer", "description": f"0 (left) to {last} (right)"},
            "colour": colour,
            "is": {"type": "string", "enum": ["certain", "impossible"]},
        },
        "required": ["peg", "colour", "is"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "reasoning": {
                "type": "string",
                "description": "Why this guess, in a few sentences.",
            },
            "guess": {
                "type": "array",
                "items": colour,
                "description": f"Exactly {rules.pegs} colours, for pegs 0 (left) "
                f"to {last} (right); a colour may be used more than once.",
            },
            "claims": {
                "type": ["array", "null"],
                "items": claim,
                "description": "Colours you state to be certain or impossible on a "
                "peg, given the answers before this guess; or null.",
            },
        },
        "required": list(FIELDS),
        "additionalProperties": False,
    }
