import subprocess
import sys
from math import log2

import pytest

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.chance import Chance
from chalicelib.games.mastermind.oracle import (
    bits,
    encode,
    least_surprising,
    most_informative,
    remaining,
    space_of,
    weigh,
    weight,
)
from chalicelib.games.mastermind.rules import (
    VARIANTS,
    Code,
    Observation,
    Turn,
    feedback,
)

CLASSIC = space_of("classic")


def draw_observation(variant: str, chance: Chance, turns: int) -> Observation:
    """Answers to drawn guesses, with a drawn secret."""
    codes = space_of(variant).codes
    secret = chance.choice(codes)
    guesses = [chance.choice(codes) for _ in range(turns)]
    answered = (Turn(guess, *feedback(guess, secret)) for guess in guesses)
    return Observation(variant, tuple(answered))


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_hold_the_answers_to_every_code(variant: str) -> None:
    space = space_of(variant)
    chance = Chance("rows")
    for _ in range(40):
        guess = chance.below(len(space.codes))
        expected = [encode(*feedback(space.codes[guess], code)) for code in space.codes]
        assert list(space.row(guess)) == expected


def test_different_answers_have_different_bytes() -> None:
    answers = [(black, white) for black in range(5) for white in range(5 - black)]
    assert len({encode(*answer) for answer in answers}) == len(answers)


@pytest.mark.parametrize("variant", VARIANTS)
def test_remaining_codes_are_those_that_explain_every_answer(variant: str) -> None:
    chance = Chance("remaining", variant)
    codes = space_of(variant).codes
    for turns in (0, 1, 1, 2, 2, 3, 4, 5):
        seen = draw_observation(variant, chance, turns)
        expected = tuple(
            index
            for index, code in enumerate(codes)
            if all(
                feedback(turn.guess, code) == (turn.black, turn.white)
                for turn in seen.turns
            )
        )
        assert remaining(seen) == expected


def test_answers_that_no_code_explains_are_refused() -> None:
    contradiction = (Turn((0, 0, 1, 1), 0, 0), Turn((0, 0, 1, 1), 1, 0))
    with pytest.raises(InconsistentBoardError):
        remaining(Observation("classic", contradiction))


@pytest.mark.parametrize(
    ("guess", "largest"),
    [
        ((0, 0, 0, 0), 625),
        ((0, 0, 0, 1), 317),
        ((0, 0, 1, 1), 256),
        ((0, 0, 1, 2), 276),
        ((0, 1, 2, 3), 312),
    ],
)
def test_the_largest_part_of_each_first_guess(guess: Code, largest: int) -> None:
    """Knuth 1976-77, page 3: only 1122 leaves at most 256 codes."""
    sizes = CLASSIC.sizes(CLASSIC.index[guess], CLASSIC.everything)
    assert max(sizes) == largest
    assert sum(sizes) == 1296


def test_the_first_guess_of_most_information_has_four_colours() -> None:
    guess, least = most_informative("classic", CLASSIC.everything)
    assert CLASSIC.codes[guess] == (0, 1, 2, 3)
    assert bits(1296, least) == pytest.approx(3.0567, abs=5e-5)


def test_the_first_guess_of_minimax_is_two_pairs() -> None:
    guess = least_surprising("classic", CLASSIC.everything)
    assert CLASSIC.codes[guess] == (0, 0, 1, 1)


def test_bits_are_the_entropy_of_the_answers() -> None:
    chance = Chance("entropy")
    for turns in (0, 1, 2, 2, 3):
        codes = remaining(draw_observation("classic", chance, turns))
        guess = chance.below(1296)
        shares = [size / len(codes) for size in CLASSIC.sizes(guess, codes)]
        entropy = -sum(share * log2(share) for share in shares)
        made = bits(len(codes), weight(CLASSIC, guess, codes))
        assert made == pytest.approx(entropy, abs=1e-8)


def test_divisions_of_equal_information_weigh_exactly_the_same() -> None:
    assert weigh((1, 1, 1, 1, 4)) == weigh((2, 2, 2, 2))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_most_informative_guess_is_the_first_of_the_best(turns: int) -> None:
    codes = remaining(draw_observation("classic", Chance("best", turns), turns))
    guess, least = most_informative("classic", codes)
    weights = [weight(CLASSIC, other, codes) for other in range(1296)]
    best = [other for other in range(1296) if weights[other] == min(weights)]
    right = [other for other in best if other in codes]
    assert weights[guess] == least == min(weights)
    assert guess == (right or best)[0]


def test_importing_the_game_builds_no_table() -> None:
    program = (
        "import chalicelib.games.mastermind.game\n"
        "from chalicelib.games.mastermind.oracle import space_of\n"
        "from chalicelib.games.mastermind.rules import all_codes\n"
        "print(space_of.cache_info().currsize, all_codes.cache_info().currsize)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["0", "0"]
