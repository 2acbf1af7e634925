"""GAMES: the games there are."""

from functools import cache
from importlib import import_module
from typing import Any, Final

from chalicelib.errors import NotFoundError
from chalicelib.games.game import Game

GAMES: Final = {
    "MS-I": "chalicelib.games.minesweeper.game:MINESWEEPER",
    "MM-I": "chalicelib.games.mastermind.game:MASTERMIND",
}


@cache
def find_game(code: str) -> Game[Any, Any, Any]:
    """The game of a code, loaded when first asked for; NotFoundError."""
    if code not in GAMES:
        raise NotFoundError(f"There is no game {code!r}; there are {', '.join(GAMES)}.")
    module, name = GAMES[code].split(":")
    game: Game[Any, Any, Any] = getattr(import_module(module), name)
    return game
