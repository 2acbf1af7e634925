"""The grade of a guess, the verdict on claims, and the scores of an episode.

Regret is in expected guesses where `search` reaches: the expected number of
further guesses of the one made, with the best play after it, less that of the best
of all codes. A secret not found within the limit counts limit + 1, as in the score.
Elsewhere regret is in bits, and not exact: the expected information that was
missing to the most informative of all codes.

The class is the first that holds: `best`, no regret; `consistent`, the guess can be
right; `probe`, it cannot be right, but tells remaining codes apart; `wasted`, all
of them would give it the same answer, so that nothing is learnt.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import log2
from typing import Any

from chalicelib.errors import InvalidMoveError
from chalicelib.games.game import Grade, Json, Outcome
from chalicelib.games.mastermind.arguments import read_colour
from chalicelib.games.mastermind.oracle import (
    PLACES,
    Indices,
    bits,
    most_informative,
    remaining,
    space_of,
    weight,
)
from chalicelib.games.mastermind.rules import (
    COLOURS,
    VARIANTS,
    Code,
    Observation,
    State,
    observe,
)
from chalicelib.games.mastermind.search import is_exact, search_of

CLASSES = ("best", "consistent", "probe", "wasted")
"""Every class of a guess, in the order in which they are tried."""

MOST_CLAIMS = 64


FARTHEST = 999
"""How far off the board a claim may be and still be judged, as false."""


def grade(observation: Observation, move: Code, after: State) -> Grade:
    """The oracle's grade of a guess that led to `after`."""
    variant = observation.variant
    space = space_of(variant)
    guess = space.index[move]
    codes = remaining(observation)
    left = remaining(observe(after))
    made = weight(space, guess, codes)
    _, least = most_informative(variant, codes)
    details: Json = {
        "remaining": len(codes),
        "remaining_after": len(left),
        "consistent": guess in codes,
        "parts": len(space.sizes(guess, codes)),
        "bits": bits(len(codes), made),
        "best_bits": bits(len(codes), least),
        "gained_bits": round(log2(len(codes) / len(left)), PLACES),
    }
    exact = is_exact(variant, codes, observation.left)
    if exact:
        expected, fewest = expected_guesses(observation, guess, codes)
        regret = float(expected - fewest)
        details |= {
            "expected": float(expected),
            "best_expected": float(fewest),
            "expected_exact": str(expected),
            "best_expected_exact": str(fewest),
        }
    else:
        regret = 0.0
        if made > least:
            regret = round(details["best_bits"] - details["bits"], PLACES)
    class_ = classify(regret, details)
    return Grade(regret, class_, exact, "guesses" if exact else "bits", details)


def expected_guesses(
    observation: Observation, guess: int, codes: Indices
) -> tuple[Fraction, Fraction]:
    """Expected further guesses with this one next, and with the best one next."""
    search = search_of(observation.variant, codes)
    fewest = search.least(search.everything, observation.left)
    answers = space_of(observation.variant).pattern(guess, codes)
    total = search.total(answers, search.everything, observation.left)
    return Fraction(total, len(codes)), Fraction(fewest, len(codes))


def classify(regret: float, details: Json) -> str:
    """The first class that holds."""
    if regret == 0:
        return "best"
    if details["consistent"]:
        return "consistent"
    return "wasted" if details["parts"] == 1 else "probe"


def marginals(observation: Observation) -> list[list[int]]:
    """For each peg and colour, how many remaining codes have it there."""
    rules = observation.rules
    codes = space_of(observation.variant).codes
    pegs = zip(*(codes[code] for code in remaining(observation)), strict=True)
    return [
        [counts[colour] for colour in range(len(rules.colours))]
        for counts in map(Counter, pegs)
    ]


def judge(observation: Observation, claims: Any) -> list[Json]:
    """Each claim with its verdict: true, false, or not provable from what is seen."""
    if claims is None:
        return []
    if not isinstance(claims, list) or len(claims) > MOST_CLAIMS:
        raise InvalidMoveError(
            f"claims must be null or an array of at most {MOST_CLAIMS} claims."
        )
    counts = marginals(observation)
    total = len(remaining(observation))
    return [judge_one(observation, counts, total, claim) for claim in claims]


def judge_one(
    observation: Observation, counts: list[list[int]], total: int, claim: Any
) -> Json:
    """The verdict on one claim {peg, colour, is: certain | impossible}."""
    if not isinstance(claim, dict) or claim.get("is") not in ("certain", "impossible"):
        raise InvalidMoveError(
            'A claim is {"peg": p, "colour": name, "is": "certain"|"impossible"}.'
        )
    peg, colour = claim.get("peg"), read_colour(claim.get("colour"), observation)
    if type(peg) is not int or colour is None:
        raise InvalidMoveError(
            "A claim's peg is an integer counted from 0, its colour one of "
            f"{', '.join(observation.rules.colours)}."
        )
    if abs(peg) > FARTHEST:
        raise InvalidMoveError("The peg of a claim is far off the board.")
    verdict = "false"
    if 0 <= peg < observation.rules.pegs:
        wanted = total if claim["is"] == "certain" else 0
        count = counts[peg][colour]
        verdict = "not provable" if 0 < count < total else str(count == wanted).lower()
    return {
        "peg": peg,
        "colour": COLOURS[colour],
        "is": claim["is"],
        "verdict": verdict,
    }


def scores(state: State, grades: Sequence[Grade], outcome: Outcome | None) -> Json:
    """The numbers of one episode; a loss or a forfeit counts limit + 1 guesses.

    The two sums of regret are in different units: exact grades in guesses, the
    others in bits.
    """
    won = bool(outcome and outcome.won)
    exact = [grade for grade in grades if grade.exact]
    return {
        "won": won,
        "guesses": len(state.guesses) if won else VARIANTS[state.variant].limit + 1,
        "moves": len(grades),
        "regret": sum(grade.regret for grade in exact),
        "exact_moves": len(exact),
        "regret_bits": sum(grade.regret for grade in grades if not grade.exact),
        "classes": {
            name: sum(grade.class_ == name for grade in grades) for name in CLASSES
        },
    }
