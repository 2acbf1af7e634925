"""Baselines: players that follow a script, free of charge, the same every time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.games import find_game
from chalicelib.players.player import Choice, Ledger, Turn

CARELESS_OF: Final = (1, 20)
"""How often a careless player makes a random move: 0.05, exactly."""

Strategy = Callable[[Turn], Any]


def play_random(turn: Turn) -> Any:
    """Any legal move, each equally likely."""
    return turn.chance.choice(turn.legal_moves())


def follow(strategy: str) -> Strategy:
    """What the game's own strategy of that name plays."""

    def play(turn: Turn) -> Any:
        return find_game(turn.task.game).strategies[strategy](
            turn.observation, turn.chance
        )

    return play


def play_careless(turn: Turn) -> Any:
    """The safest move, but one time in twenty a random one."""
    if turn.chance.chance(*CARELESS_OF):
        return play_random(turn)
    return follow("safest")(turn)


@dataclass(frozen=True)
class Baseline:
    """A player that follows a strategy."""

    id: str
    games: tuple[str, ...]
    about: str
    strategy: Strategy
    kind: str = "baseline"
    call_seconds: float = 0.0

    async def choose(self, turn: Turn, ledger: Ledger, deadline: float) -> Choice:
        move = self.strategy(turn)
        return Choice(find_game(turn.task.game).write(move))


BASELINES: Final = (
    Baseline("baseline~random~1", ("MS-I", "MM-I"), "Any legal move.", play_random),
    Baseline(
        "baseline~safest~1",
        ("MS-I",),
        "Every provably safe cell; without one, a cell of least risk.",
        follow("safest"),
    ),
    Baseline(
        "baseline~careless~1",
        ("MS-I",),
        "The safest move, but one time in twenty a random one.",
        play_careless,
    ),
    Baseline(
        "baseline~entropy~1",
        ("MM-I",),
        "The guess that is expected to tell most.",
        follow("entropy"),
    ),
    Baseline(
        "baseline~minimax~1",
        ("MM-I",),
        "The guess that leaves fewest codes at worst (Knuth 1977).",
        follow("minimax"),
    ),
)
