from collections.abc import Sequence
from functools import cache

import pytest

from chalicelib.games.chance import Chance
from chalicelib.games.mastermind.oracle import remaining, space_of
from chalicelib.games.mastermind.rules import (
    Code,
    Observation,
    Turn,
    all_codes,
    feedback,
)
from chalicelib.games.mastermind.search import Search, is_exact

SMALL = all_codes(3, 4)
CLASSIC = all_codes(4, 6)


@cache
def brute_force(codes: frozenset[Code], left: int) -> int:
    """The least total: every guess, no bound; a code that is not found costs one."""
    if left == 0:
        return len(codes)
    if not codes:
        return 0
    pegs = len(next(iter(codes)))
    guesses = SMALL if pegs == 3 else CLASSIC
    return min(brute_guess(guess, codes, left) for guess in guesses)


def brute_guess(guess: Code, codes: frozenset[Code], left: int) -> int:
    """The total of one guess and the best play after it."""
    parts: dict[tuple[int, int], set[Code]] = {}
    for code in codes - {guess}:
        parts.setdefault(feedback(guess, code), set()).add(code)
    return len(codes) + sum(
        brute_force(frozenset(part), left - 1) for part in parts.values()
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("left", [1, 2, 3, 4])
def test_the_search_finds_what_brute_force_finds(size: int, left: int) -> None:
    space = space_of("small")
    chance = Chance("search", size, left)
    for _ in range(3):
        codes = tuple(sorted(chance.sample(space.everything, size)))
        named = frozenset(space.codes[code] for code in codes)
        search = Search(space, codes)
        assert search.least(search.everything, left) == brute_force(named, left)
        guess = chance.below(64)
        answers = space.pattern(guess, codes)
        made = search.total(answers, search.everything, left)
        assert made == brute_guess(space.codes[guess], named, left)


def near_codes(codes: Sequence[Code], middle: Code) -> list[int]:
    """The codes that differ from one on a single peg: few guesses tell them apart."""
    return [
        index
        for index, code in enumerate(codes)
        if feedback(code, middle)[0] == len(middle) - 1
    ]


@pytest.mark.parametrize("middle", [(0, 0, 0), (0, 0, 1), (0, 1, 2)])
@pytest.mark.parametrize("left", [2, 3, 4, 5])
def test_the_search_finds_what_brute_force_finds_in_hard_sets(
    middle: Code, left: int
) -> None:
    space = space_of("small")
    near = near_codes(space.codes, middle)
    chance = Chance("hard", left, *middle)
    for size in (5, 6, 7, 8, 9):
        codes = tuple(sorted(chance.sample(near, size)))
        named = frozenset(space.codes[code] for code in codes)
        search = Search(space, codes)
        assert search.least(search.everything, left) == brute_force(named, left)


@pytest.mark.parametrize("middle", [(0, 0, 0, 0), (0, 0, 1, 1), (0, 1, 2, 3)])
@pytest.mark.parametrize("size", [4, 6])
def test_the_search_finds_what_brute_force_finds_among_1296(
    middle: Code, size: int
) -> None:
    space = space_of("classic")
    near = near_codes(space.codes, middle)
    codes = tuple(sorted(Chance("near", size, *middle).sample(near, size)))
    named = frozenset(space.codes[code] for code in codes)
    search = Search(space, codes)
    assert search.least(search.everything, 4) == brute_force(named, 4)


@pytest.mark.parametrize(("size", "draw"), [(14, 6), (15, 9), (16, 0)])
def test_the_search_finds_what_brute_force_finds_close_to_the_limit(
    size: int, draw: int
) -> None:
    """Sets in which a guess one above the lowest bound is the best."""
    space = space_of("small")
    codes = tuple(sorted(Chance("limit", size, draw).sample(space.everything, size)))
    named = frozenset(space.codes[code] for code in codes)
    search = Search(space, codes)
    assert search.least(search.everything, 3) == brute_force(named, 3)


def test_a_poor_guess_close_to_the_limit_has_the_total_of_brute_force() -> None:
    space = space_of("small")
    codes = space.everything[10:50]
    named = frozenset(space.codes[code] for code in codes)
    search = Search(space, codes)
    for guess in (0, 5, 21, 30, 42, 63):
        answers = space.pattern(guess, codes)
        made = search.total(answers, search.everything, 3)
        assert made == brute_guess(space.codes[guess], named, 3)


@pytest.mark.parametrize("left", [1, 2, 3, 5, 10])
def test_no_guess_has_a_total_below_the_least_and_one_attains_it(left: int) -> None:
    space = space_of("classic")
    seen = Observation("classic", (Turn((0, 0, 1, 1), 1, 0), Turn((0, 2, 3, 4), 1, 1)))
    codes = remaining(seen)
    search = Search(space, codes)
    totals = [
        search.total(space.pattern(guess, codes), search.everything, left)
        for guess in range(0, 1296, 1 if left < 3 else 5)
    ]
    least = search.least(search.everything, left)
    assert least <= min(totals)
    if left < 3:
        assert least == min(totals)


def test_the_last_guess_should_be_able_to_be_right() -> None:
    space = space_of("small")
    search = Search(space, space.everything[:20])
    right = search.total(space.pattern(0, space.everything[:20]), search.everything, 1)
    wrong = search.total(space.pattern(63, space.everything[:20]), search.everything, 1)
    assert (right, wrong) == (39, 40)


def test_the_value_of_the_small_game_is_206_guesses_over_its_64_codes() -> None:
    space = space_of("small")
    search = Search(space, space.everything)
    assert search.least(search.everything, 8) == 206


def test_a_shorter_limit_never_costs_more_than_a_longer_one() -> None:
    """What is not found counts one more than the limit, which then comes sooner."""
    space = space_of("small")
    search = Search(space, space.everything)
    totals = [search.least(search.everything, left) for left in range(9)]
    assert totals == sorted(totals)
    assert totals[:2] == [64, 127]


def test_32_classic_codes_and_the_whole_small_game_are_searched() -> None:
    assert is_exact("classic", tuple(range(32)), 10)
    assert not is_exact("classic", tuple(range(33)), 10)
    assert is_exact("classic", tuple(range(1296)), 2)
    assert is_exact("small", tuple(range(64)), 8)


@pytest.mark.verify
def test_the_search_finds_what_brute_force_finds_on_larger_sets() -> None:
    space = space_of("small")
    chance = Chance("larger")
    for size in (8, 9, 10, 11, 12):
        codes = tuple(sorted(chance.sample(space.everything, size)))
        named = frozenset(space.codes[code] for code in codes)
        search = Search(space, codes)
        assert search.least(search.everything, 5) == brute_force(named, 5)


@pytest.mark.verify
def test_brute_force_finds_the_206_guesses_of_the_small_game_too() -> None:
    space = space_of("small")
    search = Search(space, space.everything)
    assert brute_force(frozenset(SMALL), 4) == 206
    assert search.least(search.everything, 4) == 206
