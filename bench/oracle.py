"""How fast the Minesweeper oracle is, beside ms_toollib (Rust) in one process.

    python -m bench.oracle [--boards 2000] [--quick]

CPU time. Engines take turns on every board and each board counts with the median of
its five runs. A run of ours includes everything a caller may ask: the counts of all
hidden cells, the safe cells, the certain mines and the cells of least risk;
ms_toollib gets its native board, made outside the timing. Boards come from play as
in `play`. Progress goes to stderr, the table to stdout.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from random import Random
from statistics import median

from chalicelib.games.minesweeper.oracle import Memory, Posterior, solve

Rows = list[str]
Cell = tuple[int, int]
Solver = Callable[[Rows, int], Posterior]

SIZES = {
    "beginner": (9, 9, 10),
    "intermediate": (16, 16, 40),
    "expert": (16, 30, 99),
}
RUNS = 5
SHARES = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)


class Layout:
    """Mines, the number of each cell, and what has been opened."""

    def __init__(self, height: int, width: int, mines: set[Cell]) -> None:
        self.mines = mines
        self.near = {cell: around(cell, height, width) for cell in grid(height, width)}
        self.rows = [["#"] * width for _ in range(height)]
        self.closed = height * width - len(mines)

    def number(self, cell: Cell) -> int:
        return len(self.mines.intersection(self.near[cell]))

    def open(self, cell: Cell, cascade: bool = True) -> None:
        flood = [cell]
        while flood:
            row, column = cell = flood.pop()
            if self.rows[row][column] == "#":
                number = self.number(cell)
                self.rows[row][column] = str(number)
                self.closed -= 1
                if cascade and not number:
                    flood += self.near[cell]

    def seen(self) -> Rows:
        return ["".join(row) for row in self.rows]


def grid(height: int, width: int) -> list[Cell]:
    return [(row, column) for row in range(height) for column in range(width)]


def around(cell: Cell, height: int, width: int) -> list[Cell]:
    row, column = cell
    return [
        (r, c)
        for r in range(max(0, row - 1), min(height, row + 2))
        for c in range(max(0, column - 1), min(width, column + 2))
        if (r, c) != cell
    ]


def play(size: str, random: Random, solver: Solver = solve) -> Iterator[Rows]:
    """The positions of a game: one random safe cell a move, else one of least risk.

    The opening cell is drawn, its neighbourhood kept free of mines, and opened.
    """
    height, width, mines = SIZES[size]
    cells = grid(height, width)
    choice = random.choice(cells)
    clear = {choice, *around(choice, height, width)}
    free = [cell for cell in cells if cell not in clear]
    layout = Layout(height, width, set(random.sample(free, mines)))
    while choice not in layout.mines:
        layout.open(choice)
        if not layout.closed:
            break
        rows = layout.seen()
        yield rows
        choice = random.choice(solver(rows, mines).least_risk_cells)


def games(size: str, random: Random, solver: Solver = solve) -> Iterator[list[Rows]]:
    """Games without end; those that the opening wins are left out."""
    while True:
        positions = list(play(size, random, solver))
        if positions:
            yield positions


def scatter(share: float, random: Random) -> Rows:
    """An expert board on which numbers, not zeros, are open in isolation."""
    height, width, mines = SIZES["expert"]
    cells = grid(height, width)
    layout = Layout(height, width, set(random.sample(cells, mines)))
    numbers = [c for c in cells if c not in layout.mines and layout.number(c)]
    for cell in random.sample(numbers, int(share * len(numbers))):
        layout.open(cell, cascade=False)
    return layout.seen()


def everything(rows: Rows, mines: int, solver: Solver = solve) -> object:
    posterior = solver(rows, mines)
    return (
        posterior.mine_layouts,
        posterior.safe,
        posterior.certain_mines,
        posterior.least_risk,
        posterior.least_risk_cells,
    )


def timed(work: Callable[..., object], *arguments: object) -> float:
    """CPU milliseconds."""
    start = time.process_time()
    work(*arguments)
    return (time.process_time() - start) * 1e3


def rival(rows: Rows, mines: int) -> Callable[[], object]:
    from ms_toollib import cal_probability_onboard

    board = [[10 if x == "#" else int(x) for x in row] for row in rows]
    return lambda: cal_probability_onboard(board, mines)


def remembering() -> Solver:
    memory = Memory()
    return lambda rows, mines: solve(rows, mines, memory)


def progress(what: str, total: int) -> Iterator[int]:
    """Count to total, showing it now and then."""
    for number in range(total):
        if number % max(1, total // 50) == 0:
            print(f"\r{what} {number}/{total}   ", end="", file=sys.stderr, flush=True)
        yield number
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)


def compare_positions(size: str, boards: int) -> tuple[list[float], list[float]]:
    """Ours without memory and ms_toollib on single positions, one of each game."""
    random = Random(f"positions {size}")
    mines = SIZES[size][2]
    source = games(size, random, remembering())
    picked = [random.choice(next(source)) for _ in progress(f"{size} boards", boards)]
    ours, theirs = [], []
    for number in progress(f"{size} positions", boards):
        rows = picked[number]
        other = rival(rows, mines)
        pairs = []
        for _ in range(RUNS):
            mine = timed(everything, rows, mines)
            pairs.append((mine, timed(other)))
        ours.append(median(a for a, _ in pairs))
        theirs.append(median(b for _, b in pairs))
    return ours, theirs


def compare_games(size: str, boards: int) -> tuple[list[float], list[float]]:
    """The same on whole games, position by position, each game with a new memory."""
    random = Random(f"games {size}")
    mines = SIZES[size][2]
    source = games(size, random, remembering())
    ours: list[float] = []
    theirs: list[float] = []
    while len(ours) < boards:
        positions = next(source)
        others = [rival(rows, mines) for rows in positions]
        runs = []
        for _ in range(RUNS):
            solver = remembering()
            runs.append(
                [
                    (timed(everything, rows, mines, solver), timed(other))
                    for rows, other in zip(positions, others, strict=True)
                ]
            )
        for turns in zip(*runs, strict=True):
            ours.append(median(a for a, _ in turns))
            theirs.append(median(b for _, b in turns))
        print(
            f"\r{size} games {len(ours)}/{boards}  ",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)
    return ours, theirs


def extreme_play(positions: int) -> list[float]:
    """Ours without memory on every position of expert games, each solved once.

    What takes over 5 ms is solved thrice more, and the median counts.
    """
    times: list[float] = []

    def watched(rows: Rows, mines: int) -> Posterior:
        took = timed(everything, rows, mines)
        if took > 5:
            again = [timed(everything, rows, mines) for _ in range(3)]
            took = median(again)
        times.append(took)
        return solve(rows, mines)

    source = games("expert", Random("extreme"), watched)
    while len(times) < positions:
        next(source)
        print(
            f"\rexpert play {len(times)}/{positions}  ",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)
    return times


def extreme_scatter(boards: int) -> list[float]:
    random = Random("scatter")
    times = []
    for number in progress("scatter", boards):
        rows = scatter(SHARES[number % len(SHARES)], random)
        times.append(timed(everything, rows, 99))
    return times


def peak(what: str, boards: int) -> str:
    """Peak memory of a process of its own that plays, or solves scattered boards."""
    command = [sys.executable, "-m", "bench.oracle", "--peak", what]
    done = subprocess.run(
        [*command, "--boards", str(boards)], check=True, stdout=subprocess.PIPE
    )
    return done.stdout.decode().strip()


def run_peak(what: str, boards: int) -> None:
    if what == "play":
        source = games("expert", Random("peak"), remembering())
        for _ in progress("peak memory", boards):
            everything(next(source)[-1], 99)
    else:
        extreme_scatter(boards)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def line(size: str, engine: str, values: list[float], beside: list[float]) -> str:
    figures = [at(values, 0.5), at(values, 0.99), max(values)]
    shares = [at(values, 0.5) / at(beside, 0.5), at(values, 0.99) / at(beside, 0.99)]
    cells = [f"{x:.3f}" for x in figures] + [f"{x:.2f}" for x in shares]
    return f"| {size} | {engine} | {len(values)} | {' | '.join(cells)} |"


def report(boards: int, long: int, scattered: int) -> None:
    peaks = [peak("play", max(5, boards // 20)), peak("scatter", scattered)]
    lines = []
    for size in SIZES:
        ours, theirs = compare_positions(size, boards)
        lines += [
            line(size, "ours", ours, theirs),
            line(size, "ms_toollib", theirs, theirs),
        ]
        ours, theirs = compare_games(size, boards)
        lines += [
            line(size, "ours, memory in play", ours, theirs),
            line(size, "ms_toollib, same positions", theirs, theirs),
        ]
    play_times, scatter_times = extreme_play(long), extreme_scatter(scattered)
    print(
        "| size | engine | positions | median ms | p99 ms | max ms | median / | p99 / |"
    )
    print("|---|---|---|---|---|---|---|---|", *lines, sep="\n")
    print()
    print("| ours, no memory | positions | median ms | p99.9 ms | max ms | peak RSS |")
    print("|---|---|---|---|---|---|")
    for name, values, most in zip(
        ("expert play", "expert, scattered numbers"),
        (play_times, scatter_times),
        peaks,
        strict=True,
    ):
        figures = [f"{at(values, 0.5):.2f}", f"{at(values, 0.999):.2f}"]
        figures += [f"{max(values):.2f}", most]
        print(f"| {name} | {len(values)} | {' | '.join(figures)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peak", choices=("play", "scatter"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        run_peak(given.peak, given.boards)
    elif given.quick:
        report(boards=100, long=1_000, scattered=27)
    else:
        report(boards=given.boards, long=20_000, scattered=450)


if __name__ == "__main__":
    main()
