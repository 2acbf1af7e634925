"""Win rates of baseline~safest with the opening fixed at (3, 3), beside published ones.

`python -m bench.winrates [--games 20000] [--size expert]`

Published: PSEQ with a zero start at (3, 3), Tu et al., AAAI-17 workshop, from the
table of the authors' repository (MineSweeperProb).
"""

import argparse
import sys
import time

from bench.tables import print_table
from chalicelib.games.chance import Chance
from chalicelib.games.minesweeper import rules
from chalicelib.games.minesweeper.boards import SIZES, draw_mines
from chalicelib.games.minesweeper.strategies import play_safest
from chalicelib.statistics.intervals import wilson

PUBLISHED = {"beginner": 97.1453, "intermediate": 88.9267, "expert": 52.7838}
OPENING = (3, 3)


def play_game(size_name: str, number: int) -> bool:
    """Whether the safest baseline wins game `number` of a size."""
    chance = Chance("bench-winrates", size_name, number)
    state = rules.open_first(size_name, draw_mines(SIZES[size_name], OPENING, chance))
    while (end := rules.outcome(state)) is None:
        state = rules.reveal(state, play_safest(rules.observe(state), chance))
    return bool(end.won)


def measure(size_name: str, games: int) -> list[str]:
    """One row of the table."""
    began = time.process_time()
    wins = 0
    for number in range(games):
        wins += play_game(size_name, number)
        if number % 500 == 499:
            sys.stderr.write(f"\r{size_name}: {wins} of {number + 1} won ")
    sys.stderr.write("\n")
    rate = wilson(wins, games)
    low, high = 100 * (rate.low or 0), 100 * (rate.high or 0)
    published = PUBLISHED[size_name]
    return [
        size_name,
        f"{games:,}",
        f"{100 * rate.estimate:.2f} %",
        f"[{low:.2f}, {high:.2f}]",
        f"{published:.2f} %",
        f"{high - published:+.2f}",
        f"{1000 * (time.process_time() - began) / games:.1f}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=20_000, help="games per size")
    parser.add_argument("--size", choices=PUBLISHED, help="one size only")
    arguments = parser.parse_args()
    sizes = [arguments.size] if arguments.size else list(PUBLISHED)
    print_table(
        "Win rate of baseline~safest, zero start at (3, 3)",
        ["size", "games", "won", "95 % (Wilson)", "PSEQ", "upper end - PSEQ",
         "CPU ms a game"],
        [measure(size, arguments.games) for size in sizes],
    )  # fmt: skip


if __name__ == "__main__":
    main()
