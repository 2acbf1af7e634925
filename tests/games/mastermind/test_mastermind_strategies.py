import pytest

from chalicelib.games.chance import Chance
from chalicelib.games.mastermind.oracle import space_of
from chalicelib.games.mastermind.rules import Observation, Turn, feedback
from chalicelib.games.mastermind.strategies import (
    Strategy,
    count_guesses,
    play_entropy,
    play_minimax,
)

CHANCE = Chance("unused")


def test_entropy_needs_5722_guesses_for_the_1296_codes() -> None:
    """Mean 4.415: E. Neuwirth, Some strategies for Mastermind, 1982.

    His count is of this tie-break: codes that can still be right first, then the
    lowest. Others among the equally informative guesses give other sums.
    """
    counts = count_guesses("classic", play_entropy)
    assert counts == {1: 1, 2: 4, 3: 71, 4: 612, 5: 596, 6: 12}
    assert sum(guesses * codes for guesses, codes in counts.items()) == 5722


def test_minimax_needs_5801_guesses_for_the_1296_codes_and_never_six() -> None:
    """Mean 4.476, at most 5: D. E. Knuth, The computer as Master Mind, 1976-77."""
    counts = count_guesses("classic", play_minimax)
    assert counts == {1: 1, 2: 6, 3: 62, 4: 533, 5: 694}
    assert sum(guesses * codes for guesses, codes in counts.items()) == 5801


def test_counting_by_answers_is_the_same_as_playing_every_code() -> None:
    codes = space_of("small").codes
    played = []
    for secret in codes:
        seen = Observation("small")
        while seen.left:
            guess = play_entropy(seen, CHANCE)
            turn = Turn(guess, *feedback(guess, secret))
            seen = Observation("small", (*seen.turns, turn))
        played.append(len(seen.turns))
    counts = count_guesses("small", play_entropy)
    assert {guesses: played.count(guesses) for guesses in set(played)} == counts


def test_a_player_that_never_learns_loses_all_codes_but_one() -> None:
    counts = count_guesses("small", lambda observation, chance: (0, 0, 0))
    assert counts == {1: 1, 9: 63}


def test_knuths_example_is_played_as_he_printed_it() -> None:
    """Knuth 1976-77: after 1122 with one black he plays 1344, then 3526, then 1462."""
    turns: tuple[Turn, ...] = ()
    for guess, black, white in [
        ((0, 0, 1, 1), 1, 0),
        ((0, 2, 3, 3), 0, 1),
        ((2, 4, 1, 5), 1, 2),
    ]:
        assert play_minimax(Observation("classic", turns), CHANCE) == guess
        turns = (*turns, Turn(guess, black, white))
    assert play_minimax(Observation("classic", turns), CHANCE) == (0, 3, 5, 1)


@pytest.mark.parametrize("strategy", [play_entropy, play_minimax])
def test_the_only_code_left_is_played(strategy: Strategy) -> None:
    answers = (Turn((0, 0, 1), 0, 0), Turn((2, 2, 2), 2, 0), Turn((3, 2, 0), 2, 0))
    assert strategy(Observation("small", answers), CHANCE) == (3, 2, 2)
