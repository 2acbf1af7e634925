"""One run: the real services, wired to a world in which things go wrong."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, cast

from chalicelib.errors import ConflictError
from chalicelib.interfaces import Queue, Store
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Player
from chalicelib.records import Evaluation
from chalicelib.services.endings import Endings
from chalicelib.services.episodes import Episodes
from chalicelib.services.evaluations import Evaluations
from chalicelib.services.offers import Offers
from chalicelib.services.plans import Plans
from chalicelib.services.quotes import Quotes
from chalicelib.services.spectators import Spectators
from chalicelib.services.sweeps import Sweeps
from chalicelib.services.visits import Visits
from tests.simulation.building import TEAM, make_spectators, submit
from tests.simulation.fates import Fates, Stormy
from tests.simulation.memory import MemoryStore
from tests.simulation.post import Letter, Post
from tests.simulation.processes import START, Killed, OutageError, Process
from tests.simulation.provider import ANSWERS, PAID, Callers, make_offers
from tests.simulation.puppets import Ask, Remote, run_puppet
from tests.simulation.rules import Rules
from tests.simulation.scenarios import RICH, TINY, Scenario
from tests.simulation.spectating import Spectator, Studio
from tests.simulation.timeline import Timeline
from tests.simulation.witness import Violation, Witness

Json = dict[str, Any]

SWEEP_SECONDS = 60.0
LIMIT_SECONDS = 30_000.0
AFTERMATH_SECONDS = 260.0
"""Until whoever was frozen has woken, and what was late has come."""
VISIBILITY_SECONDS = 960.0
RECEIVES = 5


@dataclass(frozen=True)
class Parts:
    """The real pieces; a mutant puts another in the place of one."""

    store: Callable[[], MemoryStore] = MemoryStore
    episodes: type[Episodes] = Episodes
    endings: type[Endings] = Endings
    evaluations: type[Evaluations] = Evaluations
    sweeps: type[Sweeps] | None = Sweeps
    is_forgetful: bool = False


REAL = Parts()


class Counting:
    """Ids in order."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


class Simulation:
    """A world of its own; `run` plays the scenario to its end, or raises Violation."""

    def __init__(
        self, scenario: Scenario, dice: Random, fates: Fates, parts: Parts = REAL
    ) -> None:
        self.scenario = scenario
        self.dice = dice
        self.fates = fates
        self.parts = parts
        self.loop = Timeline()
        self.store = parts.store()
        self.witness = Witness(self.store, self.now)
        self.post = Post(self)
        self.ids = Counting()
        self.points = 0
        self.names: list[str] = []
        self.trace: list[tuple[Any, ...]] = []
        self.live: dict[str, asyncio.Task[None]] = {}
        self.studio = Studio(self.witness, dice)
        self.spectators: list[Spectator] = []
        self.violation: Violation | None = None
        self._playing = 0
        self._line: deque[Letter] = deque()
        self._script = list(scenario.script)
        self._found: dict[str, Player] = {}

    # What the world knows.

    def now(self) -> float:
        return START + self.loop.time()

    @property
    def counts(self) -> Counter[str]:
        return self.witness.counts

    def count(self, name: str) -> None:
        self.counts[name] += 1

    @cached_property
    def offers(self) -> Offers:
        return make_offers(self)

    @cached_property
    def row(self) -> Any:
        player = Callers(self, self.birth("nobody"), False).find(PAID)
        return cast(ModelPlayer, player).row

    def found(self, player_id: str, find: Callable[[str], Player]) -> Player:
        if player_id not in self._found:
            self._found[player_id] = find(player_id)
        return self._found[player_id]

    def answer_kind(self) -> str:
        """What becomes of the next call."""
        if self._script:
            return self._script.pop(0)
        return self.dice.choice(ANSWERS)

    def think(self) -> float:
        """Seconds that a model takes: few, and sometimes very many."""
        if self.dice.random() < 0.06:
            return self.dice.uniform(60.0, 118.0)
        return self.dice.uniform(*self.scenario.thinking)

    # What happens to processes.

    def next_fate(self, process: Process, name: str) -> Any:
        self.points += 1
        try:
            fate = self.fates.at(self.points, process.kind, name)
        except Violation as violation:
            self.violation = self.violation or violation
            raise
        self.names.append(name)
        self.trace.append((self.loop.time(), process.name, name, fate))
        return fate

    def before(self, process: Process, name: str, args: tuple[Any, ...]) -> None:
        self._look(lambda: self.witness.before(process, name, args))

    def after(
        self, process: Process, name: str, args: tuple[Any, ...], result: Any
    ) -> None:
        self._look(lambda: self.witness.after(process, name, args, result))

    def bill(self, process: Process, episode: str, call: str, cost: int) -> None:
        self.count("calls")
        self._look(lambda: self.witness.see_bill(process, episode, call, cost))

    def allow(self, episode: str, why: str) -> None:
        self.count(why)
        self.witness.allowed[episode] += 1

    def note_death(self, process: Process) -> None:
        self.witness.see_death(process)

    def note_timeout(self, process: Process) -> None:
        self.count("timeouts")
        if not process.is_excused:
            self._look(lambda: fail(f"{process.name} was still at work at its end"))

    def _look(self, check: Callable[[], None]) -> None:
        try:
            check()
        except Violation as violation:
            self.violation = self.violation or violation
            raise

    # What processes do.

    def birth(self, kind: str, seconds: float = 900.0) -> Process:
        self.count("processes")
        skew = self.dice.uniform(-1, 1) * self.scenario.skew
        name = f"{kind}-{self.counts['processes']}"
        return Process(self, name, kind, skew, seconds)

    def begin(
        self, process: Process, work: Callable[[], Any], done: Callable[[], None]
    ) -> None:
        """Run it as a process; `done` when it came to its end alive."""

        async def life() -> None:
            try:
                await work()
            except (Killed, Violation):
                return
            except OutageError:
                return
            finally:
                self.live.pop(process.name, None)
                process.is_over = True
            if not process.is_dead:
                done()

        self.live[process.name] = self.loop.create_task(life())

    def arrive(self, letter: Letter) -> None:
        """A message reaches its handler."""
        handle = getattr(self, f"handle_{letter.queue}", None)
        if handle is not None and letter.receives <= RECEIVES:
            handle(letter)

    def handle_play(self, letter: Letter) -> None:
        if self._playing >= self.scenario.workers:
            self._line.append(letter)
            return
        self._playing += 1
        process = self.birth("play", self.scenario.function_seconds)
        stop_at = process.now() + self.scenario.function_seconds

        async def work() -> None:
            try:
                await self.make_episodes(process).play(letter.body["play"], stop_at)
            finally:
                self._playing -= 1
                if self._line:
                    self.handle_play(self._line.popleft())

        self.begin(process, work, lambda: self.post.delete(letter))

    def handle_expand(self, letter: Letter) -> None:
        process, body = self.birth("expand"), letter.body

        def tend(ask: Ask) -> None:
            self.make_evaluations(process, ask).tend(body["expand"], body["start"])

        self.begin(
            process,
            lambda: run_puppet(process, tend),
            lambda: self.post.delete(letter),
        )

    def handle_broadcast(self, letter: Letter) -> None:
        if not self.spectators:
            return
        process = self.birth("broadcast")

        async def work() -> None:
            await process(self.make_spectators(process).broadcast, letter.body)

        self.begin(process, work, lambda: self.post.delete(letter))

    def sweep(self) -> None:
        if self.parts.sweeps is None:
            return
        process = self.birth("sweep", SWEEP_SECONDS * 5)
        self.count("sweeps")
        sweeps = self.parts.sweeps(
            self.store,
            self.post,
            process,
            self.parts.endings(self.store, self.post, process),
            Visits(self.store, self.post, process, self.ids, TINY),
            process,
        )
        self.begin(process, sweeps.sweep, lambda: None)

    def make_episodes(self, process: Process) -> Episodes:
        return self.parts.episodes(
            self.store,
            self.post,
            process,
            self.ids,
            TINY,
            Callers(self, process, self.parts.is_forgetful),
            self.parts.endings(self.store, self.post, process),
            process,
            self.choose_rules(),
        )

    def choose_rules(self) -> Rules:
        """After a deploy most processes run the new code, some still the old."""
        deploy = self.scenario.deploy_at
        if deploy is None or self.loop.time() < deploy:
            return Rules()
        is_soon = self.loop.time() < deploy + 300
        is_old = is_soon and self.dice.random() < self.scenario.old_share
        return Rules(not is_old, self.scenario.twist)

    def make_evaluations(self, process: Process, ask: Ask) -> Evaluations:
        store = cast(Store, Remote(self.store, ask))
        queue = cast(Queue, Remote(self.post, ask))
        plans = Plans(Callers(self, process, False))
        quotes = Quotes(store, plans)
        return self.parts.evaluations(
            store, queue, process, self.ids, TINY, plans, quotes, RICH * 10
        )

    def make_spectators(self, process: Process) -> Spectators:
        return make_spectators(self, process)

    # What the owner does.

    def control(self, what: str, evaluation: str) -> None:
        process = self.birth("control")

        def act(ask: Ask) -> None:
            try:
                getattr(self.make_evaluations(process, ask), what)(evaluation)
            except ConflictError:
                return

        self.begin(process, lambda: run_puppet(process, act), lambda: None)

    async def submit(self) -> list[Evaluation]:
        made = []
        for number in range(len(self.scenario.orders)):
            made.append(submit(self, number))
            if self.scenario.gap:
                await asyncio.sleep(self.scenario.gap)
        return made

    # The course of a run.

    def run(self) -> "Simulation":
        self.loop.run(self._course())
        if self.violation is not None:
            raise self.violation
        return self

    async def _course(self) -> None:
        evaluations = await self.submit()
        for number in range(self.scenario.spectators):
            self.spectators.append(Spectator(self, f"ws_{number}"))
        for when, what, which in self.scenario.controls:
            name = evaluations[which].id
            self.loop.call_later(when, self.control, what, name)
        last = max([0.0, *(when for when, _, _ in self.scenario.controls)])
        while not (self.loop.time() > last and self.is_over(evaluations)):
            await asyncio.sleep(self.scenario.sweep_seconds)
            if self.violation is not None:
                return
            if self.loop.time() > LIMIT_SECONDS:
                self._look(lambda: fail(f"never over: {self.describe()}"))
            if self.loop.time() > self.scenario.storm_seconds:
                self.calm()
                self.resume_what_is_paused()
            for _ in range(self.scenario.sweepers):
                self.sweep()
        self.calm()
        await asyncio.sleep(AFTERMATH_SECONDS)
        while self.live and self.violation is None:
            await asyncio.sleep(SWEEP_SECONDS)
        for spectator in self.spectators:
            spectator.leave()

    def resume_what_is_paused(self) -> None:
        """The owner asks again when the server died over the first request."""
        if self.loop.time() > max([0.0, *(at for at, _, _ in self.scenario.controls)]):
            for one in list(self.store.all_evaluations.values()):
                if one.status == "paused":
                    self.control("resume", one.id)

    def calm(self) -> None:
        if isinstance(self.fates, Stormy):
            self.fates.is_over = True
        self.post.is_calm = True

    def is_over(self, evaluations: Sequence[Evaluation]) -> bool:
        if any(not one.is_over for one in self.store.all_episodes.values()):
            return False
        now = [self.store.evaluation(one.id) for one in evaluations]
        if any(one.status != "finished" or one.untended for one in now):
            return False
        spent = sum(self.store.money(one.id).spent_microusd for one in evaluations)
        if any(self.store.money(one.id).held_microusd for one in evaluations):
            return False
        return self.store.month_total(TEAM, evaluations[0].created_at[:7]) == spent

    def describe(self) -> str:
        """What is left open."""
        open_ones = [e for e in self.store.all_episodes.values() if not e.is_over]
        money = {name: self.store.money(name) for name in self.store.all_evaluations}
        statuses = {n: e.status for n, e in self.store.all_evaluations.items()}
        return f"{open_ones} {statuses} {money} {self.store.reservations}"


def fail(text: str) -> None:
    """Say that an invariant does not hold."""
    raise Violation(text)
