"""The grade of a reveal, the verdict on claims, and the scores of an episode.

A grade is judged on what was seen when the cells were chosen: p is the risk that
any of them is a mine, p_min the least risk of any single cell, regret = p - p_min.
The risk just before each single reveal is kept for luck adjustment.
"""

from collections.abc import Sequence
from fractions import Fraction

from chalicelib.errors import InvalidMoveError
from chalicelib.games.game import Grade, Json, Outcome
from chalicelib.games.minesweeper.boards import Cell, draw_rows
from chalicelib.games.minesweeper.memory import posterior_of
from chalicelib.games.minesweeper.oracle import Posterior
from chalicelib.games.minesweeper.rules import (
    Observation,
    Reveal,
    State,
    reveal_one,
    safe_cells,
)

CLASSES = ("safe", "blunder", "premature", "missed", "forced", "risky")
"""Every class of a reveal, in the order in which they are tried."""

FARTHEST = 999
"""How far off the board a claim may be and still be judged, as false."""

CLAIMS = 200
"""How many claims one move may carry."""


def grade(observation: Observation, move: Reveal, after: State) -> Grade:
    """The oracle's grade of a reveal that led to `after`.

    Regret is a probability. On boards selected for solvability risks strictly
    between 0 and 1 are not the true ones, and the grade is then not exact.
    """
    posterior = posterior_of(observation.rows, observation.mines)
    risks = [posterior.probability(row, column) for row, column in move.cells]
    total = joint_risk(posterior, move.cells, risks)
    least = posterior.least_risk
    assert least is not None, "a game that goes on has hidden cells"
    regret = max(total - least, Fraction(0))
    proven = total in (0, 1) and least in (0, 1)
    return Grade(
        float(regret),
        classify(posterior, risks, total),
        proven or not observation.selected,
        "probability",
        {
            "p": float(total),
            "p_min": float(least),
            "p_exact": str(total),
            "p_min_exact": str(least),
            **single_reveals(observation, move, after),
        },
    )


def joint_risk(
    posterior: Posterior, cells: Sequence[Cell], risks: Sequence[Fraction]
) -> Fraction:
    """1 - P(all the cells are safe)."""
    unsure = [cell for cell, risk in zip(cells, risks, strict=True) if risk]
    if not unsure:
        return Fraction(0)
    if len(unsure) == 1:
        return max(risks)
    if 1 in risks:
        return Fraction(1)
    return 1 - Fraction(posterior.layouts_with_safe(unsure), posterior.layouts)


def classify(posterior: Posterior, risks: Sequence[Fraction], total: Fraction) -> str:
    """The first class that holds."""
    if total == 0:
        return "safe"
    if 1 in risks:
        return "blunder"
    if 0 in risks:
        return "premature"
    if posterior.safe:
        return "missed"
    return "forced" if total == posterior.least_risk else "risky"


def single_reveals(observation: Observation, move: Reveal, after: State) -> Json:
    """How many cells were opened one by one, and those that could have been mines.

    `risky` holds [row, column, risk just before, 1 for a mine] of each of them.
    """
    opened = frozenset(
        (row, column)
        for row, line in enumerate(observation.rows)
        for column, mark in enumerate(line)
        if mark.isdigit()
    )
    state = State(after.variant, after.layout, opened)
    proven = set(posterior_of(observation.rows, observation.mines).safe)
    count = 0
    risky: list[list[int | float]] = []
    for cell in move.cells:
        if cell in state.opened:
            continue
        count += 1
        risk = Fraction(0)
        if cell not in proven:
            rows = draw_rows(state.layout, state.opened)
            risk = posterior_of(rows, observation.mines).probability(*cell)
        state = reveal_one(state, cell)
        if risk:
            risky.append([*cell, float(risk), int(state.exploded is not None)])
        if state.exploded is not None:
            break
    return {"reveals": count, "risky": risky}


def judge(observation: Observation, claims: object) -> list[Json]:
    """Each claim with its verdict: true, false, or not provable from what is seen."""
    if claims is None:
        return []
    if not isinstance(claims, list) or len(claims) > CLAIMS:
        raise InvalidMoveError(
            f"claims must be null or an array of at most {CLAIMS} claims."
        )
    posterior = posterior_of(observation.rows, observation.mines)
    return [judge_one(observation, posterior, claim) for claim in claims]


def judge_one(observation: Observation, posterior: Posterior, claim: object) -> Json:
    """The verdict on one claim {row, column, is: safe | mine}."""
    if not isinstance(claim, dict) or claim.get("is") not in ("safe", "mine"):
        raise InvalidMoveError(
            'A claim is {"row": r, "column": c, "is": "safe"|"mine"}.'
        )
    row, column = claim.get("row"), claim.get("column")
    if type(row) is not int or type(column) is not int:
        raise InvalidMoveError("The row and column of a claim are integers.")
    if max(abs(row), abs(column)) > FARTHEST:
        raise InvalidMoveError("The row or column of a claim is far off the board.")
    verdict = "false"
    if observation.is_inside((row, column)):
        risk = Fraction(0)
        if observation.is_hidden((row, column)):
            risk = posterior.probability(row, column)
        wanted = Fraction(int(claim["is"] == "mine"))
        verdict = "not provable" if 0 < risk < 1 else str(risk == wanted).lower()
    return {"row": row, "column": column, "is": claim["is"], "verdict": verdict}


def scores(state: State, grades: Sequence[Grade], outcome: Outcome | None) -> Json:
    """The numbers of one episode; sums of regret over exact grades only."""
    exact = [grade for grade in grades if grade.exact]
    return {
        "won": bool(outcome and outcome.won),
        "completion": len(state.opened) / safe_cells(state.layout.size),
        "opened": len(state.opened),
        "moves": len(grades),
        "reveals": sum(grade.details["reveals"] for grade in grades),
        "regret": sum(grade.regret for grade in exact),
        "exact_moves": len(exact),
        "classes": {
            name: sum(grade.class_ == name for grade in grades) for name in CLASSES
        },
    }
