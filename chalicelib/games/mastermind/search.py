"""The exact search: the fewest further guesses, summed over the remaining codes.

The total of a strategy counts, for every remaining code, the guesses up to and
including the right one. A code that is not found within the guesses that are left
counts one more than those, just as a lost episode is scored as limit + 1: so the
total honours the limit, and on the last guess a code that can be right beats one
that only informs. Every guess is considered, not only those that can be right.

Three bounds keep it short. Of s codes the next guess finds at most one and the
others need two or more: no set costs less than 2s - 1 (with two guesses left, the
sum of this over the parts of a guess is its value). Only a guess that can be right
and tells all codes apart attains that; otherwise a set costs at least 2s, and any
guess that attains 2s ends the search of that set.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from math import inf
from operator import itemgetter
from typing import Final

from chalicelib.games.mastermind.oracle import Indices, Space, space_of

MOST_ANSWERS: Final = 32 * 1296
"""The largest table (all codes x remaining codes) that is searched. In the classic
game that is 32 remaining codes, in the small one everything. A search of that size
takes about 5 ms, one in a hundred 20 ms, the worst of 15,000 positions 160 ms."""

Answers = Sequence[int]
"""What a guess is to the search: its answers to the codes of a set, in order."""


def is_exact(variant: str, codes: Indices, left: int) -> bool:
    """Whether few enough codes, or guesses, remain to be searched."""
    return left <= 2 or len(codes) * len(space_of(variant).codes) <= MOST_ANSWERS


@lru_cache(maxsize=32)
def search_of(variant: str, codes: Indices) -> "Search":
    """The search below these codes, kept while it may be asked again."""
    return Search(space_of(variant), codes)


class Search:
    """The search below one set of codes, renamed 0, 1, 2 ... within it."""

    def __init__(self, space: Space, codes: Indices) -> None:
        self.everything: Indices = tuple(range(len(codes)))
        self._solved = space.solved
        self._own = [space.pattern(code, codes) for code in codes]
        guesses = (space.pattern(guess, codes) for guess in space.everything)
        self._all = list(dict.fromkeys(guesses))
        self._known: dict[tuple[Indices, int], tuple[int, int]] = {}

    def least(self, part: Indices, left: int) -> int:
        """The total of the best play on a set of codes with `left` guesses."""
        low, high = self._bounds(part, left)
        if low < high:
            left = min(left, len(part))
            guesses = set(map(itemgetter(*part), self._all))
            high = self._cheapest(guesses, part, left, high)
            self._known[part, left] = high, high
        return high

    def total(self, guess: Answers, part: Indices, left: int, best: float = inf) -> int:
        """The total of a guess, or a number >= `best` when it is not below that.

        A `best` needs two guesses or more: with one, parts fall short of the bound.
        """
        parts: dict[int, list[int]] = {}
        for answer, code in zip(guess, part, strict=True):
            parts.setdefault(answer, []).append(code)
        found = parts.pop(self._solved, [])
        total = 3 * len(part) - 2 * len(found) - len(parts)
        unsettled = []
        for some in map(tuple, sorted(parts.values(), key=len)):
            if total >= best:
                return total
            low, high = self._bounds(some, left - 1)
            total += low - 2 * len(some) + 1
            if low < high:
                unsettled.append((some, low))
        for some, low in unsettled:
            if total >= best:
                break
            total += self.least(some, left - 1) - low
        return total

    def _bounds(self, part: Indices, left: int) -> tuple[int, int]:
        """Totals that the best play is not below and not above, equal once known.

        The upper one is the best play that starts with a guess that can be right.
        More guesses than codes are never needed, so they do not tell sets apart.
        """
        size = len(part)
        if left <= 1 or size <= 2:
            simple = 2 * size - 1 if left else size
            return simple, simple
        key = part, min(left, size)
        if key not in self._known:
            guesses = set(map(itemgetter(*part), (self._own[code] for code in part)))
            high = self._cheapest(guesses, part, key[1], size * (size + 1))
            self._known[key] = min(high, 2 * size), high
        return self._known[key]

    def _cheapest(
        self, guesses: Collection[Answers], part: Indices, left: int, best: int
    ) -> int:
        """The least total of these guesses, or `best` if none is less."""
        enough = 3 * len(part) - best
        counts = map(len, map(set, guesses))
        ordered = sorted(
            (
                (count, guess)
                for count, guess in zip(counts, guesses, strict=True)
                if count >= enough
            ),
            reverse=True,
        )
        for count, guess in ordered:
            if 3 * len(part) - count - 1 >= best:
                break
            best = min(best, self.total(guess, part, left, best))
        return best
