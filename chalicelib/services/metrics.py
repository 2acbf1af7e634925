"""METRICS: one number over many episodes, with its interval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from chalicelib.records import Result
from chalicelib.statistics.intervals import (
    Interval,
    bounded_mean,
    stratified_wilson,
    wilson,
)

Weights = Mapping[str, float]
MASTERMIND_FAILED: Final = 11.0
"""What a game of Mastermind that was not solved counts as: the limit + 1."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is computed, and which way is better.

    `weights` of `compute` maps a variant to its weight; empty: all as one stratum.
    """

    compute: Callable[[Sequence[Result], Weights], Interval]
    better: Literal["higher", "lower"]
    about: str


def win_rate(results: Sequence[Result], weights: Weights) -> Interval:
    """The share of episodes won; variants are strata of fixed weight."""
    if not weights:
        return wilson(sum(r.scores["won"] for r in results), len(results))
    strata = []
    missing = []
    for variant, weight in weights.items():
        own = [result.scores["won"] for result in results if result.variant == variant]
        if own and weight:
            strata.append((sum(own), len(own), weight))
        elif weight:
            missing.append(variant)
    if not strata:
        return Interval(0.0, None, None, 0, "not settled")
    joined = stratified_wilson(strata)
    if missing:
        method = f"not settled: no {', '.join(missing)}"
        return replace(joined, low=None, high=None, method=method)
    return joined


def mean_guesses(results: Sequence[Result], weights: Weights) -> Interval:
    """The mean number of guesses; a loss or forfeit counts as limit + 1."""
    values = [float(result.scores["guesses"]) for result in results]
    return bounded_mean(values, ceiling=MASTERMIND_FAILED)


def forfeit_rate(results: Sequence[Result], weights: Weights) -> Interval:
    """The share of episodes in which the player gave no move that could be played."""
    return wilson(sum(r.end == "forfeited" for r in results), len(results))


METRICS: Final = {
    "win_rate": Metric(win_rate, "higher", "Share of games won."),
    "mean_guesses": Metric(
        mean_guesses,
        "lower",
        "Mean guesses to the code; a failure counts as one more than the limit.",
    ),
}
