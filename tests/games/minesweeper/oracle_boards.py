"""Boards for the tests of the oracle, and a count of layouts by brute force."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from math import comb
from random import Random

from chalicelib.games.minesweeper.oracle import Memory, solve

Cell = tuple[int, int]
Rows = list[str]


def cells_of(height: int, width: int) -> list[Cell]:
    return [(row, column) for row in range(height) for column in range(width)]


@cache
def around(cell: Cell, height: int, width: int) -> tuple[Cell, ...]:
    row, column = cell
    return tuple(
        (r, c)
        for r in range(max(0, row - 1), min(height, row + 2))
        for c in range(max(0, column - 1), min(width, column + 2))
        if (r, c) != cell
    )


def hidden_cells(rows: Rows) -> list[Cell]:
    return [c for c in cells_of(len(rows), len(rows[0])) if rows[c[0]][c[1]] == "#"]


def agrees(rows: Rows, layout: frozenset[Cell] | set[Cell]) -> bool:
    """Whether the open numbers count the mines of a layout, all of them hidden."""
    height, width = len(rows), len(rows[0])
    return all(
        rows[row][column] == "#"
        if (row, column) in layout
        else rows[row][column]
        in ("#", str(len(layout & {*around((row, column), height, width)})))
        for row, column in cells_of(height, width)
    )


def layouts_of(rows: Rows, mines: int) -> list[frozenset[Cell]]:
    """Every layout that agrees, by trying all."""
    height, width = len(rows), len(rows[0])
    hidden = hidden_cells(rows)
    bit = {cell: 1 << i for i, cell in enumerate(hidden)}
    numbers = [
        (sum(bit.get(n, 0) for n in around((r, c), height, width)), int(rows[r][c]))
        for r, c in cells_of(height, width)
        if rows[r][c] != "#"
    ]
    return [
        frozenset(layout)
        for layout in combinations(hidden, mines)
        for mask in [sum(bit[cell] for cell in layout)]
        if all((mask & seen).bit_count() == number for seen, number in numbers)
    ]


def show(
    height: int, width: int, mines: set[Cell], opened: Callable[[Cell], bool]
) -> Rows:
    """The rows of a layout of which some cells are open."""
    return [
        "".join(
            str(len(mines & {*around((r, c), height, width)}))
            if (r, c) not in mines and opened((r, c))
            else "#"
            for c in range(width)
        )
        for r in range(height)
    ]


def small_boards(
    seed: int, count: int, trials: int = 5_000
) -> Iterator[tuple[Rows, int]]:
    """Random positions up to 6x6, at most so many layouts to try; all agree with one."""
    random = Random(seed)
    made = 0
    while made < count:
        height, width = random.randint(1, 6), random.randint(1, 6)
        cells = cells_of(height, width)
        mines = set(random.sample(cells, random.randint(0, len(cells))))
        share = random.random()
        opened = {cell for cell in cells if random.random() < share}
        rows = show(height, width, mines, opened.__contains__)
        if comb(len(hidden_cells(rows)), len(mines)) <= trials:
            made += 1
            yield rows, len(mines)


def scattered(height: int, width: int, mines: int, share: float, seed: int) -> Rows:
    """Numbers opened in isolation: a share of the cells that touch a mine."""
    random = Random(seed)
    cells = cells_of(height, width)
    mined = set(random.sample(cells, mines))
    numbers = [
        c for c in cells if c not in mined and mined & {*around(c, height, width)}
    ]
    opened = set(random.sample(numbers, int(share * len(numbers))))
    return show(height, width, mined, opened.__contains__)


def game(height: int, width: int, mines: int, seed: int) -> list[Rows]:
    """The positions of a game: an opening, then safe cells first, else least risk."""
    random = Random(seed)
    cells = cells_of(height, width)
    first = random.choice(cells)
    clear = {first, *around(first, height, width)}
    mined = set(random.sample([c for c in cells if c not in clear], mines))
    opened: set[Cell] = set()
    positions = []
    memory = Memory()
    choice = first
    while choice not in mined:
        flood = [choice]
        while flood:
            cell = flood.pop()
            if cell not in opened:
                opened.add(cell)
                near = around(cell, height, width)
                flood += () if mined & {*near} else near
        if len(opened) + mines == len(cells):
            break
        positions.append(show(height, width, mined, opened.__contains__))
        choice = random.choice(solve(positions[-1], mines, memory).least_risk_cells)
    return positions
