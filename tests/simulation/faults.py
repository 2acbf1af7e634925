"""One fault, or two, at every io point of a quiet run."""

from dataclasses import replace
from functools import cache
from random import Random

from chalicelib.games import GAMES
from chalicelib.games.chance import Chance
from tests.simulation.fates import Calm, Fates, Scripted
from tests.simulation.processes import Fate
from tests.simulation.provider import PAID
from tests.simulation.scenarios import Order, Scenario
from tests.simulation.seeds import run_scenario
from tests.simulation.simulation import REAL, Parts, Simulation
from tests.simulation.witness import Violation

SIDES = ("before", "after")
ZOMBIE_SECONDS = 130.0

KINDS = {
    "a kill before": Fate(kill="before"),
    "a kill after": Fate(kill="after"),
    "a freeze before": Fate(freeze="before", seconds=ZOMBIE_SECONDS),
    "a freeze after": Fate(freeze="after", seconds=ZOMBIE_SECONDS),
    "a refusal": Fate(refused=True),
    "a lost reply": Fate(lost=True),
    "a repeated request": Fate(repeated=True),
}


def calm_scenario(*orders: Order, **changes: object) -> Scenario:
    """Nothing goes wrong in it by itself."""
    scenario = Scenario(orders, thinking=(1.0, 8.0)).calm()
    return replace(scenario, **changes)  # type: ignore[arg-type]  # names of fields are checked by replace


def game_scenarios() -> dict[str, Scenario]:
    """For every game a paid episode and a scripted one, and some turns of events."""
    found = {
        code: calm_scenario(Order(f"{code}.1", (PAID, "mock~stumbling~1")))
        for code in GAMES
    }
    tight = Order("MM-I.1", (PAID, f"{PAID}+1"), 1, 400_000, 390_000)
    found["a budget for one at a time"] = calm_scenario(tight)
    two = Order("MS-I.1 MM-I.1", (PAID,))
    found["a pause"] = calm_scenario(
        two, controls=((5.0, "pause", 0), (70.0, "resume", 0))
    )
    found["a cancellation"] = calm_scenario(two, controls=((5.0, "cancel", 0),))
    found["a deploy"] = calm_scenario(two, deploy_at=8.0, function_seconds=150.0)
    found["a deploy of other rules"] = calm_scenario(
        two, deploy_at=8.0, twist=True, function_seconds=150.0
    )
    return found


SCENARIOS = game_scenarios()


def run_calm(name: str, fates: Fates, parts: Parts = REAL, seed: int = 0) -> Simulation:
    """A quiet run of a scenario, but for what the fates have for it."""
    return run_scenario(SCENARIOS[name], Random(f"{name} {seed}"), fates, parts)


@cache
def count_points(name: str) -> int:
    """How many io points a run without faults has."""
    return run_calm(name, Calm()).points


def run_with(name: str, faults: dict[int, Fate], parts: Parts = REAL) -> Simulation:
    """A run with a fault at each of these io points. Violation, which names them."""
    try:
        return run_calm(name, Scripted(faults), parts)
    except Violation as violation:
        raise Violation(f"{violation}\nin {name!r} with {faults}") from violation


def sample_pairs(name: str, count: int) -> list[dict[int, Fate]]:
    """Pairs of kills; the second falls where the first run has no end yet."""
    chance = Chance("pairs of kills", name)
    points = count_points(name)
    return [
        {
            1 + chance.below(2 * points): Fate(kill=chance.choice(SIDES)),
            1 + chance.below(points): Fate(kill=chance.choice(SIDES)),
        }
        for _ in range(count)
    ]
