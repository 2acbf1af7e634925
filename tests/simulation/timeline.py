"""Virtual time: an event loop that jumps to whatever happens next."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class StandstillError(Exception):
    """Everyone waits, and nothing will ever wake them."""


class Timeline(asyncio.BaseEventLoop):
    """Its time stands still while anything can run, and then jumps. Seconds from 0."""

    def __init__(self) -> None:
        super().__init__()
        self._moment = 0.0
        self._selector = self
        # Two things less than a microsecond apart happen in one turn.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._moment

    def select(self, timeout: float | None) -> Sequence[Any]:
        """What the base class waits with: here nobody waits."""
        if timeout is None:
            raise StandstillError
        self._moment += timeout
        return ()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end, then end whatever is left."""
        self.set_exception_handler(lambda loop, context: None)
        try:
            return self.run_until_complete(work)
        finally:
            self.run_until_complete(self._end())
            self.close()

    async def _end(self) -> None:
        # Again, since what ends may begin something.
        while left := asyncio.all_tasks(self) - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _process_events(self, event_list: Sequence[Any]) -> None:
        """There are none: no file is ever waited for."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""
