"""Boards and rules of Minesweeper: openings, cascades, reveals, how it ends."""

from collections import Counter
from itertools import combinations

import pytest
from scipy.stats import chisquare

from chalicelib.errors import GenerationError, IllegalMoveError
from chalicelib.games.chance import Chance
from chalicelib.games.minesweeper import rules
from chalicelib.games.minesweeper.boards import (
    SIZES,
    Size,
    cascade,
    draw_layout,
    draw_mines,
    neighbourhoods,
    numbers,
)
from chalicelib.games.minesweeper.game import MINESWEEPER
from chalicelib.games.minesweeper.rules import Reveal, State
from tests.games.minesweeper.drawing import cells, draw
from tests.games.minesweeper.oracle_boards import around, layouts_of

UNLIKELY = 1e-4
"""Seeds are fixed: a test that passes once passes always."""

VARIANTS = list(MINESWEEPER.variants)


def seed_of(number: int) -> str:
    return f"{number:064x}"


def rows_of(state: State) -> list[str]:
    return list(rules.observe(state).rows)


# Layouts.


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_opening_is_a_zero_that_is_played_already(variant: str) -> None:
    for number in range(20):
        state = rules.start(variant, seed_of(number))
        row, column = state.layout.opening
        rows = rows_of(state)
        assert rows[row][column] == "0"
        assert len(state.layout.mines) == SIZES[variant.removesuffix("-noguess")].mines
        near = around((row, column), len(rows), len(rows[0]))
        assert not state.layout.mines & {(row, column), *near}
        assert {(row, column), *near} <= state.opened
        assert not state.opened & state.layout.mines


@pytest.mark.parametrize("name", SIZES)
def test_a_layout_is_drawn_as_it_is_described(name: str) -> None:
    """The opening, then the first cells of a shuffle of what may be a mine."""
    size = SIZES[name]
    every = [(r, c) for r in range(size.height) for c in range(size.width)]
    for number in range(5):
        chance = Chance("layout", name, number)
        opening = every[chance.below(len(every))]
        allowed = [
            (r, c)
            for r, c in every
            if max(abs(r - opening[0]), abs(c - opening[1])) > 1
        ]
        for place in range(size.mines):
            other = place + chance.below(len(allowed) - place)
            allowed[place], allowed[other] = allowed[other], allowed[place]
        layout = draw_layout(size, Chance("layout", name, number))
        assert layout.opening == opening
        assert layout.mines == frozenset(allowed[: size.mines])


def test_every_layout_outside_the_neighbourhood_is_equally_likely() -> None:
    size, opening, chance = Size(3, 4, 2), (0, 0), Chance("uniform")
    outside = [(r, c) for r in range(3) for c in range(4) if r > 1 or c > 1]
    counts = Counter(draw_mines(size, opening, chance).mines for _ in range(5_600))
    assert set(counts) == {frozenset(pair) for pair in combinations(outside, 2)}
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


def test_every_cell_is_equally_likely_to_be_the_opening() -> None:
    chance = Chance("openings")
    drawn = [draw_layout(SIZES["5x5"], chance).opening for _ in range(5_000)]
    counts = Counter(drawn)
    assert len(counts) == 25
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


def test_seeds_draw_mines_evenly_over_an_expert_board() -> None:
    """By distance from the opening nothing but the neighbourhood is special."""
    near, far = [0, 0], [0, 0]
    for number in range(150):
        layout = rules.start("expert", seed_of(number)).layout
        row, column = layout.opening
        for cell in neighbourhoods(16, 30):
            distance = max(abs(cell[0] - row), abs(cell[1] - column))
            if distance > 1:
                counts = near if distance <= 3 else far
                counts[0] += cell in layout.mines
                counts[1] += 1
    expected = 99 / 471.5
    for mines, all_ in (near, far):
        assert mines / all_ == pytest.approx(expected, abs=0.012)


GOLDEN = {
    "5x5": "977637f4aa2b444b",
    "6x6": "f7bcf1c53bbda622",
    "beginner": "ff10e1495a82c1a0",
    "intermediate": "9be3317d0ea7de83",
    "expert": "4052808e0d9c1223",
    "5x5-noguess": "a4c80041b6558184",
    "6x6-noguess": "deaa5683417efd49",
    "beginner-noguess": "1e60dc95ad382c6d",
    "intermediate-noguess": "fc1f791e773cffd9",
    "expert-noguess": "2247c11cbdd757fe",
}
"""The fingerprint of the first position of seed 00...01: it never changes."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_position_of_a_seed_never_changes(variant: str) -> None:
    assert rules.fingerprint(rules.start(variant, seed_of(1))) == GOLDEN[variant]


def test_two_first_boards_never_change() -> None:
    assert rows_of(rules.start("5x5", seed_of(1))) == [
        "001##",
        "123##",
        "#####",
        "#####",
        "#####",
    ]
    assert rows_of(rules.start("beginner-noguess", seed_of(1))) == [
        "01#######",
        "012######",
        "001######",
        "001######",
        "002######",
        "001######",
        "002######",
        "001######",
        "001######",
    ]


# Boards chosen for solvability.


@pytest.mark.parametrize("variant", ["5x5-noguess", "6x6-noguess"])
def test_deduction_alone_opens_a_noguess_board(variant: str) -> None:
    """Deduced by trying every layout, not by the oracle."""
    for number in range(6):
        state = rules.start(variant, seed_of(number))
        while rules.outcome(state) is None:
            rows = rows_of(state)
            layouts = layouts_of(rows, len(state.layout.mines))
            mined = frozenset().union(*layouts)
            safe = [cell for cell in rules.hidden_cells(rows) if cell not in mined]
            assert safe, "a guess was needed"
            state = rules.reveal(state, Reveal(tuple(safe)))
        outcome = rules.outcome(state)
        assert outcome is not None
        assert outcome.won


def test_some_boards_need_a_guess_and_are_not_called_solvable() -> None:
    found = Counter(
        rules.is_solvable(
            rules.open_first("x", draw_layout(SIZES["6x6"], Chance("guess", n)))
        )
        for n in range(60)
    )
    assert found[True] > 5
    assert found[False] > 5


TWO_ROWS = Size(2, 6, 1)
"""A mine in one of two rows: what is seen is the same with the rows exchanged."""


def test_a_board_with_a_mirror_is_never_solvable() -> None:
    for number in range(50):
        layout = draw_layout(TWO_ROWS, Chance("mirror", number))
        assert not rules.is_solvable(rules.open_first("x", layout))


def test_the_search_for_a_solvable_board_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SIZES, "mirror", TWO_ROWS)
    with pytest.raises(GenerationError, match=f"None of {rules.LAYOUTS_TRIED}"):
        rules.start("mirror-noguess", seed_of(1))


def test_a_noguess_board_is_its_own_and_its_odds_are_not_exact() -> None:
    assert rules.observe(rules.start("5x5-noguess", seed_of(1))).selected
    assert not rules.observe(rules.start("5x5", seed_of(1))).selected


# Opening cells.


def test_numbers_count_the_mines_around() -> None:
    layout = draw("o.o", ".+.", "ooo").layout
    assert numbers(layout) == {(0, 1): 2, (1, 0): 3, (1, 1): 5, (1, 2): 3}


def test_a_cell_with_a_number_opens_alone() -> None:
    layout = draw("o.....", "......", ".....+").layout
    assert cascade(layout, (1, 1), frozenset()) == {(1, 1)}


def test_a_zero_opens_all_zeros_that_touch_and_their_rim() -> None:
    #   0 1 2 3 4
    # 0 1 o 1 0 0      From (0, 4): columns 3 and 4, then the rim in column 2,
    # 1 1 1 1 0 0      and nothing behind it.
    layout = draw(".o...", "...++").layout
    assert cascade(layout, (0, 4), frozenset()) == {
        (0, 2), (1, 2), (0, 3), (1, 3), (0, 4), (1, 4),
    }  # fmt: skip


def test_a_cascade_does_not_cross_a_rim_of_numbers() -> None:
    #   0 1 2 3 4 5 6
    # 0 0 0 1 o 1 0 0
    layout = draw("+..o...").layout
    assert cascade(layout, (0, 0), frozenset()) == {(0, 0), (0, 1), (0, 2)}
    assert cascade(layout, (0, 6), frozenset()) == {(0, 6), (0, 5), (0, 4)}


# Moves.


def test_cells_that_a_cascade_has_opened_are_skipped() -> None:
    #   0 1 2 3 4 5 6
    # 0 + + 1 o 1 0 0
    state = draw("++.o...")
    after = rules.reveal(state, cells((0, 6), (0, 5), (0, 4)))
    assert after == rules.reveal(state, cells((0, 6)))
    assert rows_of(after) == ["00##100"]


def test_a_skipped_cell_does_not_end_a_move() -> None:
    state = draw("++.o...")
    after = rules.reveal(state, cells((0, 6), (0, 5), (0, 2)))
    assert rows_of(after) == ["001#100"]
    outcome = rules.outcome(after)
    assert outcome is not None
    assert (outcome.won, outcome.termination) == (True, "cleared")


def test_the_first_mine_ends_the_move() -> None:
    #   0 1 2 3 4
    # 0 + 1 o . o
    state = draw("+.o.o")
    after = rules.reveal(state, cells((0, 1), (0, 2), (0, 3), (0, 4)))
    assert rows_of(after) == ["01*##"]
    outcome = rules.outcome(after)
    assert outcome is not None
    assert (outcome.won, outcome.termination) == (False, "mine")


def test_a_mine_hit_after_a_cascade_keeps_what_was_opened() -> None:
    state = draw("++.o...")
    after = rules.reveal(state, cells((0, 6), (0, 3), (0, 2)))
    assert rows_of(after) == ["00#*100"]
    assert rules.observe(after).over


def test_opening_the_last_safe_cell_wins() -> None:
    state = draw("+.o")
    assert rules.outcome(state) is None
    after = rules.reveal(state, cells((0, 1)))
    outcome = rules.outcome(after)
    assert outcome is not None
    assert outcome.won


def test_the_order_of_safe_cells_does_not_change_where_they_lead() -> None:
    state = draw("++.o...o..", "++.....o..")
    move = [(0, 2), (0, 4), (1, 5), (1, 9), (0, 9)]
    ends = {
        rules.fingerprint(rules.reveal(state, Reveal(tuple(move[k:] + move[:k]))))
        for k in range(len(move))
    }
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (cells(), "at least one"),
        (cells((0, 0)), "already open"),
        (cells((0, 3), (0, 0)), "already open"),
        (cells((1, 0)), "outside"),
        (cells((0, 5)), "outside"),
        (cells((-1, 0)), "outside"),
        (cells((0, -1)), "outside"),
        (cells((10**30, 0)), "outside"),
        (cells((0, 3), (0, 3)), "named twice"),
        (cells((0, 3), (0, 4), (0, 3)), "named twice"),
    ],
)
def test_a_move_is_checked_whole_before_anything_is_opened(
    move: Reveal, why: str
) -> None:
    state = draw("+.o..")
    before = rules.fingerprint(state)
    with pytest.raises(IllegalMoveError, match=why):
        rules.check(rules.observe(state), move)
    assert rules.fingerprint(state) == before


def test_a_move_of_all_hidden_cells_passes_the_check() -> None:
    state = draw("+.o..")
    hidden = tuple(rules.hidden_cells(rows_of(state)))
    assert hidden == ((0, 1), (0, 2), (0, 3), (0, 4))
    rules.check(rules.observe(state), Reveal(hidden))


def test_a_fingerprint_tells_layout_open_cells_and_explosion_apart() -> None:
    states = [
        draw("+.o.."),
        draw("+..o."),
        draw("++o.."),
        draw("+.o..", variant="other"),
        rules.reveal(draw("+.o.."), cells((0, 2))),
    ]
    assert len({rules.fingerprint(state) for state in states}) == len(states)
    assert rules.fingerprint(draw("+.o..")) == rules.fingerprint(states[0])
