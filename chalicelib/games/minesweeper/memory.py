"""What the oracle remembers between the moves of one game in one process.

Grading a move, drawing the odds after it and choosing the next one all ask about
the same position, and most of a position does not change from move to move. The
answer is the same with or without memory; only the time differs.
"""

from collections.abc import Sequence
from functools import lru_cache
from threading import local

from chalicelib.games.minesweeper.oracle import Memory, Posterior, solve

POSITIONS_KEPT = 256
"""More than the episodes that one process plays at once: each asks about its own."""

_thread = local()


def posterior_of(rows: Sequence[str], mines: int) -> Posterior:
    """The posterior of a position; InconsistentBoardError."""
    return _posterior_of(tuple(rows), mines)


@lru_cache(maxsize=POSITIONS_KEPT)
def _posterior_of(rows: tuple[str, ...], mines: int) -> Posterior:
    if not hasattr(_thread, "memory"):
        _thread.memory = Memory()
    return solve(rows, mines, _thread.memory)
