"""Large evaluations: made in pages, asked for in turn, never in the way of small ones."""

from dataclasses import replace
from random import Random

import pytest

from chalicelib.services.evaluations import Evaluations
from chalicelib.services.expansions import Expansions
from chalicelib.services.messages import PLAY
from tests.simulation.fates import Calm, Scripted
from tests.simulation.faults import KINDS, calm_scenario
from tests.simulation.mutants import SmallPages
from tests.simulation.provider import PAID
from tests.simulation.scenarios import Order
from tests.simulation.seeds import run_scenario
from tests.simulation.simulation import REAL, Parts, Simulation

PAGED = replace(REAL, evaluations=SmallPages)
SMALL = calm_scenario(Order("MM-I.4", ("mock~random~1", "baseline~random~1")))


class FortyAtOnce(Expansions):
    page = 50
    window = 40


class Forty(Evaluations):
    expansions = FortyAtOnce


def play_large_and_small(parts: Parts) -> tuple[float, Simulation]:
    """How much of the large one was over when the small one was; two workers."""
    large = Order("MS-I.160", (PAID,))
    scenario = calm_scenario(
        large,
        Order("MM-I.2", ("mock~random~1",)),
        workers=2,
        gap=5.0,
        thinking=(4.0, 6.0),
    )
    run = run_scenario(scenario, Random(0), Calm(), parts)
    order = list(run.witness.closed)
    small = {
        one.id for one in run.store.all_episodes.values() if one.evaluation == "ev_1"
    }
    last = max(order.index(name) for name in small)
    return (last + 1 - len(small)) / 160, run


def test_a_small_evaluation_waits_for_a_window_of_a_large_one_at_most() -> None:
    share, run = play_large_and_small(replace(REAL, evaluations=Forty))
    assert share < 0.4
    assert share < play_large_and_small(REAL)[0] / 2
    asked = [body["play"] for queue, body in run.post.sent if queue == PLAY]
    once = {name for names in asked for name in names}
    assert len(once) == 162


def test_no_more_than_its_window_is_asked_for_ahead_of_what_has_ended() -> None:
    run = run_scenario(SMALL, Random(0), Calm(), PAGED)
    assert run.store.document("expansion", "ev_0") is not None
    assert len(run.witness.closed) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_io_point_of_an_evaluation_of_many_pages(kind: str) -> None:
    points = run_scenario(SMALL, Random(0), Calm(), PAGED).points
    for point in range(1 + list(KINDS).index(kind), points + 1, 12):
        run_scenario(SMALL, Random(0), Scripted({point: KINDS[kind]}), PAGED)


def test_a_large_evaluation_that_is_paused_goes_on_with_its_window() -> None:
    controls = ((20.0, "pause", 0), (200.0, "resume", 0))
    order = Order("MM-I.8", (PAID,))
    scenario = calm_scenario(order, controls=controls, script=("move",) * 200)
    run = run_scenario(scenario, Random(0), Calm(), PAGED)
    assert {one.status for one in run.store.all_episodes.values()} == {"finished"}
