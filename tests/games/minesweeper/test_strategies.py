"""The safest way to play: every proof is taken, else a cell of least risk."""

from collections import Counter

import pytest
from scipy.stats import chisquare

from chalicelib.games.chance import Chance
from chalicelib.games.minesweeper import rules
from chalicelib.games.minesweeper.grading import grade
from chalicelib.games.minesweeper.rules import State
from chalicelib.games.minesweeper.strategies import play_safest
from tests.games.minesweeper.drawing import draw


def chosen(state: State, number: int = 0) -> tuple[tuple[int, int], ...]:
    return play_safest(rules.observe(state), Chance("choice", number)).cells


def test_every_provably_safe_cell_is_opened_at_once() -> None:
    # See PROOFS in test_grading: (1, 0), (1, 2) and column 5 are safe.
    state = draw("++++..", ".o.+o.")
    assert set(chosen(state)) == {(1, 0), (1, 2), (0, 5), (1, 5)}


def test_without_a_proof_one_cell_of_least_risk_is_opened() -> None:
    # Around (1, 1) 1/8 each, elsewhere 1/2. Of those around it the corner (0, 0)
    # and (2, 0) touch the fewest hidden cells: (0, 1), (1, 0) and (2, 1), (1, 0).
    state = draw(".....", ".+.oo", "o..o.")
    found = Counter(chosen(state, number) for number in range(600))
    assert set(found) == {((0, 0),), ((2, 0),)}
    assert chisquare(list(found.values())).pvalue > 1e-4


def test_a_coin_is_tossed_evenly() -> None:
    found = Counter(chosen(draw("++", "o."), number) for number in range(1_000))
    assert set(found) == {((1, 0),), ((1, 1),)}
    assert chisquare(list(found.values())).pvalue > 1e-4


def test_the_choice_depends_on_what_is_seen_and_on_chance_alone() -> None:
    one, other = draw("++", "o."), draw("++", ".o")
    for number in range(20):
        assert chosen(one, number) == chosen(other, number) == chosen(one, number)


@pytest.mark.parametrize(
    ("variant", "count"), [("5x5", 60), ("beginner", 25), ("expert", 2)]
)
def test_the_safest_play_has_no_regret_and_is_always_legal(
    variant: str, count: int
) -> None:
    for number in range(count):
        state, step = rules.start(variant, f"{number:064x}"), 0
        while rules.outcome(state) is None:
            seen = rules.observe(state)
            move = play_safest(seen, Chance("play", number, step))
            rules.check(seen, move)
            after = rules.reveal(state, move)
            found = grade(seen, move, after)
            assert found.regret == 0
            assert found.class_ in ("safe", "forced")
            state, step = after, step + 1


@pytest.mark.parametrize("variant", ["5x5-noguess", "6x6-noguess", "beginner-noguess"])
def test_the_safest_play_wins_every_board_without_guesses(variant: str) -> None:
    for number in range(10):
        state = rules.start(variant, f"{number:064x}")
        while rules.outcome(state) is None:
            state = rules.reveal(state, play_safest(rules.observe(state), Chance("x")))
        outcome = rules.outcome(state)
        assert outcome is not None
        assert outcome.won
