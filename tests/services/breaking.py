"""Ways to break a worker: kill it at an io point, freeze it there, watch what it does.

A worker here is the real `Episodes`, whose one way out, `perform`, is handed in.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from chalicelib.events import Event, hash_log, write_transcript
from chalicelib.interfaces import Clock
from chalicelib.records import Episode, Evaluation, Result, Task
from chalicelib.services import messages
from chalicelib.services.endings import Endings
from chalicelib.services.episodes import Episodes
from chalicelib.services.heartbeats import LEASE_SECONDS
from chalicelib.services.perform import Perform
from chalicelib.services.plans import make_episode
from chalicelib.services.players import Players
from chalicelib.services.sweeps import ASK_AGAIN_SECONDS, Sweeps
from tests.world import World

T = TypeVar("T")
EVALUATION = "ev_test"


class Killed(BaseException):
    """The process is dead: nothing it would have done is done."""


class StillClock:
    """A world's clock on which those that sleep never wake: no heartbeat, no teller."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.get_running_loop().create_future()


class WakingClock(StillClock):
    """A world's clock that wakes sleepers when their moment has come, at `wake`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now() + seconds, woken))
        await woken

    async def wake(self) -> None:
        """Wake who is due, and let everyone go on."""
        for moment, woken in self._sleepers:
            if moment <= self.now() and not woken.done():
                woken.set_result(None)
        for _ in range(5):
            await asyncio.sleep(0)


class Witness:
    """Sees every io point of every worker, and checks what must hold at each.

    Committed events never change, nothing is told before it is committed, a call is
    settled only after its intent was kept, an episode is closed once.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.logs: dict[str, list[str]] = {}
        self.closed: dict[str, list[tuple[Any, ...]]] = {}

    def see_before(self, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        name = call.__name__
        if name == "settle":
            kept = {row.id for row in self.world.store.calls(args[0].episode)}
            assert args[0].id in kept, f"{args[0].id} is settled without an intent"
        if name == "send" and args[0] == messages.BROADCAST:
            for body in args[1]:
                told, there = body["n"], len(lines_of(self.world, body["episode"]))
                assert told <= there, f"told of {told}, committed {there}"

    def see_after(
        self, call: Callable[..., Any], args: tuple[Any, ...], result: Any
    ) -> None:
        if call.__name__ == "close" and result:
            self.closed.setdefault(args[0], []).append(args[1:3])
        for episode in open_and_closed(self.world):
            lines = lines_of(self.world, episode.id)
            before = self.logs.get(episode.id, [])
            assert lines[: len(before)] == before, "a committed event has changed"
            self.logs[episode.id] = lines


class Watched:
    """A `perform` that is seen by a witness and may be killed at one io point."""

    def __init__(
        self, witness: Witness, kill_at: int | None = None, side: str = "before"
    ) -> None:
        self.witness = witness
        self.kill_at = kill_at
        self.side = side
        self.count = 0
        self.names: list[str] = []
        self.is_dead = False

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        self._die_if(self.is_dead)
        self.count += 1
        self.names.append(call.__name__)
        self._die_if(self.count == self.kill_at and self.side == "before")
        self.witness.see_before(call, args)
        result = call(*args)
        self.witness.see_after(call, args, result)
        self._die_if(self.count == self.kill_at)
        return result

    def _die_if(self, killed: bool) -> None:
        if killed:
            self.is_dead = True
            raise Killed


class Meddling(Watched):
    """A `perform` that lets something else happen just before one io point."""

    def __init__(
        self,
        witness: Witness,
        at: Callable[[int, str, tuple[Any, ...]], bool],
        meddle: Callable[[], object],
        turn: float = 0.0,
    ) -> None:
        super().__init__(witness)
        self._at = at
        self._meddle = meddle
        self._turn = turn
        self.has_meddled = False

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        if not self.has_meddled and self._at(self.count + 1, call.__name__, args):
            self.has_meddled = True
            self._meddle()
        self.witness.world.clock.turn(self._turn)
        return await super().__call__(call, *args)


class Freezing(Watched):
    """A `perform` that stands still at one io point until it is thawed."""

    def __init__(self, witness: Witness, freeze_at: int, side: str) -> None:
        super().__init__(witness)
        self._freeze_at = freeze_at
        self._freeze_side = side
        self.frozen = asyncio.Event()
        self.thawed = asyncio.Event()

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        is_here = self.count + 1 == self._freeze_at and not self.frozen.is_set()
        if is_here and self._freeze_side == "before":
            await self._freeze()
        result = await super().__call__(call, *args)
        if is_here and self._freeze_side == "after":
            await self._freeze()
        await asyncio.sleep(0)
        return result

    async def _freeze(self) -> None:
        self.frozen.set()
        await self.thawed.wait()


@contextmanager
def fresh_world(path: Path) -> Iterator[World]:
    """A world of its own, for tests that need many."""
    path.mkdir(parents=True, exist_ok=True)
    world = World(path / "tilts.db")
    try:
        yield world
    finally:
        close_world(world)
        for file in path.iterdir():
            file.unlink()
        path.rmdir()


def close_world(world: World) -> None:
    """Let go of the file and of the event loop, if one was made."""
    world.tilts.close()
    world.database.close()


def task_of(world: World, game: str) -> Task:
    """The last task of a game in tiny-1."""
    tasks = world.suites.suite("tiny-1").tasks
    return [task for task in tasks if task.game == game][-1]


def begin(
    world: World, plan: list[tuple[str, str]], budget_microusd: int = 0
) -> list[Episode]:
    """An evaluation with one episode per (entry, game), asked for in one message."""
    world.store.create_evaluation(
        Evaluation(
            id=EVALUATION,
            name="",
            tags=(),
            suite="tiny-1",
            entries=tuple(dict.fromkeys(entry for entry, _ in plan)),
            repeats=1,
            visibility="public",
            team="tests",
            budget_microusd=budget_microusd,
            status="queued",
            created_at="2026-11-18T00:00:00.000Z",
            pinned={},
        ),
        None,
        "",
        budget_microusd,
    )
    evaluation = world.store.evaluation(EVALUATION)
    episodes = [
        make_episode(evaluation, entry, task_of(world, game), repeat, world.clock.now())
        for repeat, (entry, game) in enumerate(plan)
    ]
    world.store.create_episodes(episodes)
    ids = [episode.id for episode in episodes]
    world.queue.send(messages.PLAY, messages.play_messages("test", ids))
    return episodes


def make_worker(
    world: World,
    perform: Perform,
    clock: Clock | None = None,
    players: Players | None = None,
) -> Episodes:
    """A worker whose io goes through `perform`."""
    return Episodes(
        world.store,
        world.queue,
        clock or StillClock(world.clock),
        world.ids,
        world.suites,
        players or world.tilts.players,
        Endings(world.store, world.queue, perform),
        perform,
    )


def play(
    world: World,
    perform: Perform,
    ids: list[str],
    seconds_left: float = 900.0,
    players: Players | None = None,
) -> bool:
    """Play one slice; whether the worker survived it."""
    worker = make_worker(world, perform, players=players)
    try:
        asyncio.run(worker.play(ids, world.clock.now() + seconds_left))
    except Killed:
        return False
    return True


def sweep(world: World, perform: Perform) -> bool:
    """Sweep once; whether the sweeper survived it."""
    sweeps = Sweeps(
        world.store,
        world.queue,
        world.clock,
        Endings(world.store, world.queue, perform),
        world.tilts.visits,
        perform,
    )
    try:
        asyncio.run(cast(Any, sweeps.sweep()))
    except Killed:
        return False
    return True


def play_messages_once(
    world: World, perform: Perform, players: Players | None = None
) -> None:
    """Play what the queue asks for; a killed worker leaves its message undeleted."""
    for message in world.queue.receive(messages.PLAY, 100, 900):
        if play(world, perform, message.body["play"], players=players):
            world.queue.delete([message])


def tend(world: World) -> None:
    """Bring episodes in line with their evaluations, also while a loop is running."""
    world.drain(
        messages.EXPAND,
        lambda body: world.tilts.evaluations.tend(body["expand"], body["start"]),
    )


def go_on(
    world: World, witness: Witness, rounds: int = 12, players: Players | None = None
) -> None:
    """Let time pass, sweep and play until everything is over; at most some rounds."""
    for _ in range(rounds):
        if all(episode.is_over for episode in open_and_closed(world)):
            return
        world.clock.turn(max(LEASE_SECONDS, ASK_AGAIN_SECONDS) + 1)
        perform = Watched(witness)
        sweep(world, perform)
        play_messages_once(world, perform, players)
    left = [e for e in open_and_closed(world) if not e.is_over]
    assert not left, f"never ended: {left}"


def open_and_closed(world: World) -> list[Episode]:
    """Every episode there is."""
    return list(world.store.episodes(None, None, 1_000, None).items)


def lines_of(world: World, episode: str) -> list[str]:
    """The committed log, as it is stored."""
    rows = world.database.connection().execute(
        "SELECT line FROM events WHERE episode=? ORDER BY n", (episode,)
    )
    return [row[0] for row in rows]


def results_of(world: World, evaluation: str = EVALUATION) -> list[Result]:
    """Every result row of an evaluation."""
    return list(world.store.results(evaluation, 1_000, None).items)


@dataclass(frozen=True)
class Ending:
    """What is left of an episode, but for the number of its claims and calls."""

    log: str
    result: Result
    status: str
    end: str | None


def ending_of(world: World, episode_id: str) -> Ending:
    """What an episode came to; checks that its parts agree with one another."""
    episode = world.store.episode(episode_id)
    events = world.store.events(episode_id, 0, 10_000)
    assert [event.n for event in events] == list(range(1, len(events) + 1))
    transcript = world.store.transcript(episode_id)
    assert transcript == write_transcript(events)
    (result,) = [
        row
        for row in results_of(world, episode.evaluation)
        if row.episode == episode_id
    ]
    assert result.log_hash == hash_log(transcript)
    assert result.scores == events[-1].body["scores"]
    assert result.end == events[-1].body["outcome"] == episode.end
    check_calls(world, events, episode_id)
    scores = {**result.scores, "calls": 0}
    masked = replace(result, log_hash="", scores=scores)
    return Ending(mask(transcript.decode()), masked, episode.status, episode.end)


def check_calls(world: World, events: object, episode_id: str) -> None:
    """Every call that the log names is in the ledger, settled, and used once."""
    rows = {row.id: row for row in world.store.calls(episode_id)}
    named = [
        event.body["call"]
        for event in cast("list[Event]", events)
        if event.body.get("call") is not None
    ]
    assert len(named) == len(set(named))
    for call in named:
        assert rows[call].status == "settled"


def count_wasted(world: World, episode_id: str) -> int:
    """How many calls were made whose answer is not in the log."""
    events = world.store.events(episode_id, 0, 10_000)
    named = {event.body.get("call") for event in events}
    return sum(row.id not in named for row in world.store.calls(episode_id))


def mask(log: str) -> str:
    """The log without what a kill may change: the claim of a call, and their number."""
    log = re.sub(r'"call":"(\d+)\.\d+\.(\d+)"', r'"call":"\1.*.\2"', log)
    return re.sub(r'"calls":\d+', '"calls":0', log)
