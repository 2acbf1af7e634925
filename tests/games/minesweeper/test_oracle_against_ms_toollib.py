"""The oracle against an independent engine, which works in floating point."""

import ms_toollib
import pytest

from chalicelib.games.minesweeper.oracle import solve
from tests.games.minesweeper.oracle_boards import game, scattered

SIZES = [(8, 8, 10), (9, 9, 10), (16, 16, 40), (16, 30, 99), (5, 30, 25), (24, 24, 99)]


def agree(rows: list[str], mines: int) -> None:
    board = [[10 if x == "#" else int(x) for x in row] for row in rows]
    expected, _ = ms_toollib.cal_probability_onboard(board, mines)
    posterior = solve(rows, mines)
    for (row, column), mined in posterior.mine_layouts.items():
        assert abs(mined / posterior.layouts - expected[row][column]) < 1e-12


@pytest.mark.parametrize(("height", "width", "mines"), SIZES)
def test_positions_of_games_agree(height: int, width: int, mines: int) -> None:
    for seed in range(12):
        for rows in game(height, width, mines, seed)[::7]:
            agree(rows, mines)


def test_scattered_positions_agree() -> None:
    for seed in range(60):
        agree(scattered(9, 9, 14, (seed % 6 + 1) / 10, seed), 14)


@pytest.mark.verify
@pytest.mark.parametrize(("height", "width", "mines"), SIZES)
def test_thousands_of_positions_agree(height: int, width: int, mines: int) -> None:
    for seed in range(100, 160):
        for rows in game(height, width, mines, seed):
            agree(rows, mines)
