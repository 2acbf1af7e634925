"""In which order to decide the boxes of a component.

The order alone decides how wide the layers of the elimination become, and looking
for a good one can cost more than it saves. So there are three tiers, each tried only
when the one before has led to a layer that is too wide:
a double sweep (a flood from the far end, what a chain of numbers needs), a greedy
order, and a beam search that also serves boards no sensible play leads to.
"""

from collections.abc import Iterator

from chalicelib.games.minesweeper.frontier import Shape

# 16 * log2 of how many values the want of an open number can take.
SPREAD = (0, 16, 25, 32, 37)
STARTS = 6
BEAM = 12


def sweep(shape: Shape) -> list[int]:
    """Flood from the number met last in a flood: one end of the component."""
    wants, boxes = shape
    linked: list[list[int]] = [[] for _ in wants]
    for box, (_, numbers) in enumerate(boxes):
        for n in numbers:
            linked[n].append(box)
    # The component is stored in flood order: its last number is a far one.
    queue = [len(wants) - 1]
    met = [False] * len(wants)
    met[-1] = True
    fresh = [True] * len(boxes)
    order = []
    for number in queue:
        for box in linked[number]:
            if fresh[box]:
                fresh[box] = False
                order.append(box)
                for n in boxes[box][1]:
                    if not met[n]:
                        met[n] = True
                        queue.append(n)
    return order


def orders(shape: Shape) -> Iterator[tuple[list[int], int]]:
    """Orders to try, each with the widest layer to accept."""
    yield sweep(shape), 10**9
