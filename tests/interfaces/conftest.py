"""Every back end there is, each as a fresh store and a fresh queue.

A back end joins by one more entry of STORES and of QUEUES.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

import pytest

from chalicelib.interfaces import Queue, Store
from chalicelib.local.database import Database
from chalicelib.local.queue import SqliteQueue
from chalicelib.local.store import SqliteStore
from tests.interfaces.receiving import ReceivingQueue
from tests.interfaces.rows import make_episode
from tests.moto_store import moto_cloud
from tests.world import TestClock


@contextmanager
def sqlite_store(folder: Path) -> Iterator[Store]:
    database = Database(folder / "tilts.db")
    yield SqliteStore(database)
    database.close()


@contextmanager
def sqlite_queue(folder: Path, clock: TestClock) -> Iterator[Queue]:
    database = Database(folder / "tilts.db")
    yield SqliteQueue(database, clock)
    database.close()


@contextmanager
def dynamo_store(folder: Path) -> Iterator[Store]:
    with moto_cloud() as cloud:
        yield cloud.store


STORES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "sqlite": sqlite_store,
    "aws": dynamo_store,
}
QUEUES: dict[str, Callable[[Path, TestClock], AbstractContextManager[Queue]]] = {
    "sqlite": sqlite_queue,
}


@pytest.fixture(params=STORES.values(), ids=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture
def one(store: Store) -> Store:
    """A store with one waiting episode."""
    store.create_episodes([make_episode()])
    return store


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture(params=QUEUES.values(), ids=list(QUEUES))
def queue(
    request: pytest.FixtureRequest, tmp_path: Path, clock: TestClock
) -> Iterator[ReceivingQueue]:
    with request.param(tmp_path, clock) as made:
        yield cast(ReceivingQueue, made)
