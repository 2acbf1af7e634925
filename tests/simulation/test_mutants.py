"""Every mutant of the protocol is caught: by seeds, or by a run made for it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from chalicelib.services.evaluations import Evaluations
from tests.simulation.fates import AtCall, Calm, Fates
from tests.simulation.faults import calm_scenario
from tests.simulation.mutants import MUTANTS, SmallPages
from tests.simulation.processes import Fate
from tests.simulation.provider import PAID, POISON
from tests.simulation.scenarios import Order, Scenario
from tests.simulation.seeds import run_scenario, run_seed
from tests.simulation.simulation import REAL, Parts, Simulation
from tests.simulation.witness import Violation

Run = Callable[[Parts], Simulation]

SEEDS = {
    "blind_put": "committed twice",
    "result_counter": "has 2 results",
    "no_intent": "without an intent",
    "no_lease": "which is held",
    "no_heartbeat": "without a fault|which is held",
    "epoch_ignored_on_renew": "under an old claim",
    "epoch_ignored_on_release": "which is held|without a fault",
    "hold_adds_up": "more than its budget|of the month|never over",
    "hold_without_limit": "more than its budget",
    "closed_twice": "closed twice",
    "renewal_refusal_ignored": "under an old claim|which it has lost",
    "release_before_append": "without a lease",
    "tell_before_commit": "committed are 0",
    "status_forgotten": "never over|though its evaluation is stopped",
    "close_before_result": "has 0 results",
    "left_over_unsettled": "still holds money|of the month|never over",
    "no_sweeper": "never over",
    "no_reuse": "wasted",
}
"""What the first seed that shows a mutant accuses it of."""

MOST_SEEDS = 300

HEARD = ("move",)
UNHEARD = ("unreachable",) * 4
ONE = Order("MM-I.1", (PAID,))
SLOW = (15.0, 20.0)


def one_run(scenario: Scenario, fates: Callable[[], Fates], seed: int = 0) -> Run:
    return lambda parts: run_scenario(scenario, Random(seed), fates(), parts)


def frozen(call: str, seconds: float, times: int = 1) -> Callable[[], Fates]:
    """A worker that freezes just before the n-th such call has its effect."""
    fate = Fate(freeze="before", seconds=seconds)
    return lambda: AtCall(call, fate, times, kind="play")


def late_closing(call: str) -> Iterator[Run]:
    """A worker freezes when it is about to fail an episode; another plays it."""
    scenario = calm_scenario(ONE, script=UNHEARD, thinking=SLOW)
    yield one_run(scenario, frozen(call, 130.0))


def late_intent() -> Iterator[Run]:
    """An intent is written when another has long finished the episode."""
    yield one_run(calm_scenario(ONE, thinking=SLOW), frozen("intend", 600.0))


class LateAndDeaf:
    """A worker freezes with its k-th answer; no renewal gets through any more."""

    def __init__(self, k: int) -> None:
        self._freeze = frozen("settle", 400.0, k)()

    def at(self, point: int, kind: str, name: str) -> Fate:
        if name == "renew":
            return Fate(refused=True)
        return self._freeze.at(point, kind, name)


def late_last_moves() -> Iterator[Run]:
    """A worker is late with an answer; another fails the episode meanwhile."""
    for k in range(1, 9):
        script = HEARD * k + UNHEARD
        scenario = calm_scenario(ONE, script=script, thinking=(1.0, 2.0))
        yield one_run(scenario, lambda k=k: LateAndDeaf(k))  # type: ignore[misc]  # a default in a lambda has no type


def flapping_deploys() -> Iterator[Run]:
    """Old and new workers take turns at every episode; nothing else goes wrong."""
    order = Order("MS-I.1 MM-I.1", (PAID,))
    for seed in range(8):
        scenario = calm_scenario(
            order, deploy_at=0.0, old_share=0.5, function_seconds=140.0,
            thinking=SLOW, script=HEARD * 40,
        )  # fmt: skip
        run = one_run(scenario, Calm, seed)
        yield lambda parts, run=run: must_finish(run(parts))  # type: ignore[misc]  # a default in a lambda has no type


def must_finish(simulation: Simulation) -> Simulation:
    for episode in simulation.store.all_episodes.values():
        if episode.status != "finished":
            raise Violation(f"{episode.id} is {episode.status}: {episode.note}")
    return simulation


class SlowClaimsAndClosings:
    """The second claim, and whatever ends an episode, are long on their way."""

    def __init__(self) -> None:
        self._claim = AtCall("claim", Fate(travel=0.7), 2)

    def at(self, point: int, kind: str, name: str) -> Fate:
        if name == "close":
            return Fate(travel=0.5)
        return self._claim.at(point, kind, name)


def cancellations() -> Iterator[Run]:
    """An owner cancels while workers begin."""
    order = Order("MM-I.2", ("baseline~random~1",))
    for tick in range(50):
        controls = ((0.15 + tick * 0.02, "cancel", 0),)
        yield one_run(calm_scenario(order, controls=controls), SlowClaimsAndClosings)


def long_expansions() -> Iterator[Run]:
    """Pages take longer than the sweeper waits, and every message comes twice."""
    order = Order("MM-I.60", ("baseline~random~1",))
    scenario = calm_scenario(order, doubled_messages=0.5)
    run = one_run(scenario, SlowExpansion)
    yield lambda parts: run(small_pages(parts))


class SlowExpansion:
    """Every call of the expansion takes a second, and there are not to be many."""

    def __init__(self) -> None:
        self._made = 0

    def at(self, point: int, kind: str, name: str) -> Fate:
        self._made += name == "create_episodes"
        if self._made > 75:
            raise Violation("30 pages were made more than 75 times")
        return Fate(travel=1.0 if kind == "expand" else 0.0)


def small_pages(parts: Parts) -> Parts:
    is_real = parts.evaluations is Evaluations
    return replace(parts, evaluations=SmallPages) if is_real else parts


def short_functions() -> Iterator[Run]:
    """The function's time ends in the middle of an episode."""
    scenario = calm_scenario(
        ONE, function_seconds=200.0, thinking=(50.0, 60.0), script=HEARD * 20
    )
    yield one_run(scenario, Calm)


def poison() -> Iterator[Run]:
    """One player's code breaks at every turn."""
    yield one_run(calm_scenario(Order("MM-I.1", (POISON,))), Calm)


DIRECTED: dict[str, tuple[Callable[[], Iterator[Run]], str]] = {
    "epoch_ignored_on_close": (partial(late_closing, "close"), "the ledger says"),
    "settle_before_close": (partial(late_closing, "settle_hold"), "the ledger says"),
    "no_lease_check_after_intent": (late_intent, "the ledger says"),
    "no_release": (short_functions, "still at work at its end"),
    "no_poison_limit": (poison, "never over"),
    "chains_multiply": (long_expansions, "30 pages were made"),
    "no_fence": (late_last_moves, "is failed and has a result"),
    "fails_newer": (flapping_deploys, "is failed: .* is of"),
    "cancels_what_is_played": (cancellations, "is unplayed and has a result"),
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_mutant_is_caught_by_a_seed(name: str) -> None:
    with pytest.raises(Violation, match=SEEDS[name]):
        play_seeds(MUTANTS[name].parts)


@pytest.mark.parametrize("name", DIRECTED)
def test_a_mutant_is_caught_by_a_run_made_for_it(name: str) -> None:
    make_runs, accusation = DIRECTED[name]
    with pytest.raises(Violation, match=accusation):
        play_all(make_runs(), MUTANTS[name].parts)
    play_all(make_runs(), REAL)


def play_seeds(parts: Parts) -> None:
    for seed in range(MOST_SEEDS):
        run_seed(seed, parts)


def play_all(runs: Iterator[Run], parts: Parts) -> None:
    for run in runs:
        run(parts)


def test_no_mutant_is_left_out() -> None:
    assert set(SEEDS) | set(DIRECTED) == set(MUTANTS)
