"""A worker process: python -m tests.model_worker DATABASE PORT KEY

Does what the queues of a database file ask for, with all models at a local server,
as the worker of `make run` does, on the suites beside it. It may be killed at any
moment.
"""

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import app
from chalicelib import wiring
from chalicelib.local.database import Database
from chalicelib.local.queue import SqliteQueue
from chalicelib.local.store import SqliteStore
from chalicelib.local.worker import Consumer, run_worker
from chalicelib.models import find_provider
from chalicelib.services.suites import Suites
from chalicelib.settings import Settings
from chalicelib.wiring import RandomIds, SilentFeed, SystemClock, Tilts
from tests.modelserver.child import ModelServerHandle

PROVIDERS = ("openai", "anthropic", "compatible")
MODELS = ("openai~gpt-6-luna~low", "anthropic~claude-haiku-5-5~low", "compatible~own")
NAMES = (
    *("--name", "gpt-6-luna=tilts-medium"),
    *("--name", "claude-haiku-5-5=tilts-strong"),
    *("--name", "own=tilts-weak"),
)
"""What the local server lends its minds to."""
MONTH_CAP = 10**12


def wire(path: Path, server: ModelServerHandle) -> Tilts:
    """Tilts over a database file, with all models at the local server."""
    settings = Settings(
        path.parent,
        keys=dict.fromkeys(PROVIDERS, server.key),
        base_urls={
            "openai": server.openai_url,
            "anthropic": server.origin,
            "compatible": server.openai_url,
        },
        compatible_models="own=2/0.2/10",
        allow_local_models=True,
        month_cap_microusd=MONTH_CAP,
    )
    clock = SystemClock()
    database = Database(path)
    queue = SqliteQueue(database, clock)
    store = SqliteStore(database)
    suites = Suites(path.parent / "suites")
    return Tilts(store, queue, SilentFeed(), clock, RandomIds(), settings, suites)


def end_with_parent() -> None:
    """Wait for the test's end of the pipe to close, and stop at once."""
    os.read(0, 1)
    os._exit(0)


def main() -> None:
    """Say that it is ready, and work until killed."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    path, port, key = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    tilts = wire(path, replace(ModelServerHandle(port), key=key))
    wiring.install(tilts)
    store, queue = tilts.store, tilts.queue
    assert isinstance(store, SqliteStore)
    assert isinstance(queue, SqliteQueue)
    handlers = {"expand": app.expand_evaluation, "play": app.play_episodes}
    # Whoever held these is dead: the test has killed it.
    store.release_all(tilts.clock.now())
    for name in handlers:
        queue.make_visible(name)
    for provider in PROVIDERS:
        find_provider(provider)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run_worker(Consumer(queue, handlers), app.sweep, lambda: False)


if __name__ == "__main__":
    main()
