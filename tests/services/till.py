"""A model that keeps its bills, and players that ask it."""

import asyncio
from dataclasses import replace
from hashlib import sha256
from typing import Any, cast

from chalicelib.interfaces import Store
from chalicelib.models.catalogue import ModelRow, cost_microusd
from chalicelib.models.model import Answer, CallError, ModelRequest, Tokens
from chalicelib.players.gates import Gate
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Player
from chalicelib.services.players import Players
from tests.world import TestClock, World

Json = dict[str, Any]


class SoonTimer:
    """A timer whose sleepers wake at once, as much later as they wanted to."""

    def __init__(self, clock: TestClock) -> None:
        self._clock = clock
        self._slept = 0.0

    def now(self) -> float:
        return self._clock.now() + self._slept

    async def sleep(self, seconds: float) -> None:
        self._slept += seconds
        await asyncio.sleep(0)


FATES = ("move", "move", "busy", "lost", "empty", "untold", "nonsense", "move")
"""What becomes of a question; the digest of its text chooses."""


class Till:
    """A `Model` whose answers follow from what it is asked, and that keeps its bills.

    What is asked for the first time may fail; asked again it is answered. Every call
    must have an intent of its own, and none is made for an event that is paid for.
    """

    def __init__(self, store: Store, row: ModelRow) -> None:
        self._store = store
        self._row = row
        self._failed: set[bytes] = set()
        self.bills: dict[tuple[str, str], int] = {}

    def write(self, request: ModelRequest) -> bytes:
        return request.prompt.encode()

    async def answer(
        self, request: ModelRequest, body: bytes, seconds: float
    ) -> Answer:
        assert seconds > 0
        name = self._check_intent(request.conversation)
        text = f"{request.conversation}|{request.prompt}|{len(request.history)}"
        digest = sha256(text.encode()).digest()
        fate = FATES[digest[0] % len(FATES)]
        if fate in ("busy", "lost") and digest not in self._failed:
            self._failed.add(digest)
            if fate == "busy":
                raise CallError("Too many.", "rate-limit", True, False, 2.0, 429)
            self.bills[name] = 7
            raise CallError("No answer.", "timeout", True, True)
        tokens = Tokens(1_000 + digest[1], 200, 100, 50 + digest[2], 20)
        self.bills[name] = cost_microusd(self._row, tokens)
        known = None if fate == "untold" else tokens
        items = ({"type": "text", "text": digest.hex()},)
        if fate == "empty":
            return Answer(None, "...", "empty", "Call the tool.", known, items=items)
        if fate == "nonsense":
            return Answer({"nonsense": 1}, None, tokens=known, items=items)
        return Answer(guess_for(request, digest), "So.", tokens=known, items=items)

    async def check(self, model: str, seconds: float) -> None:
        """It is there."""

    async def aclose(self) -> None:
        """There is nothing to give back."""

    def _check_intent(self, episode: str) -> tuple[str, str]:
        """The ledger's row for the call that is made now."""
        rows = self._store.calls(episode)
        row = rows[-1]
        assert row.status == "intent"
        assert (episode, row.id) not in self.bills
        n = len(self._store.events(episode, 0, 1_000)) + 1
        assert row.id.startswith(f"{n}.")
        assert not [
            other.id
            for other in rows
            if other.status == "settled" and other.id.startswith(f"{n}.")
        ], "it was paid for"
        return episode, row.id


def guess_for(request: ModelRequest, digest: bytes) -> Json:
    """Some guess, of as many pegs as the tool wants."""
    guess = request.tool.parameters["properties"]["guess"]
    pegs = int(guess["description"].split()[1])
    colours = guess["items"]["enum"]
    picked = [colours[byte % len(colours)] for byte in digest[3 : 3 + pegs]]
    return {"reasoning": "", "guess": picked, "claims": None}


class TillPlayers(Players):
    """Players whose models are a till."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock, world.tilts.offers, lambda *_: None, False)
        self._timer = SoonTimer(world.clock)
        self._till_gate = Gate(self._timer)
        row = cast(ModelPlayer, super().find(PAID)).row
        self.till = Till(world.store, row)

    def find(self, player_id: str) -> Player:
        found = super().find(player_id)
        assert isinstance(found, ModelPlayer)
        return replace(
            found, model=lambda: self.till, gate=self._till_gate, timer=self._timer
        )


PAID = "openai~gpt-6.1-sol~low"
