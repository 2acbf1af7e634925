"""What is known of a position: exact counts of layouts, and draws from them.

Single numbers have proven what they can, and each component has its counts by number
of mines. The total joins them: when the components hold m mines, the cells outside
hold the rest in C(cells, rest) ways. All of it stays in integers; a Fraction is made
only when a probability is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from math import comb
from operator import mul
from typing import NamedTuple

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.minesweeper.elimination import (
    Counts,
    Draw,
    Table,
    choose,
    count,
    table,
)
from chalicelib.games.minesweeper.frontier import Shape, components
from chalicelib.games.minesweeper.propagation import Cell, Position, deduce


class Mixture(NamedTuple):
    """Components and the cells outside them, joined by the number of mines left.

    `tails[k][j]` counts what the components from k on and the outside can be when
    those before k hold j mines more than their least.
    """

    layouts: int
    weights: list[Sequence[int]]  # per component, by its mines: layouts of the rest
    outside: int  # layouts in which one given outside cell is a mine
    tails: list[Sequence[int]]
    free: int  # mines left for the outside when every component holds its least


def mix(parts: Sequence[Counts], outside: int, mines: int) -> Mixture:
    """Join components with so many cells outside them and so many mines in all.

    A forward pass over the components holds what those before can be, a backward pass
    what those after and the outside can be; a component is weighed by both together.
    """
    free = mines - sum(part.low for part in parts)
    degree = sum(len(part.total) - 1 for part in parts)
    tails: list[Sequence[int]] = [binomials(outside, free, degree)]
    for part in reversed(parts):
        tails.append(correlate(tails[-1], part.total))
    tails.reverse()
    (layouts,) = tails[0]
    if not layouts:
        raise InconsistentBoardError("no layout has this number of mines")
    weights = []
    head: Sequence[int] = (1,)
    for part, tail in zip(parts, tails[1:], strict=True):
        weights.append(correlate(tail, head))
        head = convolve(head, part.total)
    spilled = sum(
        ways * rest * (free - used)
        for used, (ways, rest) in enumerate(zip(head, tails[-1], strict=True))
    )
    return Mixture(layouts, weights, spilled // (outside or 1), tails, free)


def binomials(cells: int, mines: int, degree: int) -> list[int]:
    """In how many ways the cells hold mines, mines - 1, ... mines - degree."""
    row = []
    ways = 0
    for n in range(mines, mines - degree - 1, -1):
        if ways:
            ways = ways * (n + 1) // (cells - n)
        elif n >= 0:
            ways = comb(cells, n)
        row.append(ways)
    return row


def convolve(left: Sequence[int], right: Sequence[int]) -> Sequence[int]:
    if len(right) == 1:
        return scale(left, right[0])
    out = [0] * (len(left) + len(right) - 1)
    for i, x in enumerate(right):
        for j, y in enumerate(left, i):
            out[j] += x * y
    return out


def correlate(long: Sequence[int], short: Sequence[int]) -> Sequence[int]:
    """out[j] = sum over i of short[i] * long[i + j]."""
    if len(short) == 1:
        return scale(long, short[0])
    return [sum(map(mul, short, long[j:])) for j in range(len(long) - len(short) + 1)]


def scale(terms: Sequence[int], factor: int) -> Sequence[int]:
    return terms if factor == 1 else [factor * term for term in terms]


class Posterior:
    """The mine layouts that agree with a position, all equally likely."""

    def __init__(
        self,
        position: Position,
        mines: int,
        counted: Callable[[Shape], Counts] = count,
        given: int = 0,
    ) -> None:
        self._position = position
        self._total = mines
        self._given = given
        self._found = deduce(position, given)
        self._components = (
            components(position.grid, self._found) if self._found.live else []
        )
        self._outside = self._found.unknown & ~position.grid.spread(self._found.live)
        self._counts = [counted(part.shape) for part in self._components]
        self._mixture = mix(
            self._counts,
            self._outside.bit_count(),
            mines - self._found.mines.bit_count(),
        )
        self.layouts = self._mixture.layouts

    @cached_property
    def _levels(self) -> list[tuple[list[int], int]]:
        """Per box its cells and in how many layouts each of them is a mine."""
        return [
            (cells, sum(map(mul, mined, weight)))
            for part, counts, weight in zip(
                self._components, self._counts, self._mixture.weights, strict=True
            )
            for cells, mined in zip(part.boxes, counts.mined, strict=True)
        ]

    @cached_property
    def mine_layouts(self) -> dict[Cell, int]:
        """In how many layouts each hidden cell is a mine."""
        layout, _, hidden = self._position
        found = self._found
        # The outside is often most of the board: it goes in at once.
        table = dict.fromkeys(layout.pick(hidden), self._mixture.outside)
        table.update(dict.fromkeys(layout.pick(hidden ^ found.unknown), 0))
        table.update(dict.fromkeys(layout.pick(found.mines), self.layouts))
        name = layout.cells
        for cells, mined in self._levels:
            for cell in cells:
                table[name[cell]] = mined
        return table

    def probability(self, row: int, column: int) -> Fraction:
        """The chance that a hidden cell is a mine; KeyError for an open one."""
        return Fraction(self.mine_layouts[row, column], self.layouts)

    @cached_property
    def safe(self) -> tuple[Cell, ...]:
        """The cells that are a mine in no layout."""
        found = self._found
        return self._known(self._position.hidden ^ found.unknown ^ found.mines, 0)

    @cached_property
    def certain_mines(self) -> tuple[Cell, ...]:
        """The cells that are a mine in every layout."""
        return self._known(self._found.mines, self.layouts)

    def _known(self, plane: int, level: int) -> tuple[Cell, ...]:
        layout = self._position.grid
        known = list(layout.pick(plane))
        proven = len(known)
        if self._mixture.outside == level:
            known += layout.pick(self._outside)
        for cells, mined in self._levels:
            if mined == level:
                known += [layout.cells[cell] for cell in cells]
        if len(known) > proven:
            known.sort()
        return tuple(known)

    @cached_property
    def _least(self) -> int | None:
        if self.safe:
            return 0
        levels = [mined for _, mined in self._levels]
        if self._outside:
            levels.append(self._mixture.outside)
        if self._found.mines:
            levels.append(self.layouts)
        return min(levels, default=None)

    @property
    def least_risk(self) -> Fraction | None:
        """The smallest chance of hitting a mine; None when no cell is hidden."""
        least = self._least
        return None if least is None else Fraction(least, self.layouts)

    @cached_property
    def least_risk_cells(self) -> tuple[Cell, ...]:
        least = self._least
        if least == 0:
            return self.safe
        return tuple([c for c, mined in self.mine_layouts.items() if mined == least])

    def condition_safe(self, cells: Iterable[Cell]) -> "Posterior":
        """The posterior given that all these hidden cells are free of mines."""
        given = self._given
        for row, column in cells:
            if (row, column) not in self.mine_layouts:
                raise KeyError((row, column))
            given |= 1 << 8 * (row * (self._position.grid.width + 1) + column)
        return Posterior(self._position, self._total, given=given)

    def layouts_with_safe(self, cells: Iterable[Cell]) -> int:
        """In how many layouts all these hidden cells are free of mines."""
        cells = set(cells)
        if len(cells) == 1:
            return self.layouts - self.mine_layouts[cells.pop()]
        try:
            return self.condition_safe(cells).layouts
        except InconsistentBoardError:
            return 0

    @cached_property
    def _tables(self) -> list[Table]:
        return [table(part.shape) for part in self._components]

    def sample(self, draw: Draw) -> frozenset[Cell]:
        """A layout drawn uniformly: its mines. `draw(n)` is uniform in [0, n)."""
        layout = self._position.grid
        mines = list(self._drawn(draw))
        return frozenset(layout.pick(self._found.mines)).union(
            layout.cells[cell] for cell in mines
        )

    def _drawn(self, draw: Draw) -> Iterator[int]:
        layout = self._position.grid
        used = 0
        for k, (part, counts) in enumerate(
            zip(self._components, self._counts, strict=True)
        ):
            tail = self._mixture.tails[k + 1]
            ways = [n * tail[used + i] for i, n in enumerate(counts.total)]
            extra = choose(ways, draw)
            used += extra
            placed = self._tables[k].sample(counts.low + extra, draw)
            for cells, mines in zip(part.boxes, placed, strict=True):
                yield from subset(cells, mines, draw)
        outside = [i for i, flag in enumerate(layout.plane(self._outside)) if flag]
        yield from subset(outside, self._mixture.free - used, draw)


def subset(items: Iterable[int], size: int, draw: Draw) -> list[int]:
    """So many of the items, every subset equally likely."""
    pool = list(items)
    for i in range(size):
        j = i + draw(len(pool) - i)
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:size]
