"""The one seam through which the evaluator reaches the outside.

Beside it the seam for doing one thing to many, where order does not matter.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

log = logging.getLogger("tilts.perform")

T = TypeVar("T")


class Perform(Protocol):
    """Carries out one synchronous call to the outside; each is one io point."""

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        """The result of call(*args)."""


async def perform_directly(call: Callable[..., T], *args: Any) -> T:
    """Call it here and now: right where a call takes microseconds, as on SQLite."""
    return call(*args)


class ForEach(Protocol):
    """Does one thing to each of many, perhaps at the same time."""

    def __call__(self, act: Callable[[T], None], items: Iterable[T]) -> None:
        """Return when all are done; the first error is raised then."""


def one_after_another(act: Callable[[T], None], items: Iterable[T]) -> None:
    """Where each takes microseconds, as with sockets of this process."""
    for item in items:
        act(item)


def at_once(call: Callable[[], None]) -> None:
    """Where it takes microseconds, nothing is put aside."""
    call()


class Pooled:
    """All seams over threads: right where a call waits for a network.

    boto3's clients may be used from any thread. A task that is cancelled no longer
    waits for its call, which then comes to its own end.
    """

    def __init__(self, pool: "Executor") -> None:
        self._pool = pool
        self._aside: list[Future[None]] = []

    async def perform(self, call: Callable[..., T], *args: Any) -> T:
        """The result of call(*args), made by one of the threads."""
        import asyncio

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(call, *args))

    def aside(self, call: Callable[[], None]) -> None:
        """Have it done without waiting for it now."""
        self._aside.append(self._pool.submit(call))

    @contextmanager
    def to_the_end(self) -> Iterator[None]:
        """Around what may be frozen at its end: what was put aside is done by then."""
        try:
            yield
        finally:
            aside, self._aside = self._aside, []
            for one in aside:
                if error := one.exception():
                    log.error("what was put aside failed: %r", error)

    def for_each(self, act: Callable[[T], None], items: Iterable[T]) -> None:
        """As many at a time as there are threads."""
        for _ in self._pool.map(act, items):
            pass
