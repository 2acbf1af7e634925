"""Wiring: builds the services once per process and chooses what is outside them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.errors import ConnectionGoneError, TiltsError
from chalicelib.settings import DATABASE_NAME, PROVIDERS, Settings, read_settings

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from chalicelib.aws.clients import Clients
    from chalicelib.interfaces import Clock, Ids, LiveFeed, Meter, Queue, Store
    from chalicelib.services.offers import Service
    from chalicelib.services.perform import ForEach, Perform
    from chalicelib.services.suites import Suites

T = TypeVar("T")

log = logging.getLogger("tilts.wiring")


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
        raise ConnectionGoneError(f"{connection} is not connected here.")

    def close(self, connection: str) -> None:
        return None


@dataclass(frozen=True)
class Ways:
    """What is done in one way on one machine and in another in the cloud.

    `perform`, `for_each` and `aside` are the seams of services/perform.py; `services` says how
    each provider is reached; `read_pepper` where the pepper is kept outside the store;
    `around` goes around each invocation, whose Lambda context it is given.
    """

    perform: Perform
    for_each: ForEach
    aside: Callable[[Callable[[], None]], None]
    meter: Meter
    services: Mapping[str, Service]
    read_pepper: Callable[[], str] | None = None
    around: Callable[[Any], AbstractContextManager[None]] = nullcontext


def plain_ways(settings: Settings) -> Ways:
    """The ways of one machine: everything here and now, secrets from the environment."""
    from chalicelib.services.metering import SilentMeter
    from chalicelib.services.offers import Service
    from chalicelib.services.perform import (
        at_once,
        one_after_another,
        perform_directly,
    )

    services = {
        name: Service(
            settings.keys.get(name) or None, settings.base_urls.get(name) or None
        )
        for name in {*settings.keys, *settings.base_urls}
    }
    return Ways(perform_directly, one_after_another, at_once, SilentMeter(), services)


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
        ways: Ways | None = None,
    ) -> None:
        from chalicelib.services.suites import Suites

        self.store = store
        self.queue = queue
        self.feed = feed
        self.clock = clock
        self.ids = ids
        self.settings = settings
        self.suites = suites or Suites()
        self.ways = ways or plain_ways(settings)
        self._wire_play()
        self._wire_access()
        self._wire_reading()
        self._runner: asyncio.Runner | None = None
        self._running = threading.Lock()

    def _wire_play(self) -> None:
        """Who can play, and what is played."""
        from chalicelib.services.evaluations import Evaluations
        from chalicelib.services.offers import Offers
        from chalicelib.services.plans import Plans
        from chalicelib.services.players import Players
        from chalicelib.services.quotes import Quotes
        from chalicelib.services.visits import Visits

        store, queue, clock, ids = self.store, self.queue, self.clock, self.ids
        self.offers = Offers(clock, self.ways.services, self.settings.compatible_models)
        self.players = Players(
            clock, self.offers, self._keep_gate, self.settings.allow_local_models
        )
        plans = Plans(self.players)
        quotes, cap = Quotes(store, plans), self.settings.month_cap_microusd
        self.evaluations = Evaluations(
            store, queue, clock, ids, self.suites, plans, quotes, cap
        )
        self.visits = Visits(store, queue, clock, ids, self.suites)

    def _wire_access(self) -> None:
        """Who may do what, and who is told."""
        from chalicelib.services.access import Access, Pepper
        from chalicelib.services.tickets import Tickets
        from chalicelib.services.webhooks import Webhooks, look_up

        store, clock, ids, settings = self.store, self.clock, self.ids, self.settings
        pepper = Pepper(store, ids, settings.pepper, self.ways.read_pepper)
        self.access = Access(store, clock, ids, pepper, settings.require_keys)
        self.tickets = Tickets(store, clock, ids)
        self.webhooks = Webhooks(
            store,
            self.queue,
            clock,
            pepper,
            lambda url: self.run(lambda: look_up(url)),
        )

    def _wire_reading(self) -> None:
        """What is shown."""
        from chalicelib.services.leaderboards import Leaderboards
        from chalicelib.services.snapshots import Snapshots
        from chalicelib.services.spectators import Spectators

        self.leaderboards = Leaderboards(self.store, self.suites)
        self.snapshots = Snapshots(self.store, self.evaluations)
        self.spectators = Spectators(
            self.store,
            self.queue,
            self.feed,
            self.clock,
            self.snapshots,
            self.tickets,
            self.ways.for_each,
        )

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run the coroutine that `work` makes in this process's one event loop."""
        import asyncio

        with self._running:
            if self._runner is None:
                collect_rarely()
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
        from chalicelib.services.preflight import Preflight

        if not start:
            preflight = Preflight(
                self.store, self.players, self.offers, self.ways.perform
            )
            self.run(lambda: preflight.check(evaluation_id))
        self.evaluations.tend(evaluation_id, start)

    def play(self, episode_ids: list[str], seconds_left: float) -> None:
        """Play a slice of episodes; what is not over in time is queued again."""
        from chalicelib.services.endings import Endings
        from chalicelib.services.episodes import Episodes

        endings = Endings(self.store, self.queue, self.ways.perform)
        episodes = Episodes(
            self.store,
            self.queue,
            self.clock,
            self.ids,
            self.suites,
            self.players,
            endings,
            self.ways.perform,
        )
        begun_at = self.clock.now()
        self.run(lambda: episodes.play(episode_ids, begun_at + seconds_left))
        self.ways.meter.count("SliceSeconds", self.clock.now() - begun_at)

    def sweep(self) -> int:
        """Ask for every episode that nobody holds; how many there were."""
        from chalicelib.services.endings import Endings
        from chalicelib.services.sweeps import Sweeps

        endings = Endings(self.store, self.queue, self.ways.perform)
        sweeps = Sweeps(
            self.store, self.queue, self.clock, endings, self.visits, self.ways.perform
        )
        found = self.run(sweeps.sweep)
        self.ways.meter.count("DueEpisodes", found)
        self.ways.meter.count("LiveSpectators", self.spectators.count())
        return found

    def _keep_gate(self, provider: str, limit: int) -> None:
        """Show how many calls at once a provider takes, as this process has learnt."""
        self.ways.aside(lambda: show_gate(self.store, provider, limit))


def show_gate(store: Store, provider: str, limit: int) -> None:
    """Keep it where people can see it; no call that was paid for depends on it."""
    try:
        was = store.document("gate", provider)
        store.change_document("gate", provider, was, {"limit": limit})
    except TiltsError as error:
        log.warning("the gate of %s is not shown: %s", provider, error)


def collect_rarely() -> None:
    """Look for cycles of garbage a thirtieth as often.

    What an episode makes lives as long as it is played, and is freed without that.
    """
    import gc

    gc.set_threshold(20_000, 20, 20)


_lock = threading.Lock()
_tilts: Tilts | None = None


def tilts() -> Tilts:
    """The services of this process, wired on first use. StartError."""
    global _tilts
    with _lock:
        if _tilts is None:
            _tilts = wire(read_settings())
        return _tilts


def install(services: Tilts | None) -> None:
    """Use these services in this process; None: wire them anew on next use."""
    global _tilts
    with _lock:
        _tilts = services


def wire(settings: Settings) -> Tilts:
    """The services of this process: of the cloud if it has a stage. StartError."""
    if settings.stage:
        return wire_cloud(settings, logger=logging.getLogger())
    return wire_local(SilentFeed(), settings, settings.data)


def wire_local(feed: LiveFeed, settings: Settings, data: Path) -> Tilts:
    """The services of one machine, with a way to its spectators. StartError."""
    from chalicelib.local.database import Database
    from chalicelib.local.queue import SqliteQueue
    from chalicelib.local.store import SqliteStore

    clock = SystemClock()
    database = Database(data / DATABASE_NAME)
    queue = SqliteQueue(database, clock)
    return Tilts(SqliteStore(database), queue, feed, clock, RandomIds(), settings)


def wire_cloud(
    settings: Settings,
    clients: Clients | None = None,
    feed: LiveFeed | None = None,
    clock: Clock | None = None,
    suites: Suites | None = None,
    logger: logging.Logger | None = None,
) -> Tilts:
    """The services of one function of a stage, and its logs. StartError."""
    from concurrent.futures import ThreadPoolExecutor
    from typing import cast

    from chalicelib.aws.clients import THREADS, Clients
    from chalicelib.aws.live_feed import GatewayFeed
    from chalicelib.aws.logs import Observer
    from chalicelib.aws.metrics import EmfMeter
    from chalicelib.aws.queue import SqsQueue
    from chalicelib.aws.secrets import Secrets
    from chalicelib.aws.store import DynamoStore
    from chalicelib.services.metering import MeteredStore
    from chalicelib.services.offers import KeptServices
    from chalicelib.services.perform import Pooled

    clients = clients or Clients(settings.region)
    clock, prefix = clock or SystemClock(), f"tilts-{settings.stage}"
    meter = EmfMeter(settings.stage)
    observer = Observer(settings.stage, meter)
    if logger is not None:
        observer.take_over(logger)
    secrets = Secrets(clients.later("ssm"), settings.stage, clock)

    @contextmanager
    def around(context: Any) -> Iterator[None]:
        with observer.around(context), pooled.to_the_end():
            yield

    pooled = Pooled(ThreadPoolExecutor(THREADS, thread_name_prefix="outside"))
    ways = Ways(
        pooled.perform,
        pooled.for_each,
        pooled.aside,
        meter,
        KeptServices(PROVIDERS, secrets.get, secrets.name, settings.base_urls),
        lambda: secrets.require("key-pepper"),
        around,
    )
    store = DynamoStore(
        clients.later("dynamodb"),
        clients.later("s3"),
        prefix,
        lambda: settings.bucket or f"{prefix}-{clients.account()}",
        clock,
    )
    return Tilts(
        cast("Store", MeteredStore(store, meter)),
        SqsQueue(clients.later("sqs"), prefix),
        feed or GatewayFeed(clients, meter),
        clock,
        RandomIds(),
        settings,
        suites,
        ways,
    )
