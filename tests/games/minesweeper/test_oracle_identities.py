"""What must hold on boards of every size, where brute force does not reach."""

from fractions import Fraction
from math import comb
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.minesweeper.oracle import Memory, Posterior, solve
from tests.games.minesweeper.oracle_boards import (
    Cell,
    Rows,
    agrees,
    game,
    hidden_cells,
    scattered,
)

SIZES = [(9, 9, 10), (16, 16, 40), (16, 30, 99), (30, 5, 30), (2, 40, 20)]


def snapshots(count: int, seed: int) -> list[tuple[Rows, int]]:
    """Positions of games on boards of every size, the larger ones scattered too."""
    random = Random(seed)
    found = []
    for number in range(count):
        height, width, mines = SIZES[number % len(SIZES)]
        if number % 4 == 3:
            share = random.choice([0.1, 0.2, 0.5, 0.6])
            rows = scattered(height, width, mines, share, random.getrandbits(32))
            found.append((rows, mines))
            continue
        positions = game(height, width, mines, random.getrandbits(32))
        if positions:
            found.append((random.choice(positions), mines))
    return found


def total(rows: Rows, mines: int) -> int:
    try:
        return solve(rows, mines).layouts
    except InconsistentBoardError:
        return 0


def open_cell(rows: Rows, cell: Cell, number: int) -> Rows:
    row, column = cell
    changed = rows[row][:column] + str(number) + rows[row][column + 1 :]
    return [*rows[:row], changed, *rows[row + 1 :]]


def symmetries(rows: Rows) -> list[tuple[Rows, dict[Cell, Cell]]]:
    """The eight symmetries, each with the original place of every cell."""
    height, width = len(rows), len(rows[0])
    places = [[(r, c) for c in range(width)] for r in range(height)]
    found = []
    for turn in range(8):
        places = (
            places[::-1] if turn % 2 else [list(x) for x in zip(*places, strict=True)]
        )
        turned = ["".join(rows[r][c] for r, c in line) for line in places]
        back = {(r, c): x for r, line in enumerate(places) for c, x in enumerate(line)}
        found.append((turned, back))
    return found


def test_all_eight_symmetries_give_the_same_counts() -> None:
    assert len({tuple(turned) for turned, _ in symmetries(["12", "3#"])}) == 8
    for rows, mines in snapshots(60, seed=1):
        expected = solve(rows, mines)
        for turned, back in symmetries(rows):
            posterior = solve(turned, mines)
            assert posterior.layouts == expected.layouts
            counts = {back[c]: n for c, n in posterior.mine_layouts.items()}
            assert counts == expected.mine_layouts


def test_the_mines_of_all_cells_add_up_to_the_total() -> None:
    for rows, mines in snapshots(200, seed=2):
        posterior = solve(rows, mines)
        assert sum(posterior.mine_layouts.values()) == mines * posterior.layouts
        cells = hidden_cells(rows)
        assert sum((posterior.probability(*c) for c in cells), Fraction(0)) == mines


def test_opening_a_cell_splits_the_layouts() -> None:
    """Each layout has either a mine in a cell or one number."""
    random = Random(3)
    for rows, mines in snapshots(120, seed=3):
        posterior = solve(rows, mines)
        for cell in random.sample(hidden_cells(rows), 2):
            parts = [total(open_cell(rows, cell, n), mines) for n in range(9)]
            assert sum(parts) + posterior.mine_layouts[cell] == posterior.layouts
            assert sum(parts) == posterior.layouts_with_safe([cell])
            if posterior.layouts > sum(parts) > 0:
                assert posterior.condition_safe([cell]).layouts == sum(parts)


def test_a_number_known_beforehand_changes_nothing() -> None:
    changed = 0
    for rows, mines in snapshots(120, seed=4):
        posterior = solve(rows, mines)
        for cell in posterior.safe[:3]:
            for number in range(9):
                wider = open_cell(rows, cell, number)
                if total(wider, mines) == posterior.layouts:
                    changed += 1
                    counts = solve(wider, mines).mine_layouts
                    assert {**counts, cell: 0} == posterior.mine_layouts
    assert changed > 20


def test_joint_safety_is_the_product_of_successive_ones() -> None:
    random = Random(5)
    for rows, mines in snapshots(60, seed=5):
        posterior = solve(rows, mines)
        cells = random.sample(hidden_cells(rows), 3)
        joint = posterior.layouts_with_safe(cells)
        chain: Posterior | None = posterior
        chance = Fraction(1)
        for cell in cells:
            assert chain is not None
            chance *= 1 - chain.probability(*cell)
            chain = chain.condition_safe([cell]) if chance else None
            if chain is None:
                break
        assert Fraction(joint, posterior.layouts) == chance


def test_memory_changes_no_result_over_whole_games() -> None:
    memory = Memory()
    small = Memory(limit=200)
    for seed in range(6):
        for height, width, mines in SIZES[:3]:
            for rows in game(height, width, mines, seed):
                expected = solve(rows, mines)
                for posterior in (
                    solve(rows, mines, memory),
                    solve(rows, mines, small),
                ):
                    assert posterior.layouts == expected.layouts
                    assert posterior.mine_layouts == expected.mine_layouts
                    assert posterior.safe == expected.safe
                    assert posterior.certain_mines == expected.certain_mines
                    assert posterior.least_risk_cells == expected.least_risk_cells
    assert 200 < memory.size <= memory.limit
    assert small.size <= small.limit


def test_memory_refuses_what_is_refused_without() -> None:
    memory = Memory()
    for _ in range(2):
        for rows in (["1#", "11"], ["3#", "##", "11"], ["#0"], "##", [1]):
            with pytest.raises(InconsistentBoardError):
                solve(rows, 2, memory)  # type: ignore[arg-type]  # wrong on purpose


@given(st.integers(1, 60), st.integers(1, 60), st.data())
@settings(deadline=None, max_examples=100, derandomize=True)
def test_a_closed_board_is_a_binomial(
    height: int, width: int, data: st.DataObject
) -> None:
    cells = height * width
    mines = data.draw(st.integers(0, cells))
    posterior = solve(["#" * width] * height, mines)
    assert posterior.layouts == comb(cells, mines)
    assert posterior.least_risk == Fraction(mines, cells)


@given(st.lists(st.text("#01238/é ", max_size=5), max_size=5), st.integers(-1, 6))
@settings(deadline=None, max_examples=1_000, derandomize=True)
def test_any_rows_give_layouts_or_the_typed_error(rows: Rows, mines: int) -> None:
    try:
        posterior = solve(rows, mines)
    except InconsistentBoardError:
        return
    assert posterior.layouts > 0
    assert agrees(rows, posterior.sample(lambda n: n - 1))
