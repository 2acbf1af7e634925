"""Layouts drawn from the posterior."""

from collections import Counter
from math import sqrt
from random import Random

import pytest

from chalicelib.games.minesweeper.oracle import solve
from tests.games.minesweeper.oracle_boards import (
    agrees,
    game,
    layouts_of,
    scattered,
    small_boards,
)


def test_a_drawn_layout_agrees_with_the_position() -> None:
    random = Random(1)
    for number in range(30):
        rows = game(16, 30, 99, seed=number)[-1]
        posterior = solve(rows, 99)
        for _ in range(3):
            layout = posterior.sample(random.randrange)
            assert len(layout) == 99
            assert agrees(rows, layout)
    rows = scattered(16, 30, 99, 0.3, seed=1)
    assert agrees(rows, solve(rows, 99).sample(random.randrange))


def test_every_layout_of_a_small_board_is_drawn_equally_often() -> None:
    """The chi-square statistic stays near its degrees of freedom on all boards."""
    random = Random(2)
    deviations = []
    for rows, mines in small_boards(seed=6, count=400, trials=2_000):
        layouts = layouts_of(rows, mines)
        if not 2 <= len(layouts) <= 40:
            continue
        posterior = solve(rows, mines)
        draws = 25 * len(layouts)
        seen = Counter(posterior.sample(random.randrange) for _ in range(draws))
        assert set(seen) <= set(layouts)
        statistic = sum((seen[x] - 25) ** 2 / 25 for x in layouts)
        freedom = len(layouts) - 1
        deviations.append((statistic - freedom) / sqrt(2 * freedom))
    assert len(deviations) > 50
    assert max(deviations) < 5
    assert abs(sum(deviations)) / sqrt(len(deviations)) < 3


def test_cells_are_mines_as_often_as_the_marginals_say() -> None:
    random = Random(3)
    draws = 400
    for seed in range(8):
        rows = game(16, 16, 40, seed)[-1]
        posterior = solve(rows, 40)
        counts = Counter(
            c for _ in range(draws) for c in posterior.sample(random.randrange)
        )
        for cell, mined in posterior.mine_layouts.items():
            chance = mined / posterior.layouts
            error = sqrt(draws * chance * (1 - chance))
            assert abs(counts[cell] - draws * chance) <= 5 * error


def test_a_draw_given_a_safe_cell_keeps_it_safe() -> None:
    random = Random(4)
    for seed in range(10):
        rows = game(16, 16, 40, seed)[-1]
        posterior = solve(rows, 40)
        cell = posterior.least_risk_cells[0]
        given = posterior.condition_safe([cell])
        for _ in range(5):
            layout = given.sample(random.randrange)
            assert cell not in layout
            assert agrees(rows, layout)


def test_a_draw_out_of_range_is_not_accepted() -> None:
    posterior = solve(["1##", "1##", "1##"], 2)
    with pytest.raises(ValueError, match="below n"):
        posterior.sample(lambda n: n)
