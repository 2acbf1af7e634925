"""Intervals: published examples, SciPy, coverage, and when there is none."""

from math import comb, sqrt
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from chalicelib.games.chance import Chance
from chalicelib.statistics.intervals import (
    SETTLED_N,
    SETTLED_OFF_CEILING,
    Interval,
    bounded_mean,
    stratified_wilson,
    wilson,
)


def ends(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(20, 32, 0.45, 0.77), (7, 10, 0.40, 0.89), (0, 44, 0.0, 0.08)],
)
def test_wilson_gives_the_published_examples(
    successes: int, n: int, low: float, high: float
) -> None:
    interval = wilson(successes, n)
    assert tuple(round(end, 2) for end in ends(interval)) == (low, high)
    assert interval.estimate == successes / n
    assert (interval.n, interval.method, interval.level) == (n, "Wilson", 0.95)


@pytest.mark.parametrize(
    ("n", "points"), [(30, 18), (100, 9.8), (400, 4.9), (1000, 3.1)]
)
def test_at_one_half_the_half_width_is_the_published_one(n: int, points: float) -> None:
    low, high = ends(wilson(n // 2, n))
    # The table gives 1.96 * sqrt(0.25 / n); Wilson is narrower by a factor that
    # is 0.94 at n = 30 and tends to 1.
    shrink = 1 / sqrt(1 + norm.ppf(0.975) ** 2 / n)
    assert 100 * (high - low) / 2 == pytest.approx(points * shrink, rel=0.012)


@given(st.integers(1, 3_000), st.data(), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.999]))
def test_wilson_is_that_of_scipy(n: int, data: st.DataObject, level: float) -> None:
    successes = data.draw(st.integers(0, n))
    expected = binomtest(successes, n).proportion_ci(level, method="wilson")
    low, high = ends(wilson(successes, n, level))
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


@given(st.integers(1, 500), st.data())
def test_wilson_of_failures_is_its_mirror(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = ends(wilson(successes, n))
    mirrored = ends(wilson(n - successes, n))
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 44, 10_000])
def test_the_ends_are_exactly_nothing_and_everything(n: int) -> None:
    assert wilson(0, n).low == 0.0
    assert wilson(n, n).high == 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5), (1, 0), (0, -1)])
def test_what_is_no_proportion_is_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no proportion"):
        wilson(successes, n)


@pytest.mark.parametrize("n", [10, 32, 100])
def test_wilson_covers_95_percent_averaged_over_p(n: int) -> None:
    """Exactly: the mean over p of the chance that the interval holds p."""
    intervals = [ends(wilson(k, n)) for k in range(n + 1)]
    covered = []
    for step in range(1, 400):
        p = step / 400
        covered.append(
            sum(
                comb(n, k) * p**k * (1 - p) ** (n - k)
                for k, (low, high) in enumerate(intervals)
                if low <= p <= high
            )
        )
    assert fmean(covered) == pytest.approx(0.95, abs=0.006)
    assert min(covered) > 0.82


# Strata.


@given(st.integers(1, 300), st.data(), st.sampled_from([0.25, 1.0, 7.0]))
def test_one_stratum_is_plain_wilson(
    n: int, data: st.DataObject, weight: float
) -> None:
    successes = data.draw(st.integers(0, n))
    alone, plain = stratified_wilson([(successes, n, weight)]), wilson(successes, n)
    assert alone.method == "Wilson"
    assert alone.estimate == plain.estimate
    assert ends(alone) == pytest.approx(ends(plain), abs=1e-12)
    assert alone.n == n


def test_two_strata_are_joined_as_worked_by_hand() -> None:
    # 3 of 4 with weight 1 and 5 of 10 with weight 3:
    # Wilson [0.300642, 0.954413] about 0.75, and [0.236593, 0.763407] about 0.5.
    # estimate 0.25 * 0.75 + 0.75 * 0.5 = 0.5625
    # below sqrt((0.25 * 0.449358)^2 + (0.75 * 0.263407)^2) = 0.227262
    # above sqrt((0.25 * 0.204413)^2 + (0.75 * 0.263407)^2) = 0.204057
    interval = stratified_wilson([(3, 4, 1.0), (5, 10, 3.0)])
    assert interval.estimate == pytest.approx(0.5625)
    assert ends(interval) == pytest.approx((0.335238, 0.766557), abs=2e-6)
    assert interval.n == 14
    assert interval.method == "Wilson, strata joined by MOVER"


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 50), st.floats(0.01, 10)),
        min_size=1,
        max_size=5,
    )
)
def test_strata_stay_within_bounds_and_do_not_depend_on_the_scale_of_weights(
    strata: list[tuple[int, int, float]],
) -> None:
    sound = [(min(k, n), n, weight) for k, n, weight in strata]
    interval = stratified_wilson(sound)
    low, high = ends(interval)
    assert 0 <= low <= interval.estimate + 1e-12
    assert interval.estimate - 1e-12 <= high <= 1
    scaled = stratified_wilson([(k, n, 8 * weight) for k, n, weight in sound])
    assert ends(scaled) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("strata", [[], [(1, 2, 0.0)], [(1, 2, -1.0)]])
def test_strata_without_weight_are_refused(
    strata: list[tuple[int, int, float]],
) -> None:
    with pytest.raises(ValueError, match="no stratum with weight"):
        stratified_wilson(strata)


def test_strata_cover_about_95_percent_averaged_over_p() -> None:
    weights, sizes, games = (1.0, 1.0, 1.0), (40, 40, 40), 2_000
    chance = Chance("coverage of strata")
    held = 0
    for _ in range(games):
        rates = [chance.below(10_001) for _ in sizes]
        truth = sum(w * p / 10_000 for w, p in zip(weights, rates, strict=True)) / 3
        strata = [
            (sum(chance.below(10_000) < rate for _ in range(n)), n, weight)
            for n, weight, rate in zip(sizes, weights, rates, strict=True)
        ]
        low, high = ends(stratified_wilson(strata))
        held += low <= truth <= high
    # The standard deviation of the share is 0.5 points.
    assert held / games == pytest.approx(0.95, abs=0.02)


# Means of bounded scores.


def test_a_settled_mean_has_the_normal_interval() -> None:
    values = [float(3 + n % 4) for n in range(120)]
    interval = bounded_mean(values, ceiling=11.0)
    half = norm.ppf(0.975) * stdev(values) / sqrt(120)
    assert interval.estimate == pytest.approx(4.5)
    assert ends(interval) == pytest.approx((4.5 - half, 4.5 + half))
    assert interval.n == 120
    assert interval.method != "not settled"


@pytest.mark.parametrize(
    ("n", "off_ceiling", "settled"),
    [
        (SETTLED_N, SETTLED_OFF_CEILING, True),
        (SETTLED_N - 1, SETTLED_OFF_CEILING, False),
        (SETTLED_N, SETTLED_OFF_CEILING - 1, False),
        (10 * SETTLED_N, SETTLED_OFF_CEILING - 1, False),
        (SETTLED_N - 1, SETTLED_N - 1, False),
        (1, 1, False),
        (SETTLED_N, 0, False),
    ],
)
def test_a_mean_is_settled_from_a_hundred_values_with_twenty_off_the_ceiling(
    n: int, off_ceiling: int, settled: bool
) -> None:
    values = [4.0] * off_ceiling + [11.0] * (n - off_ceiling)
    interval = bounded_mean(values, ceiling=11.0)
    assert interval.estimate == pytest.approx(fmean(values))
    assert interval.n == n
    if settled:
        low, high = ends(interval)
        assert low < interval.estimate < high
    else:
        assert (interval.low, interval.high) == (None, None)
        assert interval.method == "not settled"


def test_the_bounds_are_those_of_the_design() -> None:
    assert (SETTLED_N, SETTLED_OFF_CEILING) == (100, 20)


def test_a_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        bounded_mean([], ceiling=1.0)


def test_a_settled_mean_covers_about_95_percent() -> None:
    chance = Chance("coverage of means")
    truth, held, rounds = fmean([3, 4, 5, 6, 11]), 0, 1_000
    for _ in range(rounds):
        values = [float(chance.choice((3, 4, 5, 6, 11))) for _ in range(100)]
        low, high = ends(bounded_mean(values, ceiling=11.0))
        held += low <= truth <= high
    assert held / rounds == pytest.approx(0.95, abs=0.03)
