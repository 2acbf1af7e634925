"""Chance: the one source of randomness, the same on every machine and version.

A stream is SHA-256 in counter mode: block i is SHA-256(key || i), i as eight
bytes, most significant first; the blocks in order are the stream. A draw below n
takes the fewest whole bytes that hold n - 1, drops the surplus low bits, and
draws again while the number is not below n, so it is exactly uniform.
The key is SHA-256 of the labels, each preceded by its length in four bytes, so
that ("a", "bc") and ("ab", "c") are different streams.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of uniform draws that depends on its labels alone."""

    __slots__ = ("_block", "_counter", "_key", "_used")

    def __init__(self, *labels: str | int) -> None:
        parts = [str(label).encode() for label in labels]
        self._key = sha256(
            b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        ).digest()
        self._counter = 0
        self._block = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes of the stream."""
        while len(self._block) - self._used < count:
            block = sha256(self._key + self._counter.to_bytes(8, "big")).digest()
            self._block = self._block[self._used :] + block
            self._used = 0
            self._counter += 1
        start = self._used
        self._used += count
        return self._block[start : self._used]

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound); ValueError when bound is not positive."""
        if bound <= 0:
            raise ValueError(f"bound must be positive, not {bound}")
        bits = (bound - 1).bit_length()
        size = (bits + 7) // 8
        surplus = 8 * size - bits
        while True:
            number = int.from_bytes(self.take(size), "big") >> surplus
            if number < bound:
                return number

    def choice(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, every ordered selection equally likely."""
        pool = list(items)
        if not 0 <= count <= len(pool):
            raise ValueError(f"cannot draw {count} of {len(pool)}")
        for place in range(count):
            other = place + self.below(len(pool) - place)
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:count]

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with probability numerator / denominator, exactly."""
        return self.below(denominator) < numerator
