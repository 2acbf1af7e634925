"""The oracle against brute force, and what it refuses."""

from collections import Counter
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.minesweeper.oracle import solve
from tests.games.minesweeper.oracle_boards import (
    Cell,
    Rows,
    hidden_cells,
    layouts_of,
    small_boards,
)

SPECIAL = [
    (["#"], 0),
    (["#"], 1),
    (["0"], 0),
    (["##########"], 4),
    (["#1#"], 1),
    (["#2#"], 2),
    (["###", "#8#", "###"], 8),
    (["####"] * 4, 5),
    (["####"] * 4, 0),
    (["####"] * 4, 16),
    (["01#", "01#", "011"], 1),
    (["1#1#1#1#1#"], 3),
    (["#", "1", "#", "#", "1", "#"], 2),
]


def compare(rows: Rows, mines: int) -> bool:
    """Compare everything with brute force; whether any layout agrees."""
    layouts = layouts_of(rows, mines)
    if not layouts:
        with pytest.raises(InconsistentBoardError):
            solve(rows, mines)
        return False
    counts: Counter[Cell] = Counter(cell for layout in layouts for cell in layout)
    expected = {cell: counts[cell] for cell in hidden_cells(rows)}
    posterior = solve(rows, mines)
    assert posterior.layouts == len(layouts)
    assert list(posterior.mine_layouts.items()) == list(expected.items())
    assert posterior.safe == tuple(c for c, n in expected.items() if n == 0)
    assert posterior.certain_mines == tuple(
        c for c, n in expected.items() if n == len(layouts)
    )
    least = min(expected.values(), default=None)
    assert posterior.least_risk_cells == tuple(
        c for c, n in expected.items() if n == least
    )
    assert posterior.least_risk == (
        None if least is None else Fraction(least, len(layouts))
    )
    return True


@pytest.mark.parametrize(("rows", "mines"), SPECIAL)
def test_a_special_board_is_counted_as_by_brute_force(rows: Rows, mines: int) -> None:
    assert compare(rows, mines)


def test_small_boards_are_counted_as_by_brute_force() -> None:
    for rows, mines in small_boards(seed=1, count=4_000, trials=20_000):
        assert compare(rows, mines)


def test_an_impossible_total_is_refused() -> None:
    refused = 0
    for rows, mines in small_boards(seed=2, count=400, trials=1_500):
        for wrong in (mines - 1, mines + 1):
            if wrong >= 0:
                refused += not compare(rows, wrong)
    assert refused > 50


def test_a_corrupted_number_is_refused_or_taken_at_its_word() -> None:
    random = Random(3)
    refused = 0
    for rows, mines in small_boards(seed=3, count=800, trials=1_500):
        opened = [
            (r, c) for r, row in enumerate(rows) for c, x in enumerate(row) if x != "#"
        ]
        if opened:
            row, column = random.choice(opened)
            changed = (
                rows[row][:column] + random.choice("0123456") + rows[row][column + 1 :]
            )
            refused += not compare([*rows[:row], changed, *rows[row + 1 :]], mines)
    assert refused > 100


@pytest.mark.parametrize(
    ("rows", "mines"),
    [
        ([], 0),
        ([""], 0),
        ("###", 1),
        (["##", "#"], 1),
        (["#9"], 1),
        (["# "], 1),
        (["#/", "##"], 1),
        (["#é"], 1),
        ([1, 2], 1),
        ([b"##"], 1),
        (None, 1),
        (["##"], -1),
        (["##"], 3),
        (["##"], True),
        (["##"], 1.0),
        (["##"], "1"),
        (["00"], 1),
        (["#0"], 1),
        (["3#", "##", "11"], 2),
    ],
)
def test_what_is_no_board_raises_a_typed_error(rows: Any, mines: Any) -> None:
    with pytest.raises(InconsistentBoardError):
        solve(rows, mines)


def test_the_probability_of_an_open_cell_is_a_key_error() -> None:
    posterior = solve(["1#", "##"], 1)
    assert posterior.probability(0, 1) == Fraction(1, 3)
    with pytest.raises(KeyError):
        posterior.probability(0, 0)
    with pytest.raises(KeyError):
        posterior.layouts_with_safe([(0, 1), (0, 0)])
    with pytest.raises(KeyError):
        posterior.condition_safe([(9, 9)])


def test_joint_safety_is_counted_as_by_brute_force() -> None:
    random = Random(4)
    for rows, mines in small_boards(seed=4, count=500, trials=1_500):
        layouts = layouts_of(rows, mines)
        posterior = solve(rows, mines)
        hidden = hidden_cells(rows)
        for size in (0, 1, 2, 3, 5):
            cells = random.sample(hidden, min(size, len(hidden)))
            left = [layout for layout in layouts if not layout & {*cells}]
            assert posterior.layouts_with_safe(cells) == len(left)


def test_conditioning_on_safety_leaves_the_layouts_without_those_mines() -> None:
    random = Random(5)
    for rows, mines in small_boards(seed=5, count=300, trials=1_500):
        hidden = hidden_cells(rows)
        cells = random.sample(hidden, min(2, len(hidden)))
        left = [x for x in layouts_of(rows, mines) if not x & {*cells}]
        if not left:
            with pytest.raises(InconsistentBoardError):
                solve(rows, mines).condition_safe(cells)
            continue
        posterior = solve(rows, mines)
        for cell in cells:
            posterior = posterior.condition_safe([cell])
        counts = Counter(cell for layout in left for cell in layout)
        assert posterior.mine_layouts == {cell: counts[cell] for cell in hidden}
