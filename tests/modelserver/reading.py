"""What a prompt shows: positions, read from text alone in every style it may have."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

from chalicelib.games.mastermind import rules as mastermind
from chalicelib.games.minesweeper import rules as minesweeper
from chalicelib.games.minesweeper.boards import HIDDEN

Position = minesweeper.Observation | mastermind.Observation
Reader = Callable[[str], Position | None]

SIZE: Final = re.compile(r"(\d+) rows, (\d+) columns, (\d+) mines")
ROW: Final = re.compile(r"^ *(\d+) ((?:[0-8#*] )*[0-8#*])$", re.MULTILINE)
OPEN: Final = re.compile(r"^\((\d+), (\d+)\) = ([0-8])$", re.MULTILINE)
CLOSED: Final = re.compile(r"^\((\d+), (\d+)\)$", re.MULTILINE)
PEGS: Final = re.compile(r"has (\d+) pegs.*?Colours: ([a-z, ]+);", re.DOTALL)
GUESS: Final = re.compile(
    r"^Guess \d+: ([a-z ]+) -> (\d+) black, (\d+) white$", re.MULTILINE
)


def read_grid(text: str) -> Position | None:
    """The rows of marks that follow the last size."""
    sizes = list(SIZE.finditer(text))
    if not sizes:
        return None
    height, width, mines = map(int, sizes[-1].groups())
    # The line of column numbers may look like a row too: it comes before row 0.
    lines = ROW.findall(text, sizes[-1].end())
    rows: list[str] = []
    for number, marks in lines:
        row = marks.replace(" ", "")
        if int(number) == len(rows) and len(row) == width:
            rows.append(row)
    if len(rows) != height:
        return None
    return board(rows, mines)


def read_coordinates(text: str) -> Position | None:
    """Open cells as `(row, column) = 3`, hidden cells as `(row, column)`."""
    sizes = list(SIZE.finditer(text))
    if not sizes:
        return None
    height, width, mines = map(int, sizes[-1].groups())
    hidden = CLOSED.findall(text, sizes[-1].end())
    if not hidden:
        return None
    # An open cell that is not listed touches no hidden cell, so no mine either.
    marks = [["0"] * width for _ in range(height)]
    cells = [
        *OPEN.findall(text, sizes[-1].end()),
        *((*cell, HIDDEN) for cell in hidden),
    ]
    for row, column, mark in cells:
        if int(row) >= height or int(column) >= width:
            return None
        marks[int(row)][int(column)] = mark
    return board(["".join(line) for line in marks], mines)


def board(rows: Sequence[str], mines: int) -> Position:
    """A Minesweeper position as a player sees it."""
    over = not any(HIDDEN in row for row in rows) or any("*" in row for row in rows)
    return minesweeper.Observation("read", tuple(rows), mines, over)


def read_guesses(text: str) -> Position | None:
    """The last list of guesses and answers, under pegs and colours."""
    heads = list(PEGS.finditer(text))
    if not heads:
        return None
    pegs, colours = int(heads[-1][1]), tuple(heads[-1][2].split(", "))
    variant = next(
        (
            name
            for name, rules in mastermind.VARIANTS.items()
            if (rules.pegs, rules.colours) == (pegs, colours)
        ),
        None,
    )
    if variant is None:
        return None
    turns = [
        mastermind.Turn(
            tuple(map(colours.index, guess.split())), int(black), int(white)
        )
        for guess, black, white in GUESS.findall(text, heads[-1].end())
    ]
    return mastermind.Observation(variant, tuple(turns))


READERS: Final[tuple[Reader, ...]] = (read_grid, read_coordinates, read_guesses)
"""One for each style; the first that understands a text decides."""


@lru_cache(maxsize=8192)
def read_text(text: str) -> Position | None:
    """The last position in a text, in whatever style."""
    for reader in READERS:
        position = reader(text)
        if position is not None:
            return position
    return None


def read_position(texts: Iterable[str]) -> Position | None:
    """The last position in the texts of a conversation, which come newest first."""
    for text in texts:
        position = read_text(text)
        if position is not None:
            return position
    return None
