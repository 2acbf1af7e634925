from collections import Counter
from itertools import permutations

import pytest

from chalicelib.errors import IllegalMoveError
from chalicelib.games.chance import Chance
from chalicelib.games.mastermind import rules
from chalicelib.games.mastermind.rules import (
    VARIANTS,
    Code,
    Observation,
    State,
    Turn,
    all_codes,
    feedback,
)

CLASSIC = all_codes(4, 6)
SMALL = all_codes(3, 4)


def strike_out(guess: Code, secret: Code) -> tuple[int, int]:
    """The answer as a person finds it: strike out the blacks, then pair the rest."""
    black = [peg for peg in range(len(guess)) if guess[peg] == secret[peg]]
    open_pegs = [secret[peg] for peg in range(len(secret)) if peg not in black]
    white = 0
    for peg, colour in enumerate(guess):
        if peg not in black and colour in open_pegs:
            open_pegs.remove(colour)
            white += 1
    return len(black), white


@pytest.mark.parametrize(
    ("guess", "secret", "answer"),
    [
        ((0, 0, 1, 1), (0, 0, 1, 1), (4, 0)),
        ((0, 0, 1, 1), (1, 1, 0, 0), (0, 4)),
        ((0, 0, 0, 1), (2, 0, 3, 0), (1, 1)),
        ((0, 1, 2, 3), (4, 4, 5, 5), (0, 0)),
        ((0, 0, 0, 0), (0, 1, 1, 0), (2, 0)),
        ((0, 1, 1, 2), (1, 2, 1, 1), (1, 2)),
    ],
)
def test_known_answers(guess: Code, secret: Code, answer: tuple[int, int]) -> None:
    assert feedback(guess, secret) == answer


def test_answers_agree_with_striking_out_on_every_small_pair() -> None:
    for guess in SMALL:
        for secret in SMALL:
            assert feedback(guess, secret) == strike_out(guess, secret)


def test_answers_agree_with_striking_out_on_drawn_classic_pairs() -> None:
    chance = Chance("pairs")
    for _ in range(3000):
        guess, secret = chance.choice(CLASSIC), chance.choice(CLASSIC)
        assert feedback(guess, secret) == strike_out(guess, secret)
        assert feedback(guess, secret) == feedback(secret, guess)


def test_white_pegs_are_what_the_best_order_of_the_guess_would_add() -> None:
    chance = Chance("orders")
    for _ in range(300):
        guess, secret = chance.choice(CLASSIC), chance.choice(CLASSIC)
        black, white = feedback(guess, secret)
        best = max(
            sum(mine == yours for mine, yours in zip(order, secret, strict=True))
            for order in permutations(guess)
        )
        assert black + white == best


def test_there_are_1296_classic_and_64_small_codes_in_ascending_order() -> None:
    assert len(CLASSIC) == 1296
    assert len(SMALL) == 64
    assert list(CLASSIC) == sorted(set(CLASSIC))


def test_a_seed_gives_the_same_secret_for_ever() -> None:
    assert rules.start("classic", "golden").secret == (0, 0, 1, 5)
    assert rules.start("small", "golden").secret == (2, 2, 0)


def test_every_secret_is_about_equally_likely() -> None:
    drawn = Counter(rules.start("small", str(seed)).secret for seed in range(6400))
    assert set(drawn) == set(SMALL)
    assert max(drawn.values()) < 150
    assert min(drawn.values()) > 60


def test_an_unknown_variant_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        rules.start("enormous", "1")


def test_the_game_is_solved_by_the_secret_alone() -> None:
    state = State("classic", "s", (0, 1, 2, 3))
    state = rules.apply(state, (0, 1, 3, 2))
    assert rules.outcome(state) is None
    ended = rules.outcome(rules.apply(state, (0, 1, 2, 3)))
    assert ended is not None
    assert (ended.won, ended.termination, ended.placings) == (True, "solved", (1,))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_limit_ends_it_and_its_last_guess_may_still_win(variant: str) -> None:
    size = VARIANTS[variant]
    secret, other = (0,) * size.pegs, (1,) * size.pegs
    state = State(variant, "s", secret, (other,) * (size.limit - 1))
    assert rules.outcome(state) is None
    lost = rules.outcome(rules.apply(state, other))
    won = rules.outcome(rules.apply(state, secret))
    assert lost is not None
    assert (lost.won, lost.termination) == (False, "limit")
    assert won is not None
    assert (won.won, won.termination) == (True, "solved")


def test_a_repeated_guess_is_allowed() -> None:
    seen = Observation("classic", (Turn((0, 0, 1, 1), 1, 0),))
    rules.check(seen, (0, 0, 1, 1))


@pytest.mark.parametrize(
    "move", [(), (0, 0, 1), (0, 0, 1, 1, 2), (0, 0, 0, 6), (0, 0, 0, -1)]
)
def test_a_guess_that_does_not_fit_is_illegal(move: Code) -> None:
    with pytest.raises(IllegalMoveError):
        rules.check(Observation("classic"), move)


def test_no_guess_is_legal_once_it_is_over() -> None:
    solved = Observation("small", (Turn((0, 0, 0), 3, 0),))
    spent = Observation("small", (Turn((0, 0, 0), 0, 0),) * 8)
    for seen in (solved, spent):
        assert seen.left == 0
        with pytest.raises(IllegalMoveError, match="over"):
            rules.check(seen, (1, 1, 1))


def test_what_is_seen_holds_the_answers_and_never_the_secret() -> None:
    state = State("classic", "s", (0, 1, 2, 3), ((3, 2, 1, 0), (0, 0, 1, 1)))
    assert rules.observe(state) == Observation(
        "classic", (Turn((3, 2, 1, 0), 0, 4), Turn((0, 0, 1, 1), 1, 1))
    )


def test_the_fingerprint_changes_with_every_part_of_the_state() -> None:
    states = [
        State("classic", "s", (0, 1, 2, 3)),
        State("small", "s", (0, 1, 2, 3)),
        State("classic", "t", (0, 1, 2, 3)),
        State("classic", "s", (0, 1, 2, 4)),
        State("classic", "s", (0, 1, 2, 3), ((0, 0, 1, 1),)),
        State("classic", "s", (0, 1, 2, 3), ((0, 0, 1, 1), (0, 0, 1, 1))),
    ]
    prints = {rules.fingerprint(state) for state in states}
    assert len(prints) == len(states)
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in prints)


@pytest.mark.verify
def test_answers_agree_with_striking_out_on_every_classic_pair() -> None:
    for guess in CLASSIC:
        for secret in CLASSIC:
            assert feedback(guess, secret) == strike_out(guess, secret)
