"""Chance: golden vectors, uniform draws, and what it refuses."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice, permutations
from math import comb

import pytest
from scipy.stats import chisquare

from chalicelib.games.chance import Chance

UNLIKELY = 1e-4
"""Seeds are fixed: a test that passes once passes always."""


def stream(*labels: str | int) -> Iterator[int]:
    """The bytes of a stream, as the docstring of `chance` describes them."""
    head = b""
    for label in labels:
        text = str(label).encode()
        head += len(text).to_bytes(4, "big") + text
    key = sha256(head).digest()
    number = 0
    while True:
        yield from sha256(key + number.to_bytes(8, "big")).digest()
        number += 1


def draw(source: Iterator[int], bound: int) -> int:
    """A number below `bound`, bit by bit."""
    bits = 0
    while 2**bits < bound:
        bits += 1
    while True:
        size = -(-bits // 8)
        text = "".join(f"{byte:08b}" for byte in islice(source, size))
        number = int(text[:bits] or "0", 2)
        if number < bound:
            return number


def test_the_bytes_of_a_stream_never_change() -> None:
    assert Chance("a").take(8).hex() == "4d2a2cb8b9d7b558"
    assert (
        Chance("minesweeper-1", "expert", "00").take(40).hex()
        == "fe0cd0ed425b2d1a8c49c09e2f1e2adc4d9714254b9262b30b0cf4b28fb6e86679dbde8fabc7afe0"
    )
    assert Chance("step", "seed", 7).take(4).hex() == "ec412801"
    assert Chance().take(4).hex() == "5c5d42dc"


def test_the_draws_of_a_stream_never_change() -> None:
    chance = Chance("golden", 1)
    bounds = (2, 6, 6, 6, 10, 100, 255, 256, 257, 1000, 65_536, 65_537, 10**12)
    assert [chance.below(bound) for bound in bounds] == [
        1,
        4,
        0,
        2,
        5,
        33,
        27,
        152,
        219,
        131,
        48483,
        22697,
        305794199920,
    ]
    assert Chance("golden", 2).sample(range(10), 10) == [3, 5, 8, 7, 1, 0, 4, 2, 9, 6]
    assert Chance("golden", 3).sample("abcdefgh", 3) == ["h", "d", "f"]
    assert [Chance("golden", 4, n).choice("xyz") for n in range(8)] == [
        "z",
        "x",
        "z",
        "x",
        "z",
        "y",
        "x",
        "y",
    ]
    assert [Chance("golden", 5, n).chance(1, 3) for n in range(8)] == [
        False,
        True,
        True,
        False,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "labels", [("a",), ("a", "b", 3), ("", "\u00e9\u4e2d", -1), ()]
)
def test_the_stream_is_sha_256_in_counter_mode(labels: tuple[str | int, ...]) -> None:
    expected = bytes(islice(stream(*labels), 200))
    assert Chance(*labels).take(200) == expected
    chance = Chance(*labels)
    pieces = [chance.take(count) for count in (1, 0, 31, 1, 32, 33, 102)]
    assert b"".join(pieces) == expected


@pytest.mark.parametrize(
    "bound", [1, 2, 3, 6, 7, 8, 100, 255, 256, 257, 1000, 65_536, 65_537, 10**9, 2**200]
)
def test_a_draw_takes_the_fewest_bytes_and_the_high_bits(bound: int) -> None:
    chance, source = Chance("draws", bound), stream("draws", bound)
    for _ in range(50):
        assert chance.below(bound) == draw(source, bound)


def test_labels_are_kept_apart() -> None:
    keys = [
        ("a", "bc"),
        ("ab", "c"),
        ("abc",),
        ("a", "b", "c"),
        ("abc", ""),
        ("", "abc"),
    ]
    assert len({Chance(*labels).take(16) for labels in keys}) == len(keys)
    assert Chance("x", 1).take(8) == Chance("x", "1").take(8)


@pytest.mark.parametrize("bound", [2, 3, 5, 6, 7, 10, 37])
def test_draws_are_uniform(bound: int) -> None:
    chance = Chance("uniform", bound)
    counts = Counter(chance.below(bound) for _ in range(400 * bound))
    assert set(counts) == set(range(bound))
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


def test_every_ordered_selection_is_equally_likely() -> None:
    chance = Chance("selections")
    counts = Counter(tuple(chance.sample(range(5), 3)) for _ in range(6_000))
    assert set(counts) == set(permutations(range(5), 3))
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


def test_every_subset_is_equally_likely() -> None:
    chance = Chance("subsets")
    counts = Counter(frozenset(chance.sample(range(7), 3)) for _ in range(7_000))
    assert len(counts) == comb(7, 3)
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


def test_a_chance_comes_as_often_as_it_says() -> None:
    chance = Chance("one in twenty")
    hits = sum(chance.chance(1, 20) for _ in range(20_000))
    # Mean 1,000, standard deviation 30.8.
    assert abs(hits - 1_000) < 4 * 30.8


def test_certain_and_impossible_are_exact() -> None:
    chance = Chance("ends")
    assert not any(chance.chance(0, 3) for _ in range(100))
    assert all(chance.chance(3, 3) for _ in range(100))
    assert {chance.below(1) for _ in range(100)} == {0}


def test_a_sample_leaves_what_it_is_drawn_from_as_it_was() -> None:
    items = [1, 2, 3, 4]
    assert sorted(Chance("all").sample(items, 4)) == items == [1, 2, 3, 4]
    assert Chance("none").sample(items, 0) == []
    assert Chance("of none").sample([], 0) == []


@pytest.mark.parametrize("bound", [0, -1, -(10**9)])
def test_nothing_is_below_nothing(bound: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Chance("x").below(bound)


def test_nothing_is_chosen_from_nothing() -> None:
    with pytest.raises(ValueError, match="positive"):
        Chance("x").choice([])


@pytest.mark.parametrize("count", [-1, 5])
def test_no_more_is_drawn_than_there_is(count: int) -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        Chance("x").sample([1, 2, 3, 4], count)
