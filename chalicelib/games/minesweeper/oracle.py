"""The exact Minesweeper oracle.

    posterior = solve(["1#", "##"], mines=1)

Every layout of the mines that agrees with the open numbers is equally likely. The
oracle counts them, and for each hidden cell those in which it is a mine, as integers:
single-number deduction on the whole board at once (`propagation`), boxes and
components (`frontier`), bucket elimination (`elimination`, `ordering`), and the total
number of mines to join them (`posterior`). It never guesses and never gives up.
"""

from collections.abc import Sequence

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.minesweeper.elimination import count
from chalicelib.games.minesweeper.posterior import Posterior
from chalicelib.games.minesweeper.propagation import read

__all__ = ["Posterior", "solve"]


def solve(rows: Sequence[str], mines: int, memory: None = None) -> Posterior:
    """The posterior of a position: '#' hidden, '0' to '8' open, so many mines in all."""
    if type(mines) is not int or mines < 0:
        raise InconsistentBoardError("the number of mines is an integer, at least 0")
    return Posterior(read(rows), mines, 0, count)
