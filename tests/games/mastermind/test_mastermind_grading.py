from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import InvalidMoveError
from chalicelib.games.chance import Chance
from chalicelib.games.game import Grade, Outcome
from chalicelib.games.mastermind.grading import CLASSES, grade, judge, scores
from chalicelib.games.mastermind.oracle import remaining, space_of
from chalicelib.games.mastermind.rules import (
    COLOURS,
    VARIANTS,
    Code,
    Observation,
    State,
    all_codes,
    apply,
    feedback,
    observe,
    outcome,
    start,
)
from chalicelib.games.mastermind.strategies import play_entropy, play_minimax

CHANCE = Chance("unused")
SMALL = all_codes(3, 4)


def grade_guesses(variant: str, secret: Code, guesses: list[Code]) -> list[Grade]:
    """The grades of these guesses, as far as the game goes."""
    state = State(variant, "s", secret)
    grades = []
    for guess in guesses:
        seen = observe(state)
        if not seen.left:
            break
        state = apply(state, guess)
        grades.append(grade(seen, guess, state))
    return grades


def codes_of(variant: str) -> st.SearchStrategy[Code]:
    return st.sampled_from(space_of(variant).codes)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    secret=codes_of("small"),
    guesses=st.lists(codes_of("small"), min_size=1, max_size=8),
)
def test_a_grade_is_exact_in_the_small_game_and_says_what_it_means(
    secret: Code, guesses: list[Code]
) -> None:
    for made in grade_guesses("small", secret, guesses):
        details = made.details
        expected = Fraction(details["expected_exact"])
        fewest = Fraction(details["best_expected_exact"])
        assert made.exact
        assert made.unit == "guesses"
        assert made.regret == float(expected - fewest) >= 0
        assert (made.class_ == "best") == (made.regret == 0)
        assert (made.class_ == "consistent") <= details["consistent"]
        assert (made.class_ == "wasted") <= (details["parts"] == 1)
        assert 0 <= details["bits"] <= details["best_bits"]
        assert 1 <= details["remaining_after"] <= details["remaining"]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    secret=codes_of("classic"),
    guesses=st.lists(codes_of("classic"), min_size=1, max_size=10),
)
def test_regret_is_never_negative_in_the_classic_game(
    secret: Code, guesses: list[Code]
) -> None:
    for made in grade_guesses("classic", secret, guesses):
        assert made.regret >= 0
        assert made.class_ in CLASSES
        assert made.unit == ("guesses" if made.exact else "bits")
        assert made.exact or made.details["remaining"] > 32


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    secret=codes_of("classic"),
    guesses=st.lists(codes_of("classic"), min_size=1, max_size=5),
    pegs=st.permutations(range(4)),
    colours=st.permutations(range(6)),
)
def test_moving_pegs_and_renaming_colours_changes_no_grade(
    secret: Code, guesses: list[Code], pegs: list[int], colours: list[int]
) -> None:
    def rename(code: Code) -> Code:
        return tuple(colours[code[peg]] for peg in pegs)

    renamed = grade_guesses("classic", rename(secret), list(map(rename, guesses)))
    assert renamed == grade_guesses("classic", secret, guesses)


def test_codes_before_and_after_are_counted_by_brute_force() -> None:
    secret, first, second = (0, 1, 2), (0, 0, 1), (3, 1, 0)
    made = grade_guesses("small", secret, [first, second])
    after_first = [
        code for code in SMALL if feedback(first, code) == feedback(first, secret)
    ]
    after_second = [
        code
        for code in after_first
        if feedback(second, code) == feedback(second, secret)
    ]
    assert made[0].details["remaining"] == 64
    assert made[0].details["remaining_after"] == len(after_first)
    assert made[1].details["remaining"] == len(after_first)
    assert made[1].details["remaining_after"] == len(after_second)


def test_the_entropy_player_loses_no_bits_and_little_else() -> None:
    for seed in range(12):
        state = start("classic", str(seed))
        while not outcome(state):
            seen = observe(state)
            guess = play_entropy(seen, CHANCE)
            state = apply(state, guess)
            made = grade(seen, guess, state)
            assert made.details["bits"] == made.details["best_bits"]
            assert made.regret == 0 if not made.exact else made.regret < 0.25


def test_the_minimax_player_first_loses_a_known_number_of_bits() -> None:
    state = start("classic", "minimax")
    guess = play_minimax(observe(state), CHANCE)
    made = grade(observe(state), guess, apply(state, guess))
    assert not made.exact
    assert made.class_ == "consistent"
    assert made.regret == pytest.approx(3.0567 - 2.8850, abs=2e-4)


def test_a_repeated_guess_is_wasted_and_loses_all_that_could_be_learnt() -> None:
    first, again = grade_guesses("classic", (0, 1, 2, 3), [(0, 0, 1, 2)] * 2)
    assert first.class_ == "consistent"
    assert again.class_ == "wasted"
    assert again.details["remaining_after"] == again.details["remaining"]
    assert again.details["bits"] == 0
    assert again.regret == again.details["best_bits"] > 2


def test_a_repeated_guess_costs_a_whole_guess_when_one_code_remains() -> None:
    guesses: list[Code] = [(0, 0, 1), (2, 2, 2), (3, 2, 0), (3, 2, 0)]
    wasted = grade_guesses("small", (3, 2, 2), guesses)[-1]
    assert wasted.details["remaining"] == 1
    assert (wasted.class_, wasted.regret) == ("wasted", 1.0)


def test_a_guess_that_only_informs_is_a_probe_and_best_when_it_pays() -> None:
    classes = set()
    for guess in space_of("classic").codes[::7]:
        made = grade_guesses("classic", (0, 1, 2, 3), [(0, 1, 2, 4), guess])[1]
        classes.add((made.class_, made.details["consistent"]))
    assert ("probe", False) in classes
    assert ("best", False) in classes
    assert ("consistent", True) in classes


def test_the_last_guess_is_best_exactly_when_it_can_be_right() -> None:
    used: list[Code] = [(3, 3, 3)] * 7
    for last in SMALL:
        made = grade_guesses("small", (0, 1, 2), [*used, last])[-1]
        can_be_right = 3 not in last
        assert made.exact
        assert (made.class_ == "best") == can_be_right
        assert made.regret == (0 if can_be_right else pytest.approx(1 / 27))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    data=st.data(),
    turns=st.integers(0, 4),
)
def test_claims_are_judged_as_brute_force_judges_them(
    variant: str, data: st.DataObject, turns: int
) -> None:
    secret = data.draw(codes_of(variant))
    guesses = tuple(data.draw(codes_of(variant)) for _ in range(turns))
    seen = observe(State(variant, "s", secret, guesses))
    codes = [space_of(variant).codes[code] for code in remaining(seen)]
    rules = VARIANTS[variant]
    for peg, colour in product(range(rules.pegs), range(len(rules.colours))):
        claims = [
            {"peg": peg, "colour": COLOURS[colour], "is": kind}
            for kind in ("certain", "impossible")
        ]
        there = {code[peg] == colour for code in codes}
        verdicts = {
            frozenset({True}): ("true", "false"),
            frozenset({False}): ("false", "true"),
        }
        wanted = verdicts.get(frozenset(there), ("not provable", "not provable"))
        assert judge(seen, claims) == [
            {**claim, "verdict": verdict}
            for claim, verdict in zip(claims, wanted, strict=True)
        ]


def test_a_claim_about_a_peg_that_does_not_exist_is_false() -> None:
    claims = [{"peg": 4, "colour": "red", "is": "impossible"}]
    assert judge(Observation("classic"), claims)[0]["verdict"] == "false"


def test_no_claims_are_no_verdicts() -> None:
    assert judge(Observation("classic"), None) == []
    assert judge(Observation("classic"), []) == []


@pytest.mark.parametrize(
    "claims",
    [
        "red",
        {},
        [None],
        [{}],
        [{"peg": 0, "colour": "red"}],
        [{"peg": 0, "colour": "red", "is": "likely"}],
        [{"peg": True, "colour": "red", "is": "certain"}],
        [{"peg": "0", "colour": "red", "is": "certain"}],
        [{"peg": 0, "colour": "mauve", "is": "certain"}],
        [{"peg": 0, "colour": "red", "is": ["certain"]}],
        [{"peg": 0, "colour": "red", "is": "certain"}] * 65,
    ],
)
def test_claims_that_cannot_be_read_are_refused(claims: object) -> None:
    with pytest.raises(InvalidMoveError):
        judge(Observation("classic"), claims)


def test_the_scores_of_a_win() -> None:
    state = State("small", "s", (0, 1, 2), ((0, 0, 1), (0, 1, 2)))
    grades = [
        Grade(0.5, "consistent", True, "guesses"),
        Grade(0.25, "probe", False, "bits"),
        Grade(0.0, "best", True, "guesses"),
    ]
    assert scores(state, grades, outcome(state)) == {
        "won": True,
        "guesses": 2,
        "moves": 3,
        "regret": 0.5,
        "exact_moves": 2,
        "regret_bits": 0.25,
        "classes": {"best": 1, "consistent": 1, "probe": 1, "wasted": 0},
    }


@pytest.mark.parametrize("ended", [None, Outcome((1,), "limit", won=False)])
def test_a_loss_and_a_forfeit_count_one_more_than_the_limit(
    ended: Outcome | None,
) -> None:
    state = State("small", "s", (0, 1, 2), ((0, 0, 1),))
    row = scores(state, [], ended)
    assert (row["won"], row["guesses"]) == (False, 9)


@pytest.mark.verify
def test_every_position_of_the_entropy_player_is_graded_soundly() -> None:
    for secret in space_of("classic").codes:
        state = State("classic", "s", secret)
        while not outcome(state):
            seen = observe(state)
            guess = play_entropy(seen, CHANCE)
            state = apply(state, guess)
            made = grade(seen, guess, state)
            assert made.regret >= 0
            assert made.details["bits"] == made.details["best_bits"]
