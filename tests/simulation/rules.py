"""Old and new rules of a game side by side, as in the middle of a deploy."""

from hashlib import sha256
from typing import Any

from chalicelib.games import find_game
from chalicelib.games.game import Game

AnyGame = Game[Any, Any, Any]


class Raised:
    """A game whose versions were raised; with `twist` its positions differ, too."""

    def __init__(self, game: AnyGame, twist: bool) -> None:
        self._game = game
        self._twist = twist
        self.engine = raised(game.engine)
        self.oracle = raised(game.oracle)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._game, name)

    def fingerprint(self, state: Any) -> str:
        digits = self._game.fingerprint(state)
        return sha256(digits.encode()).hexdigest()[:16] if self._twist else digits


def raised(version: str) -> str:
    """The next version's name."""
    stem, _, number = version.rpartition("-")
    return f"{stem}-{int(number) + 1}"


class Rules:
    """What one deploy of the code knows of games."""

    def __init__(self, is_new: bool = False, twist: bool = False) -> None:
        self._is_new = is_new
        self._twist = twist

    def __call__(self, code: str) -> AnyGame:
        game: Any = find_game(code)
        return Raised(game, self._twist) if self._is_new else game
