"""Permits: whether play goes on, read anew once in a while and before every call."""

from typing import Final

from chalicelib.errors import CallsStoppedError
from chalicelib.interfaces import Clock, Store
from chalicelib.records import SWITCH, Evaluation
from chalicelib.services.perform import Perform

EVALUATION_SECONDS: Final = 1.0
SWITCH_SECONDS: Final = 5.0
LEASE_MARGIN_SECONDS: Final = 20.0
"""For clocks that differ; a lease that is renewed in time has 60 s left."""


class Permits:
    """What the evaluator knows of evaluations and of the kill switch."""

    def __init__(self, store: Store, clock: Clock, perform: Perform) -> None:
        self._store = store
        self._clock = clock
        self._perform = perform
        self._evaluations: dict[str, tuple[float, Evaluation]] = {}
        self._stopped_at = 0.0
        self._stopped = False

    @property
    def seen(self) -> tuple[str, ...]:
        """The evaluations that were asked for."""
        return tuple(self._evaluations)

    async def evaluation(self, evaluation_id: str) -> Evaluation:
        """The evaluation as it was at most a second ago; play makes it running."""
        now = self._clock.now()
        known = self._evaluations.get(evaluation_id)
        if known is not None and now - known[0] < EVALUATION_SECONDS:
            return known[1]
        found = await self._perform(self._store.evaluation, evaluation_id)
        if found.status == "queued":
            await self._perform(
                self._store.change_evaluation, evaluation_id, ["queued"], "running"
            )
        self._evaluations[evaluation_id] = (now, found)
        return found

    async def check_call(self, evaluation_id: str) -> None:
        """CallsStoppedError when no call is to be made for an evaluation now."""
        if await self.are_calls_stopped():
            raise CallsStoppedError("All calls to models are stopped by the owner.")
        status = (await self.evaluation(evaluation_id)).status
        if status in ("paused", "finished"):
            raise CallsStoppedError(f"The evaluation is {status}.")

    def is_held(self, lease_until: float) -> bool:
        """Whether the lease surely has not run out, by whatever clock."""
        return self._clock.now() < lease_until - LEASE_MARGIN_SECONDS

    async def are_calls_stopped(self) -> bool:
        """The kill switch, as it was at most five seconds ago."""
        now = self._clock.now()
        if now - self._stopped_at >= SWITCH_SECONDS:
            switch = await self._perform(self._store.document, *SWITCH)
            self._stopped = bool(switch and switch["stopped"])
            self._stopped_at = now
        return self._stopped
