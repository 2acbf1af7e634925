"""The exact Minesweeper oracle.

    posterior = solve(["1#", "##"], mines=1)
    posterior.probability(0, 1)                 # Fraction(1, 3)

Every layout of the mines that agrees with the open numbers is equally likely. The
oracle counts them, and for each hidden cell those in which it is a mine, as integers:
single-number deduction on the whole board at once (`propagation`), boxes and
components (`frontier`), bucket elimination (`elimination`, `ordering`), and the total
number of mines to join them (`posterior`). It never guesses and never gives up; a
position that no layout agrees with raises InconsistentBoardError.
"""

from collections.abc import Sequence

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.minesweeper.elimination import Counts, count
from chalicelib.games.minesweeper.frontier import Shape
from chalicelib.games.minesweeper.posterior import Posterior
from chalicelib.games.minesweeper.propagation import read

__all__ = ["Memory", "Posterior", "solve"]


class Memory:
    """What earlier positions have taught, bounded; the results are the same without.

    A move changes few components of a board, and a component is known again by its
    shape wherever it lies, on this board or on another.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self.limit = limit  # integers kept, of some 40 bytes each
        self.size = 0
        self._counts: dict[Shape, Counts] = {}

    def count(self, shape: Shape) -> Counts:
        """The counts of a component, kept while they are among the latest used."""
        kept = self._counts.pop(shape, None)
        if kept is None:
            kept = count(shape)
            self.size += weight(shape, kept)
        self._counts[shape] = kept
        while self.size > self.limit:
            oldest = next(iter(self._counts))
            self.size -= weight(oldest, self._counts.pop(oldest))
        return kept


def weight(shape: Shape, counts: Counts) -> int:
    """How many integers an entry of the memory holds, give or take."""
    wants, boxes = shape
    return len(wants) + (len(boxes) + 1) * (len(counts.total) + 4)


def solve(rows: Sequence[str], mines: int, memory: Memory | None = None) -> Posterior:
    """The posterior of a position: '#' hidden, '0' to '8' open, so many mines in all."""
    if type(mines) is not int or mines < 0:
        raise InconsistentBoardError("the number of mines is an integer, at least 0")
    return Posterior(read(rows), mines, memory.count if memory else count)
