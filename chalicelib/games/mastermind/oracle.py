"""The oracle: which codes remain, and how a guess divides them.

A code is named by its index in `all_codes`, a set of codes by an ascending tuple
of indices. An answer is one byte, 8 x (black + white) + black. The answers of one
guess to every code are a row of such bytes, made when first needed: the rows are
summed as long integers with one byte for each code, so that a row takes
microseconds, the whole table of the classic game (1.7 MB) a few milliseconds, and
importing this module nothing.

How evenly a guess divides n codes is its weight, the integer product of c ** c
over its parts c. Its expected information is log2(n) - log2(weight) / n bits, so
guesses compare, and tie, exactly.
"""

from collections.abc import Iterable
from functools import lru_cache
from math import log2, prod
from operator import getitem, itemgetter
from typing import Final

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.mastermind.rules import VARIANTS, Observation, all_codes

Indices = tuple[int, ...]

PLACES: Final = 9
"""Decimals of a number of bits, so that every machine writes the same one."""


class Space:
    """All codes of one size, and the answers between them."""

    def __init__(self, pegs: int, colours: int) -> None:
        self.codes = all_codes(pegs, colours)
        self.index = {code: index for index, code in enumerate(self.codes)}
        self.everything: Indices = tuple(range(len(self.codes)))
        self.solved = encode(pegs, 0)
        self._rows: dict[int, bytes] = {}
        self._black = [
            [
                self._pack(code[peg] == colour for code in self.codes)
                for colour in range(colours)
            ]
            for peg in range(pegs)
        ]
        self._common = [
            [
                self._pack(8 * min(count, code.count(colour)) for code in self.codes)
                for count in range(pegs + 1)
            ]
            for colour in range(colours)
        ]

    def _pack(self, numbers: Iterable[int]) -> int:
        """One byte for each code, as one long integer."""
        return int.from_bytes(bytes(numbers), "big")

    def row(self, guess: int) -> bytes:
        """The answer of a guess to every code."""
        known = self._rows.get(guess)
        if known is None:
            code = self.codes[guess]
            blacks = sum(map(getitem, self._black, code))
            commons = (self._common[colour][code.count(colour)] for colour in set(code))
            known = sum(commons, blacks).to_bytes(len(self.codes), "big")
            self._rows[guess] = known
        return known

    def pattern(self, guess: int, codes: Indices) -> bytes:
        """The answer of a guess to each of the codes."""
        row = self.row(guess)
        if len(codes) == len(row):
            return row
        if len(codes) == 1:
            return bytes((row[codes[0]],))
        return bytes(itemgetter(*codes)(row))

    def sizes(self, guess: int, codes: Indices) -> list[int]:
        """How many of the codes give each answer that occurs, in no useful order."""
        pattern = self.pattern(guess, codes)
        return [pattern.count(answer) for answer in set(pattern)]


def encode(black: int, white: int) -> int:
    """An answer as one byte."""
    return 8 * (black + white) + black


@lru_cache(maxsize=8)
def space_of(variant: str) -> Space:
    """The codes of a variant."""
    rules = VARIANTS[variant]
    return Space(rules.pegs, len(rules.colours))


@lru_cache(maxsize=512)
def remaining(observation: Observation) -> Indices:
    """The codes that agree with every answer; InconsistentBoardError when none does."""
    space = space_of(observation.variant)
    codes = space.everything
    for turn in observation.turns:
        answer = encode(turn.black, turn.white)
        pattern = space.pattern(space.index[turn.guess], codes)
        codes = tuple(
            code for code, given in zip(codes, pattern, strict=True) if given == answer
        )
    if not codes:
        raise InconsistentBoardError("No code agrees with all the answers.")
    return codes


@lru_cache(maxsize=4096)
def weigh(sizes: Indices) -> int:
    """The weight of a division into parts of these sizes."""
    return prod(size**size for size in sizes)


def weight(space: Space, guess: int, codes: Indices) -> int:
    """How unevenly a guess divides the codes; 1 when it tells them all apart."""
    return weigh(tuple(sorted(space.sizes(guess, codes))))


def bits(total: int, weight: int) -> float:
    """The expected information of a guess of this weight among `total` codes."""
    return round(log2(total) - log2(weight) / total, PLACES)


@lru_cache(maxsize=2048)
def most_informative(variant: str, codes: Indices) -> tuple[int, int]:
    """The guess of least weight, and that weight.

    Among equals a code that can still be right comes first, then the lowest code.
    """
    space = space_of(variant)
    can_be_right = set(codes)
    least, _, guess = min(
        (weight(space, guess, codes), guess not in can_be_right, guess)
        for guess in space.everything
    )
    return guess, least


@lru_cache(maxsize=2048)
def least_surprising(variant: str, codes: Indices) -> int:
    """The guess whose largest part is smallest, with the same order among equals."""
    space = space_of(variant)
    can_be_right = set(codes)
    return min(
        (max(space.sizes(guess, codes)), guess not in can_be_right, guess)
        for guess in space.everything
    )[2]
