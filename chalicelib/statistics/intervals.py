"""Intervals, each with the name of its method."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import Final

LEVEL: Final = 0.95
SETTLED_N: Final = 100
SETTLED_OFF_CEILING: Final = 20


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate from n values; low and high are None while it is not settled."""

    estimate: float
    low: float | None
    high: float | None
    n: int
    method: str
    level: float = LEVEL


def wilson(successes: int, n: int, level: float = LEVEL) -> Interval:
    """A proportion's score interval (Wilson 1927). ValueError without 0 <= k <= n, n > 0."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is no proportion")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the limits are exactly 0 and 1; rounding would miss them.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(p, low, high, n, "Wilson", level)


def stratified_wilson(
    strata: Sequence[tuple[int, int, float]], level: float = LEVEL
) -> Interval:
    """A weighted mean of proportions, each (successes, n, weight).

    The distances of each stratum's Wilson limits are added in squares (MOVER: Zou
    and Donner, Statistics in Medicine 27, 2008). Weights are scaled to sum 1.
    """
    total = sum(weight for _, _, weight in strata)
    if not strata or total <= 0:
        raise ValueError("there is no stratum with weight")
    parts = [(wilson(k, n, level), weight / total) for k, n, weight in strata]
    estimate = sum(weight * part.estimate for part, weight in parts)
    below = sum(
        (weight * (part.estimate - (part.low or 0.0))) ** 2 for part, weight in parts
    )
    above = sum(
        (weight * ((part.high or 0.0) - part.estimate)) ** 2 for part, weight in parts
    )
    method = "Wilson" if len(parts) == 1 else "Wilson, strata joined by MOVER"
    return Interval(
        estimate,
        max(0.0, estimate - sqrt(below)),
        min(1.0, estimate + sqrt(above)),
        sum(n for _, n, _ in strata),
        method,
        level,
    )


def bounded_mean(
    values: Sequence[float], ceiling: float, level: float = LEVEL
) -> Interval:
    """The mean of bounded scores; an interval only where the normal one holds.

    It needs n >= 100 with at least 20 values off the ceiling; else it is not settled.
    ValueError without values.
    """
    if not values:
        raise ValueError("there are no values")
    n, mean = len(values), fmean(values)
    off_ceiling = sum(value != ceiling for value in values)
    if n < SETTLED_N or off_ceiling < SETTLED_OFF_CEILING:
        return Interval(mean, None, None, n, "not settled", level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    half = z * stdev(values) / sqrt(n)
    return Interval(mean, mean - half, mean + half, n, "normal, by task", level)
