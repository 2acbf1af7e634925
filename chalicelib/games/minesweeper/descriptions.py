"""A position as text, in the styles that prompts choose from."""

from chalicelib.games.minesweeper.boards import HIDDEN, neighbourhoods
from chalicelib.games.minesweeper.rules import Observation, hidden_cells


def describe_grid(observation: Observation) -> str:
    """Rows of marks under a line of column numbers, each row with its number."""
    width = len(observation.rows[0])
    lines = [
        f"{len(observation.rows)} rows, {width} columns, "
        f"{observation.mines} mines; # hidden, 0-8 mines around an open cell."
    ]
    if width > 10:
        tens = (str(c // 10) if c >= 10 else " " for c in range(width))
        lines.append("    " + " ".join(tens))
    lines.append("    " + " ".join(str(c % 10) for c in range(width)))
    lines += [
        f"{row:>3} " + " ".join(line) for row, line in enumerate(observation.rows)
    ]
    return "\n".join(lines)


def describe_coordinates(observation: Observation) -> str:
    """The open cells that touch hidden ones, and the hidden cells, one a line."""
    rows = observation.rows
    around = neighbourhoods(len(rows), len(rows[0]))
    open_edge = [
        f"({row}, {column}) = {mark}"
        for row, line in enumerate(rows)
        for column, mark in enumerate(line)
        if mark.isdigit() and any(rows[r][c] == HIDDEN for r, c in around[row, column])
    ]
    hidden = [f"({row}, {column})" for row, column in hidden_cells(rows)]
    return "\n".join(
        [
            f"{len(rows)} rows, {len(rows[0])} columns, {observation.mines} mines.",
            "Open cells that touch hidden ones, (row, column) = mines around it:",
            *open_edge,
            "Hidden cells, (row, column):",
            *hidden,
        ]
    )
