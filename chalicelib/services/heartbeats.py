"""The heartbeat of a worker: it renews the leases of the episodes it holds."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from chalicelib.interfaces import Clock, Store
from chalicelib.services.perform import Perform
from chalicelib.services.turns import Sitting

LEASE_SECONDS: Final = 90.0
HEARTBEAT_SECONDS: Final = 30.0

log = logging.getLogger("tilts.heartbeats")


@dataclass
class Holding:
    """An episode that this worker holds, and the task that plays it."""

    sitting: Sitting
    playing: "asyncio.Task[str | None]"
    is_lost: bool = False


class Heartbeat:
    """Renews every lease; an episode whose renewal is refused is let go."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        perform: Perform,
        holdings: dict[str, Holding],
    ) -> None:
        self._store = store
        self._clock = clock
        self._perform = perform
        self._holdings = holdings

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self._clock.sleep(HEARTBEAT_SECONDS)
            for holding in list(self._holdings.values()):
                try:
                    await self._renew(holding)
                except Exception:
                    # The lease lasts for two more tries; the others want theirs now.
                    log.exception("a lease was not renewed")

    async def _renew(self, holding: Holding) -> None:
        sitting = holding.sitting
        until = self._clock.now() + LEASE_SECONDS
        is_held = await self._perform(
            self._store.renew, sitting.episode.id, sitting.episode.epoch, until
        )
        if is_held:
            sitting.lease_until = until
        elif not sitting.is_let_go:
            holding.is_lost = True
            holding.playing.cancel()
