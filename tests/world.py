"""A world for tests: the real services over SQLite, with a clock that tests turn."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chalicelib.errors import ConnectionGoneError
from chalicelib.local.database import Database
from chalicelib.local.queue import SqliteQueue
from chalicelib.local.store import SqliteStore
from chalicelib.services.suites import Suites
from chalicelib.settings import Settings
from chalicelib.wiring import Tilts

START = 1_795_000_000.0
SUITES = Path(__file__).parent / "data" / "suites"
"""tiny-1: a few small tasks of every kind."""


class TestClock:
    """A clock that stands still until it is turned."""

    __test__ = False

    def __init__(self, moment: float = START) -> None:
        self.moment = moment

    def now(self) -> float:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += seconds

    async def sleep(self, seconds: float) -> None:
        # Nothing waits in tests; those that sleep for ever are cancelled.
        await asyncio.sleep(min(seconds, 0.01))


class CountingIds:
    """Ids in order: x_1, x_2, ..."""

    def __init__(self) -> None:
        self.count = 0

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"


class ListFeed:
    """A live feed that keeps what was sent; connections in `gone` have left."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.gone: set[str] = set()
        self.closed: list[str] = []

    def send(self, connection: str, frame: str) -> None:
        if connection in self.gone:
            raise ConnectionGoneError(f"{connection} has left.")
        self.sent.append((connection, frame))

    def close(self, connection: str) -> None:
        self.closed.append(connection)


class World:
    """Services, and what is outside them within reach of a test."""

    def __init__(
        self,
        path: Path,
        settings: Settings | None = None,
        suites: Suites | None = None,
        store: SqliteStore | None = None,
    ) -> None:
        """`store`: another one, in the place of that in the file at `path`."""
        self.database = Database(path)
        self.store = store or SqliteStore(self.database)
        self.clock = TestClock()
        self.queue = SqliteQueue(self.database, self.clock)
        self.feed = ListFeed()
        self.ids = CountingIds()
        self.suites = suites or Suites(SUITES)
        self.tilts = Tilts(
            self.store,
            self.queue,
            self.feed,
            self.clock,
            self.ids,
            settings or Settings(path.parent),
            self.suites,
        )

    def drain(self, queue: str, handle: Callable[[dict[str, Any]], object]) -> int:
        """Hand over every message of a queue that can be received; how many."""
        count = 0
        while messages := self.queue.receive(queue, 10, 900):
            for message in messages:
                handle(message.body)
                self.queue.delete([message])
                count += 1
        return count

    def expand(self) -> int:
        """Do what the expand queue asks for."""
        return self.drain(
            "expand",
            lambda body: self.tilts.tend(body["expand"], body["start"]),
        )

    def play(self, seconds_left: float = 900.0) -> int:
        """Do what the play queue asks for."""
        return self.drain(
            "play", lambda body: self.tilts.play(body["play"], seconds_left)
        )

    def tell(self) -> int:
        """Do what the broadcast queue asks for."""
        return self.drain("broadcast", self.tilts.spectators.broadcast)

    def work(self) -> None:
        """Do everything that is asked for, until nothing is."""
        while self.expand() + self.play() + self.tell():
            pass
