"""A fault at every io point of a quiet run: nothing lost, nothing twice."""

import pytest

from chalicelib.games import GAMES
from tests.simulation.faults import (
    KINDS,
    SCENARIOS,
    SIDES,
    count_points,
    run_with,
    sample_pairs,
)
from tests.simulation.processes import Fate

SAMPLE = 7
"""`make test` tries every seventh point of the scenarios that are no game's own."""

OTHERS = [name for name in SCENARIOS if name not in GAMES]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("code", GAMES)
def test_a_kill_at_any_io_point_of_any_game(code: str, side: str) -> None:
    points = count_points(code)
    assert points > 100
    for point in range(1, points + 1):
        run_with(code, {point: Fate(kill=side)})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OTHERS)
def test_a_fault_at_some_io_points(name: str, kind: str) -> None:
    start = 1 + list(KINDS).index(kind)
    for point in range(start, count_points(name) + 1, SAMPLE):
        run_with(name, {point: KINDS[kind]})


@pytest.mark.verify
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_at_any_io_point(name: str, kind: str) -> None:
    for point in range(1, count_points(name) + 1):
        run_with(name, {point: KINDS[kind]})


@pytest.mark.parametrize("name", SCENARIOS)
def test_some_pairs_of_kills(name: str) -> None:
    for faults in sample_pairs(name, 10):
        run_with(name, faults)


@pytest.mark.verify
@pytest.mark.parametrize("name", SCENARIOS)
def test_thousands_of_pairs_of_kills(name: str) -> None:
    for faults in sample_pairs(name, 5_000 // len(SCENARIOS) + 1):
        run_with(name, faults)
