"""From what propagation leaves open to independent counting problems.

Unknown cells that touch the same numbers are interchangeable: they form a *box* and
only the number of mines in it matters. Numbers linked by boxes form a *component*;
components know of each other only through the total number of mines.
"""

from itertools import compress
from typing import NamedTuple

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.minesweeper.propagation import Deduction, Grid

Shape = tuple[tuple[int, ...], tuple[tuple[int, tuple[int, ...]], ...]]


class Component(NamedTuple):
    """Linked numbers and their boxes.

    `shape` is all that counting needs and the same wherever the component lies:
    the mines each number still wants, and per box its size and its numbers.
    """

    shape: Shape
    boxes: tuple[list[int], ...]  # per box its cells, as byte indices


def components(layout: Grid, found: Deduction) -> list[Component]:
    """The independent problems; the boxes of each in flood order."""
    wants, groups = group(layout, found)
    boxes = list(groups.items())
    linked: list[list[int]] = [[] for _ in wants]  # number -> its boxes
    for box, (numbers, _) in enumerate(boxes):
        for number in numbers:
            linked[number].append(box)
    rank = [-1] * len(wants)
    fresh = [True] * len(boxes)
    return [
        flood(start, boxes, linked, rank, fresh, wants)
        for start in range(len(wants))
        if rank[start] < 0
    ]


def group(
    layout: Grid, found: Deduction
) -> tuple[list[int], dict[tuple[int, ...], list[int]]]:
    """The mines each live number wants, and the boxes: numbers touched -> cells.

    A number that sees the same unknown cells as an earlier one adds nothing.
    """
    around = layout.plane(layout.around(found.unknown) & 0xFF * found.live)
    rest = layout.plane(found.rest)
    offsets = layout.offsets
    wants: list[int] = []
    touch: dict[int, tuple[int, ...]] = {}
    known: dict[tuple[int, ...], int] = {}
    for index in compress(range(layout.length), layout.plane(found.live)):
        want = rest[index]
        seen = tuple([index + o for o in offsets[around[index]]])
        if seen in known:
            if known[seen] != want:
                raise InconsistentBoardError("two numbers contradict each other")
            continue
        known[seen] = want
        number = (len(wants),)
        wants.append(want)
        for cell in seen:
            touch[cell] = touch[cell] + number if cell in touch else number
    groups: dict[tuple[int, ...], list[int]] = {}
    for cell, numbers in touch.items():
        if numbers in groups:
            groups[numbers].append(cell)
        else:
            groups[numbers] = [cell]
    return wants, groups


def flood(
    start: int,
    boxes: list[tuple[tuple[int, ...], list[int]]],
    linked: list[list[int]],
    rank: list[int],
    fresh: list[bool],
    wants: list[int],
) -> Component:
    """Collect one component, numbering its numbers in the order they are met."""
    queue = [start]
    rank[start] = 0
    shape = []
    members = []
    for number in queue:
        for box in linked[number]:
            if fresh[box]:
                fresh[box] = False
                numbers, cells = boxes[box]
                for other in numbers:
                    if rank[other] < 0:
                        rank[other] = len(queue)
                        queue.append(other)
                shape.append((len(cells), tuple([rank[n] for n in numbers])))
                members.append(cells)
    return Component((tuple([wants[n] for n in queue]), tuple(shape)), tuple(members))
