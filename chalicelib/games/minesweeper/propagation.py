"""Reading a position, and all that single numbers prove.

The whole board lives in one big integer, one byte per cell: a sum over the eight
neighbours of *every* cell is then four shifts and four additions, whatever the
size of the board. No byte ever exceeds 0x88, so no carry reaches the next cell.
Rows are joined by one padding byte; it keeps the left edge from touching the right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import NamedTuple

from chalicelib.errors import InconsistentBoardError

Cell = tuple[int, int]

ALPHABET = b"#012345678"
PADDING = "/"
NUMBERS = bytes.maketrans(b"/#012345678", bytes([0, 0, *range(9)]))
HIDDEN = bytes.maketrans(b"/#012345678", bytes([0, 1, *[0] * 9]))


@dataclass(frozen=True, slots=True)
class Grid:
    """The layout of a board of one size, with one padding cell per row."""

    height: int
    width: int
    length: int
    step: int  # bits from a cell to the one below it
    board: int  # 1 in every byte that is a cell
    cells: tuple[Cell, ...]  # byte index -> (row, column)
    offsets: tuple[tuple[int, ...], ...]  # neighbourhood mask -> index offsets

    def spread(self, cells: int) -> int:
        """The given cells and their neighbours (bytes of 0 and 1 stay so)."""
        row = cells | cells << 8 | cells >> 8
        return row | row << self.step | row >> self.step

    def tally(self, cells: int) -> int:
        """How many of the given cells each cell has in its 3x3 block."""
        row = cells + (cells << 8) + (cells >> 8)
        return row + (row << self.step) + (row >> self.step)

    def around(self, cells: int) -> int:
        """Each byte's bit d says whether its neighbour in direction d is given."""
        up, down = cells << self.step, cells >> self.step
        return (
            up << 8
            | up << 1
            | up >> 6
            | cells << 11
            | cells >> 4
            | down << 13
            | down << 6
            | down >> 1
        )

    def plane(self, cells: int) -> bytes:
        return cells.to_bytes(self.length, "little")

    def pick(self, cells: int) -> Iterator[Cell]:
        """The given cells, row by row."""
        return compress(self.cells, cells.to_bytes(self.length, "little"))


@lru_cache(maxsize=64)
def grid(height: int, width: int) -> Grid:
    stride = width + 1
    length = height * stride
    directions = (
        -stride - 1,
        -stride,
        -stride + 1,
        -1,
        1,
        stride - 1,
        stride,
        stride + 1,
    )
    return Grid(
        height=height,
        width=width,
        length=length,
        step=8 * stride,
        board=int.from_bytes((b"\1" * width + b"\0") * height, "little"),
        cells=tuple((i // stride, i % stride) for i in range(length)),
        offsets=tuple(
            tuple(o for d, o in enumerate(directions) if mask >> d & 1)
            for mask in range(256)
        ),
    )


class Position(NamedTuple):
    """A board as read: three planes of one byte per cell."""

    grid: Grid
    numbers: int
    hidden: int


class Deduction(NamedTuple):
    """What single numbers prove, and what they leave open."""

    unknown: int  # hidden cells that are neither proven safe nor proven mines
    mines: int
    rest: int  # per open cell: its number less the proven mines around it
    live: int  # open cells that still touch unknown ones


def read(rows: Sequence[str]) -> Position:
    """Read rows of '#' and '0'..'8' of one length."""
    try:
        plane = PADDING.join(rows).encode("ascii", "replace")
        widths = set(map(len, rows))
    except TypeError:
        raise InconsistentBoardError("a board is a sequence of rows of text") from None
    if isinstance(rows, str) or len(widths) != 1 or widths == {0}:
        raise InconsistentBoardError("the rows of a board have one length, at least 1")
    if len(plane.translate(None, ALPHABET)) != len(rows) - 1:
        raise InconsistentBoardError("a board consists of '#' and '0' to '8' only")
    return Position(
        grid(len(rows), *widths),
        int.from_bytes(plane.translate(NUMBERS), "little"),
        int.from_bytes(plane.translate(HIDDEN), "little"),
    )


def deduce(position: Position, given_safe: int = 0) -> Deduction:
    """Repeat the two single-number rules on all cells at once until nothing moves.

    A number met by its known mines makes its other neighbours safe; one that needs
    all its unknown neighbours makes them mines.
    """
    layout, rest, hidden = position
    spread, tally = layout.spread, layout.tally
    opened = layout.board ^ hidden
    flag = opened << 7  # 0x80 in each open cell; added and tested as a borrow guard
    below = flag - opened  # 0x7f: adding it raises the flag of every byte but 0
    full = flag | below
    unknown = hidden ^ given_safe
    mines = 0
    while True:
        count = tally(unknown) & full
        spare = (count | flag) - rest
        if spare & flag != flag:
            raise InconsistentBoardError("a number asks for more mines than fit")
        spare ^= flag
        forced = spread((flag ^ (spare + below & flag)) >> 7) & unknown
        safe = spread((flag ^ (rest + below & flag)) >> 7) & unknown
        if forced & safe:
            raise InconsistentBoardError("two numbers contradict each other")
        if not forced | safe:
            return Deduction(unknown, mines, rest, (count + below & flag) >> 7)
        unknown ^= forced | safe
        if forced:
            mines |= forced
            rest = (rest | flag) - (tally(forced) & full)
            if rest & flag != flag:
                raise InconsistentBoardError("a number has too many mines around it")
            rest ^= flag
