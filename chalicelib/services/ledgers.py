"""The ledger of one step: an intent before each call, its settlement after it."""

from dataclasses import replace
from typing import Any

from chalicelib.interfaces import Store
from chalicelib.records import Call
from chalicelib.services.perform import Perform

Json = dict[str, Any]


class StepLedger:
    """Writes the calls made for event `n` of an episode under one claim."""

    def __init__(
        self, store: Store, perform: Perform, episode: str, n: int, epoch: int
    ) -> None:
        self._store = store
        self._perform = perform
        self._episode = episode
        self._prefix = f"{n}.{epoch}"
        self._calls = 0

    async def intend(self, request: Json, max_microusd: int) -> Call:
        self._calls += 1
        call = Call(
            self._episode,
            f"{self._prefix}.{self._calls}",
            "intent",
            max_microusd,
            body={"request": request},
        )
        await self._perform(self._store.intend, call)
        return call

    async def settle(
        self, call: Call, reply: Json, tokens: Json, cost_microusd: int
    ) -> Call:
        settled = replace(
            call,
            status="settled",
            cost_microusd=cost_microusd,
            tokens=tokens,
            body={**call.body, "reply": reply},
        )
        await self._perform(self._store.settle, settled)
        return settled
