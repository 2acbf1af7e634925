"""What is asked of Tilts in one run, and what the world is like."""

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any, Final

from chalicelib.games import GAMES, find_game
from chalicelib.records import Suite, Task
from chalicelib.services.suites import SHIPPED, Suites
from tests.simulation.fates import Weather
from tests.simulation.provider import PAID, POISON

TASKS_OF_A_GAME: Final = 3
RICH: Final = 10**9
FUNCTION_SECONDS: Final = 900.0
STORM_SECONDS: Final = 1_000.0


class TinySuites(Suites):
    """Suites of few small tasks: `<game codes and counts>`, as `MS-I.1 MM-I.2`."""

    def __init__(self) -> None:
        super().__init__(SHIPPED)
        self._made: dict[str, Suite] = {}

    def suite(self, suite_id: str) -> Suite:
        if suite_id not in self._made:
            self._made[suite_id] = make_suite(suite_id)
        return self._made[suite_id]

    def task(self, task_id: str) -> Task:
        return self._tiny[task_id]

    @cached_property
    def _tiny(self) -> dict[str, Task]:
        return {
            task.id: task
            for code in GAMES
            for task in (make_task(code, n) for n in range(1_000))
        }


@cache
def smallest_variant(code: str) -> str:
    """The variant of a game whose episodes are shortest."""
    game = find_game(code)
    return min(game.variants, key=lambda name: (game.longest(name), name))


@cache
def make_task(code: str, number: int) -> Task:
    game = find_game(code)
    seed = f"{number:064x}"
    variant = smallest_variant(code)
    return Task(f"{code}-{number:016x}", code, game.kind, variant, seed, game.generator)


@cache
def make_suite(name: str) -> Suite:
    tasks = tuple(
        make_task(code, number)
        for code, count in (part.split(".") for part in name.split())
        for number in range(int(count))
    )
    limits = {"output_tokens_per_call": 16_000, "tokens_per_episode": 400_000}
    return Suite(name, "public", tasks, "", {"limits": limits})


@dataclass(frozen=True)
class Order:
    """One evaluation: who plays what, and for how much at most."""

    suite: str
    entries: tuple[str, ...]
    repeats: int = 1
    budget: int = RICH
    cap: int | None = None


@dataclass(frozen=True)
class Scenario:
    """Everything about a run but its dice."""

    orders: tuple[Order, ...]
    function_seconds: float = FUNCTION_SECONDS
    controls: tuple[tuple[float, str, int], ...] = ()
    """(when, pause | resume | cancel, which evaluation)"""
    deploy_at: float | None = None
    twist: bool = False
    skew: float = 0.0
    spectators: int = 0
    weather: Weather = field(default_factory=Weather)
    storm_seconds: float = STORM_SECONDS
    sweepers: int = 1
    sweep_seconds: float = 60.0
    lost_messages: float = 0.03
    doubled_messages: float = 0.06
    lost_deletes: float = 0.05
    late_messages: float = 0.15
    thinking: tuple[float, float] = (0.5, 30.0)
    workers: int = 10_000
    """How many messages are played at once; the others wait in line."""
    gap: float = 0.0
    """Seconds between one evaluation and the next."""
    script: tuple[str, ...] = ()
    """What the provider does with the first calls; then the dice say."""
    old_share: float = 0.3
    """How many of the processes that begin soon after a deploy are still old."""

    def calm(self) -> "Scenario":
        """The same where nothing is lost, doubled or late by itself."""
        return replace(
            self,
            weather=Weather(0, 0, 0, 0, 0),
            lost_messages=0.0,
            doubled_messages=0.0,
            lost_deletes=0.0,
            late_messages=0.0,
            skew=0.0,
        )


def draw_scenario(dice: Random) -> Scenario:
    """Some scenario: small, and seldom an easy one."""
    orders = tuple(draw_order(dice) for _ in range(1 if dice.random() < 0.7 else 2))
    deploys = dice.random() < 0.2
    return Scenario(
        orders,
        function_seconds=dice.choice((900.0, 900.0, 420.0, 260.0)),
        controls=draw_controls(dice, len(orders)) if dice.random() < 0.3 else (),
        deploy_at=dice.uniform(5.0, 240.0) if deploys else None,
        twist=deploys and dice.random() < 0.4,
        skew=dice.choice((0.5, 2.0, 8.0, 8.0, 60.0)),
        spectators=dice.choice((0, 0, 0, 2)),
        weather=Weather().times(dice.choice((0.4, 1.0, 1.0, 3.0))),
        sweepers=dice.choice((1, 1, 1, 2)),
        sweep_seconds=dice.choice((60.0, 120.0, 120.0)),
    )


def draw_order(dice: Random) -> Order:
    suite = dice.choice(("MS-I.1", "MM-I.1", "MS-I.1 MM-I.1", "MS-I.2", "MM-I.2"))
    entries = dice.choice(
        (
            (PAID,), (PAID,), (PAID, "baseline~random~1"), (PAID, "mock~random~1"),
            ("mock~stumbling~1",), ("mock~random~1", "baseline~random~1"),
            (PAID, f"{PAID}+1"),
        )
    )  # fmt: skip
    if dice.random() < 0.02:
        entries = (*entries, POISON)
    budget, cap = RICH, None
    if dice.random() < 0.4:
        cap = dice.choice((250_000, 500_000, 1_000_000))
        budget = dice.choice((1, 2, 3)) * cap
    return Order(suite, entries, 1 if len(entries) > 1 else 2, budget, cap)


def draw_controls(dice: Random, orders: int) -> tuple[tuple[float, str, int], ...]:
    which = dice.randrange(orders)
    at = dice.uniform(1.0, 120.0)
    kind = dice.random()
    if kind < 0.3:
        return ((at, "cancel", which),)
    again = at + dice.choice((0.5, 5.0, 150.0, 400.0))
    controls: list[Any] = [(at, "pause", which)]
    if kind < 0.5:
        return (*controls, (again, "cancel", which))
    controls.append((again, "resume", which))
    if kind < 0.7:
        later = again + dice.uniform(0.2, 60.0)
        controls += [(later, "pause", which), (later + 90.0, "resume", which)]
    return tuple(controls)


TINY: Final = TinySuites()
FOLDER: Final = Path(__file__).parent
