"""Synchronous code whose every call to the outside is an io point of a process.

The code runs in a thread, but never at the same time as anything else: it waits while
the timeline carries its call out, and the timeline waits while it thinks.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from tests.simulation.processes import Process

T = TypeVar("T")
Ask = Callable[..., Any]
Asked = SimpleQueue[tuple[Any, Any]]
Told = SimpleQueue[tuple[bool, Any]]

THREADS = ThreadPoolExecutor(64, "puppet")


class Remote:
    """A store or a queue whose every call is asked for."""

    def __init__(self, real: object, ask: Ask) -> None:
        self._real = real
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._real, name)
        return lambda *args: self._ask(call, *args)


async def run_puppet(process: Process, work: Callable[[Ask], None]) -> None:
    """Run `work`, which makes its calls with what it is handed."""
    asked: Asked = SimpleQueue()
    told: Told = SimpleQueue()
    THREADS.submit(play_puppet, work, asked, told)
    while True:
        call, args = asked.get()
        if call is None:
            if args is not None:
                raise args
            return
        try:
            value = await process(call, *args)
        except BaseException as error:
            told.put((False, error))
        else:
            told.put((True, value))


def play_puppet(work: Callable[[Ask], None], asked: Asked, told: Told) -> None:
    """What the thread does: the work, and at its end what came of it."""

    def ask(call: Callable[..., T], *args: Any) -> T:
        asked.put((call, args))
        is_good, value = told.get()
        if is_good:
            return value  # type: ignore[no-any-return]  # the queue carries results of any call
        raise value

    try:
        work(ask)
    except BaseException as error:
        asked.put((None, error))
    else:
        asked.put((None, None))
