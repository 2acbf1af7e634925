"""Prompts: versioned files, each with what it says, shows and keeps of the past.

A version never changes once it has played: its text is part of the player's identity.
"""

import tomllib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from chalicelib.errors import NotFoundError
from chalicelib.events import canonical_json
from chalicelib.games import find_game
from chalicelib.models.model import Tool

Json = dict[str, Any]

FOLDER: Final = Path(__file__).parent / "prompts"
DEFAULT_PROMPT: Final = "p1"
SEED: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version: system text and style per game; how many turns are kept.

    `history_turns` None keeps the whole game.
    """

    version: str
    about: str
    history_turns: int | None
    systems: dict[str, str]
    styles: dict[str, str]

    def write(self, game: str, observation: Any, complaint: str | None) -> str:
        """What is said at a turn: what was wrong, if anything, and the board."""
        board = find_game(game).styles[self.styles[game]](observation)
        if complaint is None:
            return board
        return f"That was no move: {complaint} Nothing has changed.\n\n{board}"


@cache
def find_prompt(version: str) -> Prompt:
    """The prompt of a version; NotFoundError."""
    path = FOLDER / f"{version}.toml"
    if not version.isalnum() or not path.is_file():
        raise NotFoundError(
            f"There is no prompt {version!r}; there are {', '.join(prompt_versions())}."
        )
    body = tomllib.loads(path.read_text("utf-8"))
    games = {code: part for code, part in body.items() if isinstance(part, dict)}
    return Prompt(
        version,
        body["about"],
        body.get("history_turns"),
        {code: part["system"].strip() for code, part in games.items()},
        {code: part["style"] for code, part in games.items()},
    )


@cache
def prompt_versions() -> tuple[str, ...]:
    """The versions there are."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


_tools: deque[Tool] = deque(maxlen=32)


def make_tool(game: str, observation: Any) -> Tool:
    """The one tool of a game, for what is on the board; for equal ones the same."""
    found = find_game(game)
    about, parameters = f"Make your move in {found.name}.", found.tool(observation)
    for tool in tuple(_tools):
        if tool.about == about and tool.parameters == parameters:
            return tool
    tool = Tool("play", about, parameters)
    _tools.append(tool)
    return tool


@cache
def hash_prompt(version: str, *limits: int) -> str:
    """Six hexadecimal digits over everything sent but the board, and the limits."""
    prompt = find_prompt(version)
    return hash_sent(prompt, show_tools(prompt.systems), limits)


def show_tools(games: Iterable[str]) -> dict[str, Json]:
    """The parameters of each game's tool, as its first variant has them."""
    tools = {}
    for code in games:
        game = find_game(code)
        state = game.new(next(iter(game.variants)), SEED)
        tools[code] = make_tool(code, game.observe(state, 0)).parameters
    return tools


def hash_sent(
    prompt: Prompt, tools: Mapping[str, Json], limits: tuple[int, ...]
) -> str:
    """The same over parts that are given."""
    sent = {
        "systems": prompt.systems,
        "styles": prompt.styles,
        "history_turns": prompt.history_turns,
        "tools": tools,
        "limits": limits,
    }
    return sha256(canonical_json(sent).encode()).hexdigest()[:6]
