"""The ledger of one step: an intent before each call, what came of it after."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal

from chalicelib.errors import CapReachedError, TiltsError
from chalicelib.interfaces import Store
from chalicelib.records import Call
from chalicelib.services.accounts import Account
from chalicelib.services.perform import Perform

Json = dict[str, Any]


class LeaseLostError(TiltsError):
    """The lease may have run out while an intent was written: no call is made."""


class StepLedger:
    """Writes the calls made for event `n` of an episode under one claim.

    `permit` is asked before every intent and raises when no call is to be made;
    `is_held` after it: whoever claims next must find every intent on the ledger.
    """

    def __init__(
        self,
        store: Store,
        perform: Perform,
        account: Account,
        permit: Callable[[], Awaitable[None]],
        is_held: Callable[[], bool],
        episode: str,
        n: int,
        epoch: int,
    ) -> None:
        self._store = store
        self._perform = perform
        self._account = account
        self._permit = permit
        self._is_held = is_held
        self._episode = episode
        self._prefix = f"{n}.{epoch}"
        self._calls = 0

    async def intend(self, request: Json, max_microusd: int) -> Call:
        await self._permit()
        if not self._account.has_room(max_microusd):
            raise CapReachedError(
                f"A call for at most {max_microusd} micro-dollars might go over the "
                f"episode's cap of {self._account.caps.microusd}."
            )
        self._calls += 1
        call = Call(
            self._episode,
            f"{self._prefix}.{self._calls}",
            "intent",
            max_microusd,
            body={"request": request},
        )
        self._account.open(call)
        await self._perform(self._store.intend, call)
        if not self._is_held():
            await self.fail(call, {"failure": "the lease has run out"}, 0)
            raise LeaseLostError("Another worker may have taken over.")
        return call

    async def settle(
        self, call: Call, reply: Json, tokens: Json, cost_microusd: int
    ) -> Call:
        return await self._write(call, "settled", reply, tokens, cost_microusd)

    async def fail(self, call: Call, reply: Json, cost_microusd: int) -> Call:
        return await self._write(call, "failed", reply, {}, cost_microusd)

    async def _write(
        self,
        call: Call,
        status: Literal["settled", "failed"],
        reply: Json,
        tokens: Json,
        cost_microusd: int,
    ) -> Call:
        closed = replace(
            call,
            status=status,
            cost_microusd=cost_microusd,
            tokens=tokens,
            provider_request=reply.get("provider_request"),
            body={**call.body, "reply": reply},
        )
        await self._perform(self._store.settle, closed)
        self._account.close(closed)
        return closed
