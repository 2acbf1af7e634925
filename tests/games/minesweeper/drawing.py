"""Drawn boards: `o` a mine, `.` a hidden cell without one, `+` an open cell."""

from chalicelib.games.minesweeper.boards import Cell, Layout, Size
from chalicelib.games.minesweeper.rules import Reveal, State


def draw(*rows: str, variant: str = "drawn") -> State:
    """The position that is drawn; the opening is its first open cell."""
    cells = {(r, c): mark for r, line in enumerate(rows) for c, mark in enumerate(line)}
    mines = frozenset(cell for cell, mark in cells.items() if mark == "o")
    opened = frozenset(cell for cell, mark in cells.items() if mark == "+")
    size = Size(len(rows), len(rows[0]), len(mines))
    return State(variant, Layout(size, min(opened), mines), opened)


def cells(*named: Cell) -> Reveal:
    """A move that names these cells."""
    return Reveal(named)
