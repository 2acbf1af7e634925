"""Runs by their seed: the same seed is the same run, to the last io point."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from random import Random

from tests.simulation.fates import Fates, Stormy
from tests.simulation.invariants import check
from tests.simulation.processes import OutageError
from tests.simulation.provider import PoisonError
from tests.simulation.scenarios import Scenario, draw_scenario
from tests.simulation.simulation import REAL, Parts, Simulation
from tests.simulation.witness import Violation


class Surprises(logging.Handler):
    """Keeps the errors that the services have met and that no fault explains."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, (OutageError, PoisonError)):
            self.found.append(error)


@contextmanager
def listening() -> Iterator[Surprises]:
    """Hears what the services log, and lets no one else hear it."""
    log, surprises = logging.getLogger("tilts"), Surprises()
    was = log.propagate
    log.propagate = False
    log.addHandler(surprises)
    try:
        yield surprises
    finally:
        log.removeHandler(surprises)
        log.propagate = was


@contextmanager
def uncollected() -> Iterator[None]:
    """A run is short: looking for garbage in the middle of it costs a quarter of it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def run_seed(seed: int, parts: Parts = REAL) -> Simulation:
    """Play the run of a seed. Violation, which says how to play it again."""
    dice = Random(f"tilts {seed}")
    scenario = draw_scenario(dice)
    fates = Stormy(Random(f"fates {seed}"), scenario.weather)
    try:
        return run_scenario(scenario, dice, fates, parts)
    except Violation as violation:
        raise Violation(
            f"{violation}\nreplay it with: make simulate SEEDS=1 FIRST={seed}"
        ) from violation


def run_scenario(
    scenario: Scenario, dice: Random, fates: Fates, parts: Parts = REAL
) -> Simulation:
    """Play a scenario, and check what it leaves."""
    with listening() as surprises, uncollected():
        simulation = Simulation(scenario, dice, fates, parts).run()
        check(simulation)
    if surprises.found:
        raise Violation(f"nobody expects {surprises.found[0]!r}")
    return simulation


def digest(simulation: Simulation) -> str:
    """What happened, in brief: equal for equal runs."""
    return sha256(repr(simulation.trace).encode()).hexdigest()
