"""Boards: variants, layouts drawn from a seed, cascades, and what is seen of them.

A layout is drawn in two steps: first the opening cell, uniform over the board,
then the mines, uniform over all cells outside the opening's neighbourhood. The
opening is therefore always a zero, and what it opens is the first position.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from chalicelib.games.chance import Chance

Cell = tuple[int, int]

HIDDEN: Final = "#"
EXPLODED: Final = "*"


@dataclass(frozen=True, slots=True)
class Size:
    """Rows, columns and mines of a board."""

    height: int
    width: int
    mines: int


SIZES: Final = {
    "5x5": Size(5, 5, 4),
    "6x6": Size(6, 6, 6),
    "beginner": Size(9, 9, 10),
    "intermediate": Size(16, 16, 40),
    "expert": Size(16, 30, 99),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the mines are, and the cell that is open when the player first looks."""

    size: Size
    opening: Cell
    mines: frozenset[Cell]


@lru_cache(maxsize=16)
def neighbourhoods(height: int, width: int) -> dict[Cell, tuple[Cell, ...]]:
    """The up to eight neighbours of every cell."""
    return {
        (row, column): tuple(
            (r, c)
            for r in range(max(0, row - 1), min(height, row + 2))
            for c in range(max(0, column - 1), min(width, column + 2))
            if (r, c) != (row, column)
        )
        for row in range(height)
        for column in range(width)
    }


def draw_layout(size: Size, chance: Chance) -> Layout:
    """An opening cell, then mines uniform outside its neighbourhood."""
    cells = [
        (row, column) for row in range(size.height) for column in range(size.width)
    ]
    return draw_mines(size, chance.choice(cells), chance)


def draw_mines(size: Size, opening: Cell, chance: Chance) -> Layout:
    """Mines uniform outside the neighbourhood of a given opening."""
    around = neighbourhoods(size.height, size.width)
    kept_free = {opening, *around[opening]}
    allowed = [cell for cell in around if cell not in kept_free]
    return Layout(size, opening, frozenset(chance.sample(allowed, size.mines)))


@lru_cache(maxsize=256)
def numbers(layout: Layout) -> dict[Cell, int]:
    """How many mines surround each cell that is not a mine."""
    around = neighbourhoods(layout.size.height, layout.size.width)
    counts = dict.fromkeys(around, 0)
    for mine in layout.mines:
        for cell in around[mine]:
            counts[cell] += 1
    for mine in layout.mines:
        del counts[mine]
    return counts


def cascade(layout: Layout, cell: Cell, opened: frozenset[Cell]) -> set[Cell]:
    """The cells that open with a safe cell: itself and, round zeros, all that touch."""
    around = neighbourhoods(layout.size.height, layout.size.width)
    counts = numbers(layout)
    fresh = {cell}
    frontier = [cell]
    while frontier:
        here = frontier.pop()
        if counts[here]:
            continue
        for other in around[here]:
            if other not in fresh and other not in opened:
                fresh.add(other)
                frontier.append(other)
    return fresh


def draw_rows(
    layout: Layout, opened: Iterable[Cell], exploded: Cell | None = None
) -> tuple[str, ...]:
    """What is seen: `#` hidden, `0` to `8` open, `*` the mine that was opened."""
    size = layout.size
    counts = numbers(layout)
    rows = [[HIDDEN] * size.width for _ in range(size.height)]
    for row, column in opened:
        rows[row][column] = str(counts[row, column])
    if exploded is not None:
        rows[exploded[0]][exploded[1]] = EXPLODED
    return tuple("".join(row) for row in rows)
