"""The order of elimination decides the cost, never the result."""

import pytest

from chalicelib.games.minesweeper.elimination import (
    Table,
    TooWideError,
    count,
    forward,
    plan,
    table,
    tally,
)
from chalicelib.games.minesweeper.frontier import Shape, components
from chalicelib.games.minesweeper.oracle import solve
from chalicelib.games.minesweeper.ordering import orders
from chalicelib.games.minesweeper.propagation import deduce, read
from tests.games.minesweeper.oracle_boards import Rows, game, scattered


def shapes(rows: Rows) -> list[Shape]:
    position = read(rows)
    return [part.shape for part in components(position.grid, deduce(position))]


def tier(shape: Shape) -> int:
    """Which order is the first to keep the layers narrow."""
    for number, (order, limit) in enumerate(orders(shape)):
        start, steps = plan(shape, order)
        try:
            forward(start, steps, 0, limit)
        except TooWideError:
            continue
        return number
    raise AssertionError("the last order has no limit")


def test_all_three_orders_give_the_same_counts() -> None:
    compared = 0
    for seed in range(40):
        rows = scattered(8, 12, 22, 0.2 + seed / 100, seed)
        for shape in shapes(rows):
            boxes = shape[1]
            width = sum(size for size, _ in boxes) + 4
            found = []
            for order, _ in orders(shape):
                assert sorted(order) == list(range(len(boxes)))
                start, steps = plan(shape, order)
                layers = forward(start, steps, width, None)
                found.append(tally(shape, Table(width, steps, layers)))
            assert found == [count(shape)] * 3
            compared += len(boxes) > 10
    assert compared > 20


@pytest.mark.parametrize(
    ("share", "seed", "expected"), [(0.15, 1, 0), (0.3, 3, 1), (0.35, 8, 2)]
)
def test_boards_of_every_tier_are_counted(
    share: float, seed: int, expected: int
) -> None:
    rows = scattered(16, 30, 99, share, seed)
    assert max(map(tier, shapes(rows))) == expected
    posterior = solve(rows, 99)
    assert sum(posterior.mine_layouts.values()) == 99 * posterior.layouts


def test_the_first_tier_serves_real_play() -> None:
    for seed in range(3):
        for rows in game(16, 30, 99, seed)[::10]:
            assert {tier(shape) for shape in shapes(rows)} <= {0}


def test_coefficients_sized_to_the_count_lose_nothing() -> None:
    """Beyond the first tier fields are as narrow as the number of layouts allows."""
    for seed in range(40):
        for shape in shapes(scattered(8, 12, 22, 0.3, seed)):
            wide = table(shape)
            total = sum(count(shape).total)
            narrow = total.bit_length() + 4
            start = next(iter(wide.layers[0]))
            layers = forward(start, wide.steps, narrow, None)
            assert tally(shape, Table(narrow, wide.steps, layers)) == count(shape)
