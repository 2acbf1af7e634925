"""Gates: how many calls to one provider may be under way, learnt from its answers.

It starts at 20, shrinks by 0.8 when the provider says that there are too many, at most
once in a while, and grows by a twentieth after a clean round: as many calls in a row
as the limit allows at once. A Retry-After closes the gate until then.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from chalicelib.errors import BusyError
from chalicelib.players.player import Timer

START: Final = 20
FEWEST: Final = 1
MOST: Final = 200
SHRINK: Final = 0.8
GROWTH: Final = 0.05
COOLDOWN_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.05


class Gate:
    """The limit on calls to one provider in this process."""

    def __init__(
        self, timer: Timer, changed: Callable[[int], None] = lambda limit: None
    ) -> None:
        self.limit = START
        self.in_flight = 0
        self._timer = timer
        self._changed = changed
        self._clean = 0
        self._closed_until = 0.0
        self._shrinks_from = 0.0

    @asynccontextmanager
    async def pass_through(self, latest: float) -> AsyncIterator[None]:
        """Hold one of the places; BusyError when none is free before `latest`."""
        while self.in_flight >= self.limit or self._timer.now() < self._closed_until:
            if max(self._timer.now(), self._closed_until) >= latest:
                raise BusyError("The provider takes no more calls now.")
            await self._timer.sleep(LOOK_SECONDS)
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def note_success(self) -> None:
        """A call was answered."""
        self._clean += 1
        if self._clean >= self.limit and self.limit < MOST:
            self._clean = 0
            self._set(min(MOST, self.limit + max(1, round(GROWTH * self.limit))))

    def note_rate_limit(self, retry_after: float | None) -> None:
        """The provider said that there are too many calls."""
        now = self._timer.now()
        self._clean = 0
        if retry_after is not None:
            self._closed_until = max(self._closed_until, now + retry_after)
        if now >= self._shrinks_from:
            self._shrinks_from = now + COOLDOWN_SECONDS
            self._set(max(FEWEST, int(self.limit * SHRINK)))

    def _set(self, limit: int) -> None:
        if limit != self.limit:
            self.limit = limit
            self._changed(limit)
