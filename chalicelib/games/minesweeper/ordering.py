"""In which order to decide the boxes of a component.

The order alone decides how wide the layers of the elimination become, and looking
for a good one can cost more than it saves. So there are three tiers, each tried only
when the one before has led to a layer that is too wide: the order in which a flood
met the boxes (free, and all that the chains of real play need), a beam search, and
the best of several. Only boards that no sensible play leads to, numbers opened in
isolation, get past the first.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chalicelib.games.minesweeper.frontier import Shape

WIDTHS = (256, 2_000)  # the widest layer that the first and the second tier accept
STARTS = 4
KEPT = 12  # partial orders kept by the beam
TRIED = 4  # continuations tried of each
# 16 * log2 of how many values the want of an open number can take.
BITS = (0, 16, 25, 32, 37)


def orders(shape: Shape) -> Iterator[tuple[list[int], int | None]]:
    """Orders to try, each with the widest layer to accept; the last has no limit."""
    yield list(range(len(shape[1]))), WIDTHS[0]
    linked = links(shape)
    starts = range(0, len(linked), len(linked) // STARTS or 1)
    first = beam(shape, linked, starts)
    yield first.order(), WIDTHS[1]
    yield min(first, *(beam(shape, linked, [n]) for n in starts)).order(), None


def links(shape: Shape) -> list[list[int]]:
    """Number -> its boxes."""
    wants, boxes = shape
    linked: list[list[int]] = [[] for _ in wants]
    for box, (_, numbers) in enumerate(boxes):
        for n in numbers:
            linked[n].append(box)
    return linked


class Partial(NamedTuple):
    """The beginning of an order; comparing two compares the work so far."""

    work: int  # states to expect in all layers so far
    bits: int  # 16 * log2 of the states to expect in the present layer
    done: int  # boxes decided, as a mask
    near: int  # boxes that touch an open number, as a mask
    left: tuple[int, ...]  # per number, the cells not yet decided
    path: tuple[int, ...]

    def order(self) -> list[int]:
        return list(self.path)


def beam(shape: Shape, linked: list[list[int]], starts: Iterable[int]) -> Partial:
    """Grow orders box by box, keeping the few that expect the least work."""
    boxes = shape[1]
    sizes = tuple(sum(boxes[box][0] for box in ours) for ours in linked)
    masks = [sum(1 << box for box in ours) for ours in linked]
    kept = [Partial(0, 0, 0, masks[start], sizes, ()) for start in starts]
    for _ in boxes:
        best: dict[int, tuple[int, int, int, Partial]] = {}
        for partial in kept:
            for bits, box in continuations(shape, sizes, partial):
                work = partial.work + (1 << bits // 16)
                done = partial.done | 1 << box
                if done not in best or work < best[done][0]:
                    best[done] = (work, bits, box, partial)
        # The present layer weighs more than the past: it is what has to be carried on.
        ranked = sorted(best.values(), key=lambda b: b[0] + (4 << b[1] // 16))
        kept = [grow(shape, masks, *choice) for choice in ranked[:KEPT]]
    return min(kept)


def continuations(
    shape: Shape, sizes: tuple[int, ...], partial: Partial
) -> list[tuple[int, int]]:
    """The next boxes that promise the narrowest layer, with its bits."""
    wants, boxes = shape
    near, left = partial.near, partial.left
    found = []
    while near:
        box = near.bit_length() - 1
        near ^= 1 << box
        size, numbers = boxes[box]
        bits = partial.bits
        for n in numbers:
            want, whole, now = wants[n], sizes[n], left[n]
            free, then = whole - want, now - size
            bits += BITS[min(want, free, then, whole - then)]
            bits -= BITS[min(want, free, now, whole - now)]
        found.append((bits, box))
    found.sort()
    return found[:TRIED]


def grow(
    shape: Shape, masks: list[int], work: int, bits: int, box: int, partial: Partial
) -> Partial:
    size, numbers = shape[1][box]
    done = partial.done | 1 << box
    near = partial.near
    left = list(partial.left)
    for n in numbers:
        left[n] -= size
        near |= masks[n]
    return Partial(work, bits, done, near & ~done, tuple(left), (*partial.path, box))
