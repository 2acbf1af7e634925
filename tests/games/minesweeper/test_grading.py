"""Grades of reveals: classes on drawn boards, exact risks, claims, calibration."""

from fractions import Fraction
from random import Random
from typing import Any

import pytest

from chalicelib.errors import InvalidMoveError
from chalicelib.games.chance import Chance
from chalicelib.games.game import Grade
from chalicelib.games.minesweeper import grading, rules
from chalicelib.games.minesweeper.boards import Cell, Layout, Size
from chalicelib.games.minesweeper.game import MINESWEEPER
from chalicelib.games.minesweeper.rules import Reveal, State
from tests.games.minesweeper.drawing import cells, draw
from tests.games.minesweeper.oracle_boards import layouts_of, small_boards

Json = dict[str, Any]


def grade(state: State, move: Reveal) -> Grade:
    return MINESWEEPER.grade(rules.observe(state), move, rules.reveal(state, move))


def risks(found: Grade) -> tuple[Fraction, Fraction]:
    """(p, p_min), exactly."""
    return Fraction(found.details["p_exact"]), Fraction(found.details["p_min_exact"])


PROOFS = ("++++..", ".o.+o.")
"""
  0 1 2 3 4 5
0 1 1 1 1 # #     Two mines. a = (1, 0), b = (1, 1), c = (1, 2).
1 # # # 1 # #     (0, 0): a + b = 1.  (0, 1): a + b + c = 1, so c is safe.
                  (0, 2): b + c = 1, so b is a mine and a is safe.
(0, 3): c + (0, 4) + (1, 4) = 1: one of these two is the second mine, 1/2 each,
and no mine is left for column 5, which is safe.
"""

NO_PROOF = (".....", ".+.oo", "o..o.")
"""
  0 1 2 3 4
0 # # # # #      Four mines, one of them in the 8 cells around (1, 1): 1/8 each.
1 # 1 # # #      The 6 cells of columns 3 and 4 hold three: 1/2 each.
2 # # # # #      There are 8 * C(6, 3) = 160 layouts.
"""

COIN = ("++", "o.")
"""
  0 1
0 1 1            One mine in (1, 0) or (1, 1): 1/2 each.
1 # #
"""

CLASSES = {
    "a safe cell": (PROOFS, [(1, 0)], "safe", "0", "0"),
    "all safe cells": (PROOFS, [(1, 0), (1, 2), (0, 5), (1, 5)], "safe", "0", "0"),
    "a certain mine": (PROOFS, [(1, 1)], "blunder", "1", "0"),
    "a certain mine after a safe cell": (
        PROOFS, [(1, 0), (1, 1)], "blunder", "1", "0",
    ),
    "a certain mine after a doubtful cell": (
        PROOFS, [(0, 4), (1, 1)], "blunder", "1", "0",
    ),
    "a doubtful cell after a safe one": (
        PROOFS, [(1, 0), (0, 4)], "premature", "1/2", "0",
    ),
    "a doubtful cell before a safe one": (
        PROOFS, [(0, 4), (1, 0)], "premature", "1/2", "0",
    ),
    "a doubtful cell though others are safe": (PROOFS, [(0, 4)], "missed", "1/2", "0"),
    # One of the two is a mine for certain, though neither by itself.
    "both doubtful cells": (PROOFS, [(0, 4), (1, 4)], "missed", "1", "0"),
    "a coin": (COIN, [(1, 1)], "forced", "1/2", "1/2"),
    "both sides of a coin": (COIN, [(1, 1), (1, 0)], "risky", "1", "1/2"),
    "a cell of least risk": (NO_PROOF, [(0, 0)], "forced", "1/8", "1/8"),
    "a cell of more risk": (NO_PROOF, [(0, 4)], "risky", "1/2", "1/8"),
    # The one mine is in neither of two cells: 6/8.
    "two cells of least risk": (NO_PROOF, [(0, 0), (0, 1)], "risky", "1/4", "1/8"),
    # Both are safe: 7/8 * 1/2 = 7/16.
    "one cell of each": (NO_PROOF, [(0, 0), (0, 4)], "risky", "9/16", "1/8"),
    # Three mines in the other four of six: C(4, 3) / C(6, 3) = 4/20.
    "two cells of more risk": (NO_PROOF, [(0, 3), (0, 4)], "risky", "4/5", "1/8"),
    # Four cells cannot all be safe when six hold three mines.
    "four cells of more risk": (
        NO_PROOF, [(0, 3), (0, 4), (2, 4), (1, 3)], "risky", "1", "1/8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CLASSES)
def test_a_reveal_has_the_class_and_risk_worked_out_by_hand(what: str) -> None:
    board, move, class_, p, least = CLASSES[what]
    found = grade(draw(*board), Reveal(tuple(move)))
    assert found.class_ == class_
    assert risks(found) == (Fraction(p), Fraction(least))
    assert found.regret == float(Fraction(p) - Fraction(least))
    assert (found.details["p"], found.details["p_min"]) == (
        float(Fraction(p)),
        float(Fraction(least)),
    )
    assert found.exact
    assert found.unit == "probability"


@pytest.mark.parametrize("what", CLASSES)
def test_on_a_board_chosen_for_solvability_only_proofs_are_exact(what: str) -> None:
    board, move, class_, p, least = CLASSES[what]
    found = grade(draw(*board, variant="drawn-noguess"), Reveal(tuple(move)))
    assert found.class_ == class_
    assert found.exact == ({p, least} <= {"0", "1"})


def test_every_class_is_met_on_the_drawn_boards() -> None:
    assert {class_ for _, _, class_, _, _ in CLASSES.values()} == set(grading.CLASSES)


def test_the_risk_just_before_each_single_reveal_is_kept() -> None:
    # The 0 and the 1 are open, then comes the only mine:
    state = draw("++o..")
    # (0, 2) is the mine for certain; the others are safe and not worth keeping.
    assert grade(state, cells((0, 3), (0, 4))).details["risky"] == []
    assert grade(state, cells((0, 3), (0, 4))).details["reveals"] == 2
    assert grade(state, cells((0, 4), (0, 2), (0, 3))).details == {
        "p": 1.0, "p_min": 0.0, "p_exact": "1", "p_min_exact": "0",
        "reveals": 2, "risky": [[0, 2, 1.0, 1]],
    }  # fmt: skip


def test_what_a_reveal_shows_counts_for_the_risk_of_the_next() -> None:
    # (0, 0) has risk 1/8. It is a zero, and so is (0, 1): columns 0 to 2 of the
    # first two rows are open, and show 0 0 1 and 1 1 2. So of (2, 0) and (2, 1) one
    # is a mine, (2, 2) is safe, of (0, 3) and (1, 3) one is, of (2, 1) and (2, 3)
    # one is. With (2, 1) two mines are left for column 4, 3 ways; with (2, 0) and
    # (2, 3) one is left, 3 ways. (0, 4): (2/3 + 1/3) / 2 = 1/2.
    found = grade(draw(*NO_PROOF), cells((0, 0), (0, 4)))
    assert found.details["reveals"] == 2
    first, second = found.details["risky"]
    assert first == [0, 0, 0.125, 0]
    assert second == [0, 4, 0.5, 0]


def test_a_cell_that_a_cascade_opens_is_no_reveal() -> None:
    state = draw("++.o...")
    found = grade(state, cells((0, 6), (0, 5), (0, 4)))
    assert found.details["reveals"] == 1


def brute_force(
    rows: list[str], mines: int, hidden: list[Cell]
) -> dict[Cell, Fraction]:
    layouts = layouts_of(rows, mines)
    return {
        cell: Fraction(sum(cell in layout for layout in layouts), len(layouts))
        for cell in hidden
    }


def random_positions(seed: int, count: int) -> list[State]:
    """Positions up to 6x6 with a truth that agrees with what is seen."""
    random, states = Random(seed), []
    for rows, mines in small_boards(seed, count, trials=1_500):
        hidden = rules.hidden_cells(rows)
        truth = random.choice(layouts_of(rows, mines))
        opened = frozenset(
            (r, c)
            for r, line in enumerate(rows)
            for c, mark in enumerate(line)
            if mark != "#"
        )
        layout = Layout(Size(len(rows), len(rows[0]), mines), (0, 0), truth)
        if len(hidden) > mines and rules.outcome(State("x", layout, opened)) is None:
            states.append(State("x", layout, opened))
    return states


def test_grades_of_random_moves_agree_with_brute_force() -> None:
    random, seen = Random(5), set()
    for state in random_positions(7, 500):
        rows = list(rules.observe(state).rows)
        hidden, mines = rules.hidden_cells(rows), state.layout.size.mines
        alone = brute_force(rows, mines, hidden)
        layouts = layouts_of(rows, mines)
        move = Reveal(
            tuple(random.sample(hidden, random.randint(1, min(4, len(hidden)))))
        )
        found = grade(state, move)
        unsafe = sum(any(cell in layout for cell in move.cells) for layout in layouts)
        p, least = risks(found)
        assert p == Fraction(unsafe, len(layouts))
        assert least == min(alone.values())
        assert found.class_ == expected_class([alone[c] for c in move.cells], p, least)
        seen.add(found.class_)
        check_single_reveals(state, move, found)
    assert seen == set(grading.CLASSES)


def expected_class(named: list[Fraction], p: Fraction, least: Fraction) -> str:
    """The words of the definition, one by one."""
    if p == 0:
        return "safe"
    if any(risk == 1 for risk in named):
        return "blunder"
    if any(risk == 0 for risk in named):
        return "premature"
    if least == 0:
        return "missed"
    return "forced" if p == least else "risky"


def check_single_reveals(state: State, move: Reveal, found: Grade) -> None:
    """The kept risks, by brute force on what was seen just before each reveal."""
    expected, reveals = [], 0
    for cell in move.cells:
        if cell in state.opened:
            continue
        reveals += 1
        rows = list(rules.observe(state).rows)
        risk = brute_force(rows, state.layout.size.mines, [cell])[cell]
        state = rules.reveal(state, cells(cell))
        hit = state.exploded is not None
        if risk:
            expected.append([*cell, float(risk), int(hit)])
        if hit:
            break
    assert found.details["reveals"] == reveals
    assert found.details["risky"] == expected


# Claims.


@pytest.mark.parametrize(
    ("cell", "word", "verdict"),
    [
        ((1, 0), "safe", "true"),
        ((1, 0), "mine", "false"),
        ((1, 1), "mine", "true"),
        ((1, 1), "safe", "false"),
        ((0, 4), "mine", "not provable"),
        ((0, 4), "safe", "not provable"),
        ((1, 5), "safe", "true"),  # by the number of mines alone
        ((0, 0), "safe", "true"),  # open already
        ((0, 0), "mine", "false"),
        ((2, 0), "safe", "false"),  # outside
        ((2, 0), "mine", "false"),
        ((-1, 0), "safe", "false"),
    ],
)
def test_a_claim_is_true_false_or_not_provable(
    cell: Cell, word: str, verdict: str
) -> None:
    seen = rules.observe(draw(*PROOFS))
    claim = {"row": cell[0], "column": cell[1], "is": word}
    assert grading.judge(seen, [claim]) == [{**claim, "verdict": verdict}]


def test_a_claim_is_judged_on_what_was_seen_and_not_on_the_truth() -> None:
    seen = rules.observe(draw(*COIN))
    claims = [
        {"row": 1, "column": 0, "is": "mine"},
        {"row": 1, "column": 1, "is": "safe"},
    ]
    verdicts = [claim["verdict"] for claim in grading.judge(seen, claims)]
    assert verdicts == ["not provable", "not provable"]


@pytest.mark.parametrize(
    "claims",
    [
        {}, "safe", 1, [1], [{}], [[]], [None],
        [{"row": 0, "column": 0, "is": "maybe"}],
        [{"row": 0, "column": 0, "is": ["safe"]}],
        [{"row": "0", "column": 0, "is": "safe"}],
        [{"row": True, "column": 0, "is": "safe"}],
        [{"row": 0.0, "column": 0, "is": "safe"}],
        [{"row": 0, "is": "safe"}],
        [{"row": 0, "column": 0, "is": "safe"}] * (grading.CLAIMS + 1),
    ],
)  # fmt: skip
def test_claims_that_cannot_be_read_are_invalid(claims: Any) -> None:
    with pytest.raises(InvalidMoveError):
        grading.judge(rules.observe(draw(*PROOFS)), claims)


# Whole games.


def random_games(variant: str, count: int) -> list[list[Grade]]:
    """Grades of games of random moves, some of several cells."""
    games = []
    for number in range(count):
        state, found = rules.start(variant, f"{number:064x}"), list[Grade]()
        while rules.outcome(state) is None:
            chance = Chance("calibration", variant, number, len(found))
            hidden = rules.hidden_cells(rules.observe(state).rows)
            move = Reveal(
                tuple(chance.sample(hidden, min(len(hidden), 1 + chance.below(2))))
            )
            after = rules.reveal(state, move)
            found.append(grading.grade(rules.observe(state), move, after))
            state = after
        games.append(found)
    return games


@pytest.mark.parametrize(
    ("variant", "count"), [("5x5", 800), ("6x6", 600), ("beginner", 300)]
)
def test_as_many_mines_are_hit_as_the_risks_say(variant: str, count: int) -> None:
    """Each reveal hits with the risk it was given: the sums differ by chance alone."""
    singles = [
        (risk, hit)
        for game in random_games(variant, count)
        for found in game
        for _, _, risk, hit in found.details["risky"]
    ]
    expected = sum(risk for risk, _ in singles)
    variance = sum(risk * (1 - risk) for risk, _ in singles)
    hits = sum(hit for _, hit in singles)
    assert hits >= count // 2
    assert abs(hits - expected) < 4 * variance**0.5
    for low, high in ((0.0, 0.15), (0.15, 0.3), (0.3, 0.6)):
        some = [(risk, hit) for risk, hit in singles if low < risk <= high]
        spread = sum(risk * (1 - risk) for risk, _ in some) ** 0.5
        assert abs(sum(h - r for r, h in some)) < 4 * spread


def test_scores_add_up_what_the_grades_say() -> None:
    state = draw(*PROOFS)
    moves = [cells((1, 0)), cells((0, 4)), cells((1, 1))]
    found = []
    for move in moves:
        found.append(grade(state, move))
        state = rules.reveal(state, move)
    scores = grading.scores(state, found, rules.outcome(state))
    assert scores["won"] is False
    # Opened: 5 at first, (1, 0), (0, 4) and what follows; 10 of 12 cells are safe.
    assert scores["completion"] == len(state.opened) / 10
    assert scores["moves"] == scores["exact_moves"] == 3
    assert scores["reveals"] == 3
    assert scores["regret"] == 0 + 0.5 + 1
    assert scores["classes"] == {
        "safe": 1, "blunder": 1, "premature": 0, "missed": 1, "forced": 0, "risky": 0,
    }  # fmt: skip


def test_regret_that_is_not_exact_is_in_no_sum() -> None:
    state = draw(*PROOFS, variant="drawn-noguess")
    found = [grade(state, cells((0, 4))), grade(state, cells((1, 1)))]
    scores = grading.scores(state, found, None)
    assert scores["exact_moves"] == 1
    assert scores["regret"] == 1
    assert scores["moves"] == 2
