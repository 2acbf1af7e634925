"""A provider of models that bills on arrival, and the players that ask it."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from chalicelib.games import find_game
from chalicelib.models.catalogue import cost_microusd
from chalicelib.models.model import Answer, CallError, ModelRequest, Tokens
from chalicelib.players.gates import Gate
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Choice, Ledger, Player, Turn
from chalicelib.records import Call
from chalicelib.services.offers import Offers
from chalicelib.services.players import Players
from tests.simulation.processes import Process

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

Json = dict[str, Any]

PAID: Final = "openai~gpt-6.1-sol~low"
POISON: Final = "baseline~poison~1"
FATES: Final = (
    ("move", 80), ("busy", 5), ("lost", 3), ("unreachable", 2), ("empty", 3),
    ("nonsense", 3), ("untold", 2), ("silent", 2),
)  # fmt: skip
ANSWERS: Final = tuple(kind for kind, share in FATES for _ in range(share))


class Line:
    """One turn's connection to the provider: the model asked, and its ledger."""

    def __init__(self, process: Process, turn: Turn, ledger: Ledger) -> None:
        self._process = process
        self._turn = turn
        self._ledger = ledger
        self._call = ""

    async def intend(self, request: Json, max_microusd: int) -> Call:
        call = await self._ledger.intend(request, max_microusd)
        self._call = call.id
        return call

    async def settle(
        self, call: Call, reply: Json, tokens: Json, cost_microusd: int
    ) -> Call:
        return await self._ledger.settle(call, reply, tokens, cost_microusd)

    async def fail(self, call: Call, reply: Json, cost_microusd: int) -> Call:
        return await self._ledger.fail(call, reply, cost_microusd)

    def write(self, request: ModelRequest) -> bytes:
        return request.prompt.encode()

    async def answer(
        self, request: ModelRequest, body: bytes, seconds: float
    ) -> Answer:
        process, simulation = self._process, self._process.simulation
        fate = simulation.next_fate(process, "ask")
        await process.strike("before", fate)
        kind = simulation.answer_kind()
        if kind == "busy":
            raise CallError("Too many.", "rate-limit", True, False, 2.0, 429)
        if kind == "unreachable" or fate.refused:
            raise CallError("Not there.", "connect", True, False)
        tokens = Tokens(900 + simulation.dice.randrange(200), 0, 0, 80, 20)
        cost = cost_microusd(simulation.row, tokens)
        episode = request.conversation
        simulation.bill(process, episode, self._call, cost)
        await process.strike("after", fate)
        if kind in ("lost", "silent") or fate.lost:
            await process.sleep(seconds if kind == "silent" else 1.0)
            simulation.allow(episode, "lost answers")
            raise CallError("No answer.", "timeout", True, True)
        await process.sleep(min(simulation.think(), seconds))
        return self._reply(kind, None if kind == "untold" else tokens)

    async def check(self, model: str, seconds: float) -> None:
        """It is there."""

    async def aclose(self) -> None:
        """There is nothing to give back."""

    def _reply(self, kind: str, tokens: Tokens | None) -> Answer:
        if kind == "empty":
            return Answer(None, "...", "empty", "Call the tool.", tokens)
        if kind == "nonsense":
            return Answer({"nonsense": 1}, None, tokens=tokens)
        moves = self._turn.legal_moves()
        move = moves[self._process.simulation.dice.randrange(len(moves))]
        written = find_game(self._turn.task.game).write(move)
        arguments = {"reasoning": "", **written, "claims": None}
        items = ({"type": "text", "text": self._call},)
        return Answer(arguments, "So.", tokens=tokens, items=items)


@dataclass(frozen=True)
class Caller(ModelPlayer):
    """A model player whose model is the provider of the simulation."""

    process: Process = field(kw_only=True)
    is_forgetful: bool = field(default=False, kw_only=True)

    async def choose(self, turn: Turn, ledger: Ledger, deadline: float) -> Choice:
        if self.is_forgetful:
            turn = replace(turn, settled=None)
        line = Line(self.process, turn, ledger)
        asking = replace(self, model=lambda: line)
        return await ModelPlayer.choose(asking, turn, line, deadline)


class PoisonError(Exception):
    """What breaks in a player's code."""


@dataclass(frozen=True)
class Poison:
    """A player whose code breaks at every turn."""

    id: str = POISON
    games: tuple[str, ...] = ("MS-I", "MM-I")
    about: str = "Breaks."
    kind: str = "baseline"
    call_seconds: float = 0.0

    async def choose(self, turn: Turn, ledger: Ledger, deadline: float) -> Choice:
        raise PoisonError


class Callers(Players):
    """The players of one process."""

    def __init__(
        self, simulation: "Simulation", process: Process, is_forgetful: bool
    ) -> None:
        offers = simulation.offers
        super().__init__(process, offers, lambda *_: None, False)
        self._simulation = simulation
        self._process = process
        self._one_gate = Gate(process)
        self._is_forgetful = is_forgetful

    def find(self, player_id: str) -> Player:
        if player_id == POISON:
            return Poison()
        found = self._simulation.found(player_id, super().find)
        if not isinstance(found, ModelPlayer):
            return found
        values = {name: getattr(found, name) for name in found.__dataclass_fields__}
        return Caller(
            **{**values, "gate": self._one_gate, "timer": self._process},
            process=self._process,
            is_forgetful=self._is_forgetful,
        )


def make_offers(clock: Any) -> Offers:
    """Every model of the data file."""
    return Offers(clock, {}, "")
