"""The rules: states, observations, reveals, legality, how a game ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

from chalicelib.errors import GenerationError, IllegalMoveError
from chalicelib.games.chance import Chance
from chalicelib.games.game import Outcome
from chalicelib.games.minesweeper.boards import (
    HIDDEN,
    SIZES,
    Cell,
    Layout,
    Size,
    cascade,
    draw_layout,
    draw_rows,
)
from chalicelib.games.minesweeper.oracle import Memory, solve

GENERATOR = "minesweeper-1"
NO_GUESS = "-noguess"
LAYOUTS_TRIED = 2_000


@dataclass(frozen=True, slots=True)
class Reveal:
    """One move: the cells to open, in order."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class State:
    """The whole truth of a position."""

    variant: str
    layout: Layout
    opened: frozenset[Cell]
    exploded: Cell | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What the player sees: the rows, the number of mines, and the variant."""

    variant: str
    rows: tuple[str, ...]
    mines: int
    over: bool = False

    def is_inside(self, cell: Cell) -> bool:
        """Whether the cell lies on the board."""
        row, column = cell
        return 0 <= row < len(self.rows) and 0 <= column < len(self.rows[0])

    def is_hidden(self, cell: Cell) -> bool:
        """Whether a cell of the board is still hidden."""
        return self.rows[cell[0]][cell[1]] == HIDDEN

    @property
    def selected(self) -> bool:
        """Whether the board was chosen for solvability, so that odds are not exact."""
        return self.variant.endswith(NO_GUESS)


def variant_size(variant: str) -> Size:
    """Rows, columns and mines of a variant; KeyError when there is no such variant."""
    return SIZES[variant.removesuffix(NO_GUESS)]


@lru_cache(maxsize=512)
def start(variant: str, seed: str) -> State:
    """The first position: the opening is already played. KeyError, GenerationError."""
    size = variant_size(variant)
    if not variant.endswith(NO_GUESS):
        return open_first(variant, draw_layout(size, Chance(GENERATOR, variant, seed)))
    for number in range(LAYOUTS_TRIED):
        chance = Chance(GENERATOR, variant, seed, number)
        state = open_first(variant, draw_layout(size, chance))
        if is_solvable(state):
            return state
    raise GenerationError(
        f"None of {LAYOUTS_TRIED} layouts of {variant} for seed {seed[:16]} "
        "can be solved by deduction alone."
    )


def open_first(variant: str, layout: Layout) -> State:
    """The position in which only the opening has been played."""
    opened = frozenset(cascade(layout, layout.opening, frozenset()))
    return State(variant, layout, opened)


def is_solvable(state: State) -> bool:
    """Whether deduction alone, with the mine count, opens every safe cell."""
    memory = Memory()
    while outcome(state) is None:
        rows = draw_rows(state.layout, state.opened)
        safe = solve(rows, state.layout.size.mines, memory).safe
        if not safe:
            return False
        state = reveal(state, Reveal(tuple(safe)))
    return True


def observe(state: State) -> Observation:
    """What the player sees of a state."""
    return Observation(
        state.variant,
        draw_rows(state.layout, state.opened, state.exploded),
        state.layout.size.mines,
        outcome(state) is not None,
    )


def check(observation: Observation, move: Reveal) -> None:
    """IllegalMoveError for no cell, or one that is outside, open or named twice."""
    if observation.over:
        raise IllegalMoveError("The game is over.")
    if not move.cells:
        raise IllegalMoveError("Name at least one hidden cell to reveal.")
    seen: set[Cell] = set()
    height, width = len(observation.rows), len(observation.rows[0])
    for cell in move.cells:
        row, column = cell
        if not observation.is_inside(cell):
            raise IllegalMoveError(
                f"Row {row}, column {column} is outside the board: rows are 0 to "
                f"{height - 1}, columns 0 to {width - 1}."
            )
        if not observation.is_hidden(cell):
            raise IllegalMoveError(
                f"Row {row}, column {column} is already open; reveal hidden cells."
            )
        if cell in seen:
            raise IllegalMoveError(f"Row {row}, column {column} is named twice.")
        seen.add(cell)


def reveal(state: State, move: Reveal) -> State:
    """Open the cells in order; skip what a cascade has opened; stop at a mine."""
    for cell in move.cells:
        state = reveal_one(state, cell)
        if state.exploded is not None:
            break
    return state


def reveal_one(state: State, cell: Cell) -> State:
    """Open one cell, unless a cascade has opened it meanwhile."""
    if cell in state.opened:
        return state
    if cell in state.layout.mines:
        return replace(state, exploded=cell)
    fresh = cascade(state.layout, cell, state.opened)
    return replace(state, opened=state.opened | fresh)


def safe_cells(size: Size) -> int:
    """How many cells of a board hold no mine."""
    return size.height * size.width - size.mines


def outcome(state: State) -> Outcome | None:
    """Won when all safe cells are open, lost at the first mine."""
    if state.exploded is not None:
        return Outcome((1,), "mine", won=False)
    if len(state.opened) == safe_cells(state.layout.size):
        return Outcome((1,), "cleared", won=True)
    return None


def hidden_cells(rows: Sequence[str]) -> list[Cell]:
    """The hidden cells in reading order."""
    return [
        (row, column)
        for row, line in enumerate(rows)
        for column, mark in enumerate(line)
        if mark == HIDDEN
    ]


def fingerprint(state: State) -> str:
    """16 hexadecimal digits of SHA-256 over layout, open cells and explosion."""
    size = state.layout.size
    marks = [["#"] * size.width for _ in range(size.height)]
    for row, column in state.opened:
        marks[row][column] = "."
    for row, column in state.layout.mines:
        marks[row][column] = "o"
    if state.exploded is not None:
        marks[state.exploded[0]][state.exploded[1]] = "*"
    text = state.variant + "\n" + "\n".join("".join(line) for line in marks)
    return sha256(text.encode()).hexdigest()[:16]
