"""Counting the layouts of one component by bucket elimination.

Boxes are decided one after the other. Layouts that leave every number with the same
want share their future, so a layer of the sum is a table from *state* (what each open
number still wants) to a polynomial in the number of mines used so far. The width of
the table is bounded by the numbers open at once: polynomial for bounded pathwidth
(Dechter's bucket elimination; Golan, "Minesweeper on graphs"), where enumeration
doubles with each box.

Two packings make it fast in plain Python, both exact:
* a polynomial is one integer (Kronecker substitution): coefficient m sits at bit
  m * width, so placing k mines in a box is a shift by k * width and a multiplication
  by C(size, k);
* a state is one integer with ten bits per open number: five for the mines it still
  wants, five for the cells it can still leave free. The top bit of each five stays
  set as long as the value is not negative, so both limits are one mask test.
"""

from collections.abc import Callable, Iterable, Sequence
from math import comb
from typing import NamedTuple

from chalicelib.errors import InconsistentBoardError
from chalicelib.games.minesweeper.frontier import Shape
from chalicelib.games.minesweeper.ordering import orders

FIELD = 10  # bits of state per number
ROOM = 5  # bits of the first half: the mines still wanted
GUARDS = 1 << 4 | 1 << 9

Draw = Callable[[int], int]  # draw(n): a uniform integer in [0, n)
Layer = dict[int, int]


class Step(NamedTuple):
    """Deciding one box: how a state changes, and what must hold afterwards."""

    box: int
    size: int
    base: int  # added to the state for a box without mines
    stride: int  # added once more for each mine
    guard: int
    opens: int  # a number this box is the first of, or -1


class Counts(NamedTuple):
    """The layouts of a component by their number of mines, `low` or more."""

    low: int
    total: list[int]
    mined: list[list[int]]  # per box: layouts in which one given cell of it is a mine


class TooWideError(Exception):
    """A layer has outgrown its limit: try another order."""


def plan(shape: Shape, order: Sequence[int]) -> tuple[int, list[Step]]:
    """The first state and the steps; fields of met numbers are used again."""
    wants, boxes = shape
    left = [0] * len(wants)
    for size, numbers in boxes:
        for n in numbers:
            left[n] += size
    field = [-1] * len(wants)
    free: list[int] = []
    width = 0
    steps = []
    for box in order:
        size, numbers = boxes[box]
        mine = base = 0
        opens = -1
        closed = []
        for n in numbers:
            if field[n] < 0:
                opens = n
                if not free:
                    free.append(width)
                    width += FIELD
                field[n] = free.pop()
                base += wants[n] + (left[n] - wants[n] << ROOM) << field[n]
            mine |= 1 << field[n]
            left[n] -= size
            if not left[n]:
                closed.append(field[n])
        free += closed
        safe = mine << ROOM
        steps.append(
            Step(box, size, base - size * safe, safe - mine, mine * GUARDS, opens)
        )
    return sum(GUARDS << f for f in range(0, width, FIELD)), steps


def forward(
    start: int, steps: Sequence[Step], width: int, limit: int | None
) -> list[Layer]:
    """The layers before each step, and the last one."""
    layer = {start: 1}
    layers = [layer]
    for step in steps:
        ahead = ahead_one if step.size == 1 else ahead_many
        layer = ahead(layer, step, width)
        if limit and len(layer) > limit:
            raise TooWideError
        layers.append(layer)
    if not layer:
        raise InconsistentBoardError("no layout agrees with the numbers")
    return layers


def ahead_one(layer: Layer, step: Step, width: int) -> Layer:
    """The next layer, by a box of one cell."""
    after: Layer = {}
    get = after.get
    base, other, guard = step.base, step.base + step.stride, step.guard
    for state, many in layer.items():
        to = state + base
        if to & guard == guard:
            after[to] = get(to, 0) + many
        to = state + other
        if to & guard == guard:
            after[to] = get(to, 0) + (many << width)
    return after


def ahead_many(layer: Layer, step: Step, width: int) -> Layer:
    """The next layer, by a box of several cells."""
    after: Layer = {}
    get = after.get
    _, size, base, stride, guard, _ = step
    ways = [(k * width, comb(size, k)) for k in range(size + 1)]
    for state, many in layer.items():
        to = state + base
        for shift, way in ways:
            if to & guard == guard:
                after[to] = get(to, 0) + (many << shift) * way
            to += stride
    return after


def backward(
    layers: Sequence[Layer], steps: Sequence[Step], width: int, shape: Shape
) -> list[int]:
    """Per box, the mines in it summed over all layouts, as a polynomial.

    The layouts through a state are those that lead to it times those that lead on.
    The first box of a number needs no such product: the mines of a number's boxes
    add up to what it wants in every layout, and its other boxes are already known.
    """
    wants, boxes = shape
    (total,) = layers[-1].values()
    missing = [want * total for want in wants]
    mined = [0] * len(boxes)
    after = dict.fromkeys(layers[-1], 1)
    unsure = sum(step.opens < 0 for step in steps)
    for layer, step in zip(reversed(layers[:-1]), reversed(steps), strict=True):
        mines = 0
        if unsure:
            back = back_one if step.size == 1 else back_many
            after, mines = back(layer, after, step, width)
        if step.opens < 0:
            unsure -= 1
        else:
            mines = missing[step.opens]
        mined[step.box] = mines
        for number in boxes[step.box][1]:
            missing[number] -= mines
    return mined


def back_one(layer: Layer, after: Layer, step: Step, width: int) -> tuple[Layer, int]:
    """The layouts that lead on from each state, and the mines of a box of one cell."""
    before: Layer = {}
    mines = 0
    get = after.get
    base, other, tally = step.base, step.base + step.stride, step.opens < 0
    for state, many in layer.items():
        on = get(state + base, 0)
        hit = get(state + other)
        if hit:
            hit <<= width
            on += hit
            if tally:
                mines += many * hit
        if on:
            before[state] = on
    return before, mines


def back_many(layer: Layer, after: Layer, step: Step, width: int) -> tuple[Layer, int]:
    """As `back_one`, for a box of several cells."""
    before: Layer = {}
    mines = 0
    get = after.get
    size, stride = step.size, step.stride
    ways = [(k, k * width, comb(size, k)) for k in range(size + 1)]
    for state, many in layer.items():
        to = state + step.base
        on = hits = 0
        for k, shift, way in ways:
            ahead = get(to)
            if ahead:
                ahead = (ahead << shift) * way
                on += ahead
                hits += k * ahead
            to += stride
        if on:
            before[state] = on
            if hits and step.opens < 0:
                mines += many * hits
    return before, mines


def tally(shape: Shape, kept: "Table") -> Counts:
    """Read the counts off the layers."""
    width, steps, layers = kept
    (total,) = layers[-1].values()
    low = ((total & -total).bit_length() - 1) // width
    shifts = range(low * width, total.bit_length(), width)
    mask = (1 << width) - 1
    return Counts(
        low,
        [total >> at & mask for at in shifts],
        [
            [(mines >> at & mask) // size for at in shifts]
            for mines, (size, _) in zip(
                backward(layers, steps, width, shape), shape[1], strict=True
            )
        ],
    )


def choose(weights: Iterable[int], draw: Draw) -> int:
    """An index, drawn with these weights."""
    weights = list(weights)
    at = draw(sum(weights))
    for index, weight in enumerate(weights):
        at -= weight
        if at < 0:
            return index
    raise ValueError("draw(n) must stay below n")


class Table(NamedTuple):
    """The kept layers of one component, for drawing layouts of it."""

    width: int
    steps: list[Step]
    layers: list[Layer]

    def sample(self, mines: int, draw: Draw) -> list[int]:
        """The mines in each box of a layout with so many in all.

        Walked backwards: how a state was reached is drawn by the layouts behind it.
        """
        (state,) = self.layers[-1]
        mask = (1 << self.width) - 1
        placed = [0] * len(self.steps)
        for step, layer in zip(
            reversed(self.steps), reversed(self.layers[:-1]), strict=True
        ):
            ways = []
            for k in range(min(step.size, mines) + 1):
                behind = layer.get(state - step.base - k * step.stride, 0)
                count = behind >> (mines - k) * self.width & mask
                ways.append(comb(step.size, k) * count)
            k = choose(ways, draw)
            placed[step.box] = k
            mines -= k
            state -= step.base + k * step.stride
        return placed


def table(shape: Shape) -> Table:
    """The layers of a component, along the first order that keeps them narrow."""
    # No coefficient exceeds (mines in a box) * 2 ** cells, and no box has 9 cells.
    width = sum(size for size, _ in shape[1]) + 4
    for tier, (order, limit) in enumerate(orders(shape)):
        start, steps = plan(shape, order)
        try:
            if tier:
                # Worth a pass of its own: the bare count sizes the coefficients.
                # Those of states that lead nowhere may overflow; they reach no other.
                ((_, total),) = forward(start, steps, 0, limit)[-1].items()
                width = total.bit_length() + 4
            return Table(width, steps, forward(start, steps, width, limit))
        except TooWideError:
            continue
    raise AssertionError("the last order has no limit")


def count(shape: Shape) -> Counts:
    """All counts of one component; one or two numbers need no elimination."""
    wants, boxes = shape
    if len(wants) == 1:
        ((size, _),) = boxes
        (want,) = wants
        return Counts(want, [comb(size, want)], [[comb(size - 1, want - 1)]])
    if len(wants) == 2:
        return pair(shape)
    return tally(shape, table(shape))


def pair(shape: Shape) -> Counts:
    """Two numbers: the mines in the box they share decide the other two boxes."""
    (first, second), boxes = shape
    sizes = {numbers: size for size, numbers in boxes}
    alone, other = sizes.get((0,), 0), sizes.get((1,), 0)
    shared = sizes[0, 1] if (0, 1) in sizes else sizes[1, 0]
    least = max(0, first - alone, second - other)
    most = min(shared, first, second)
    if least > most:
        raise InconsistentBoardError("no layout agrees with the numbers")
    total = []
    held: list[tuple[int, int, int]] = []
    for both in range(most, least - 1, -1):
        held.append((first - both, second - both, both))
        total.append(
            comb(alone, first - both) * comb(shared, both) * comb(other, second - both)
        )
    mined = []
    for size, numbers in boxes:
        place = 2 if len(numbers) == 2 else numbers[0]
        mined.append(
            [
                ways * mines[place] // size
                for ways, mines in zip(total, held, strict=True)
            ]
        )
    return Counts(first + second - most, total, mined)
