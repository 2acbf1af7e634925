"""Wiring: builds the services once per process and chooses what is outside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.settings import DATABASE_NAME, Settings, read_settings

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from chalicelib.interfaces import Clock, Ids, LiveFeed, Queue, Store
    from chalicelib.services.suites import Suites

T = TypeVar("T")


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        import time

        return time.time()  # noqa: TID251 - the one place that reads the clock

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


class RandomIds:
    """Names that cannot be guessed: 128 random bits."""

    def new(self, prefix: str) -> str:
        import secrets

        return prefix + secrets.token_hex(16)


class SilentFeed:
    """The live feed of a process that holds no sockets: everyone is gone."""

    def send(self, connection: str, frame: str) -> None:
        from chalicelib.errors import ConnectionGoneError

        raise ConnectionGoneError(f"{connection} is not connected here.")

    def close(self, connection: str) -> None:
        return None


class Tilts:
    """The services, wired to one store, queue, live feed, clock and source of ids."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        feed: LiveFeed,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        suites: Suites | None = None,
    ) -> None:
        from chalicelib.services.access import Access, Pepper
        from chalicelib.services.evaluations import Evaluations
        from chalicelib.services.leaderboards import Leaderboards
        from chalicelib.services.offers import Offers, Service
        from chalicelib.services.plans import Plans
        from chalicelib.services.players import Players
        from chalicelib.services.quotes import Quotes
        from chalicelib.services.snapshots import Snapshots
        from chalicelib.services.spectators import Spectators
        from chalicelib.services.suites import Suites
        from chalicelib.services.tickets import Tickets
        from chalicelib.services.visits import Visits
        from chalicelib.services.webhooks import Webhooks, look_up

        self.store = store
        self.queue = queue
        self.feed = feed
        self.clock = clock
        self.ids = ids
        self.settings = settings
        self.suites = suites or Suites()
        services = {
            name: Service(
                settings.keys.get(name) or None, settings.base_urls.get(name) or None
            )
            for name in {*settings.keys, *settings.base_urls}
        }
        self.offers = Offers(clock, services, settings.compatible_models)
        self.players = Players(
            clock, self.offers, self._keep_gate, settings.allow_local_models
        )
        plans = Plans(self.players)
        self.evaluations = Evaluations(
            store,
            queue,
            clock,
            ids,
            self.suites,
            plans,
            Quotes(store, plans),
            settings.month_cap_microusd,
        )
        pepper = Pepper(store, ids, settings.pepper)
        self.access = Access(store, clock, ids, pepper, settings.require_keys)
        self.tickets = Tickets(store, clock, ids)
        self.webhooks = Webhooks(
            store, queue, clock, pepper, lambda url: self.run(lambda: look_up(url))
        )
        self.leaderboards = Leaderboards(store, self.suites)
        self.snapshots = Snapshots(store, self.evaluations)
        self.spectators = Spectators(
            store, queue, feed, clock, self.snapshots, self.tickets
        )
        self.visits = Visits(store, queue, clock, ids, self.suites)
        self._runner: asyncio.Runner | None = None
        self._running = threading.Lock()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run the coroutine that `work` makes in this process's one event loop."""
        import asyncio

        with self._running:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(work())

    def close(self) -> None:
        """Give back the event loop, if there was one."""
        with self._running:
            if self._runner is not None:
                self._runner.run(self.players.aclose())
                self._runner.close()
                self._runner = None

    def tend(self, evaluation_id: str, start: int) -> None:
        """Bring an evaluation's episodes in line with it, once its models are there."""
        from chalicelib.services.perform import perform_directly
        from chalicelib.services.preflight import Preflight

        if not start:
            preflight = Preflight(
                self.store, self.players, self.offers, perform_directly
            )
            self.run(lambda: preflight.check(evaluation_id))
        self.evaluations.tend(evaluation_id, start)

    def play(self, episode_ids: list[str], seconds_left: float) -> None:
        """Play a slice of episodes; what is not over in time is queued again."""
        from chalicelib.services.endings import Endings
        from chalicelib.services.episodes import Episodes
        from chalicelib.services.perform import perform_directly

        endings = Endings(self.store, self.queue, perform_directly)
        episodes = Episodes(
            self.store,
            self.queue,
            self.clock,
            self.ids,
            self.suites,
            self.players,
            endings,
            perform_directly,
        )
        stop_at = self.clock.now() + seconds_left
        self.run(lambda: episodes.play(episode_ids, stop_at))

    def sweep(self) -> int:
        """Ask for every episode that nobody holds; how many there were."""
        from chalicelib.services.endings import Endings
        from chalicelib.services.perform import perform_directly
        from chalicelib.services.sweeps import Sweeps

        endings = Endings(self.store, self.queue, perform_directly)
        sweeps = Sweeps(
            self.store, self.queue, self.clock, endings, self.visits, perform_directly
        )
        return self.run(sweeps.sweep)

    def _keep_gate(self, provider: str, limit: int) -> None:
        """Show how many calls at once a provider takes, as this process has learnt."""
        was = self.store.document("gate", provider)
        self.store.change_document("gate", provider, was, {"limit": limit})


def seconds_left(event: Any) -> float:
    """How long the function that handles this event may still run."""
    return float(event.context.get_remaining_time_in_millis()) / 1000


_lock = threading.Lock()
_tilts: Tilts | None = None


def tilts() -> Tilts:
    """The services of this process, wired on first use. StartError."""
    global _tilts
    with _lock:
        if _tilts is None:
            settings = read_settings()
            _tilts = wire_local(SilentFeed(), settings, settings.data)
        return _tilts


def install(services: Tilts | None) -> None:
    """Use these services in this process; None: wire them anew on next use."""
    global _tilts
    with _lock:
        _tilts = services


def wire_local(feed: LiveFeed, settings: Settings, data: Path) -> Tilts:
    """The services of one machine, with a way to its spectators. StartError."""
    from chalicelib.local.database import Database
    from chalicelib.local.queue import SqliteQueue
    from chalicelib.local.store import SqliteStore

    clock = SystemClock()
    database = Database(data / DATABASE_NAME)
    queue = SqliteQueue(database, clock)
    return Tilts(SqliteStore(database), queue, feed, clock, RandomIds(), settings)
