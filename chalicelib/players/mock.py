"""Mock players: scripts that speak, claim, fail and use the ledger as a model would."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.games import GAMES, find_game
from chalicelib.players.baselines import play_random
from chalicelib.players.player import Choice, Ledger, Turn
from chalicelib.records import Call

Json = dict[str, Any]


@dataclass(frozen=True)
class MockPlayer:
    """Plays random moves; at try t of every step answers `script[t]` if there is one.

    An answer "move" is a move; the others are the ways in which an answer fails.
    """

    id: str
    about: str
    script: Sequence[str]
    games: tuple[str, ...] = tuple(GAMES)
    kind: str = "mock"
    call_seconds: float = 0.0

    async def choose(self, turn: Turn, ledger: Ledger, deadline: float) -> Choice:
        if turn.settled is not None:
            return read_answer(turn.settled)
        call = await ledger.intend({"step": turn.step, "try": turn.tries + 1}, 0)
        answer = self.script[min(turn.tries, len(self.script) - 1)]
        arguments = self._arguments(turn, answer)
        reply = {"answer": answer, "arguments": arguments}
        return read_answer(await ledger.settle(call, reply, {"in": 0, "out": 0}, 0))

    def _arguments(self, turn: Turn, answer: str) -> Any:
        if answer == "invalid":
            return {"nonsense": turn.step}
        move = find_game(turn.task.game).write(play_random(turn))
        if answer == "illegal":
            return {name: [] for name in move}
        return {"reasoning": f"Step {turn.step}.", **move, "claims": None}


def read_answer(call: Call) -> Choice:
    """The choice in a settled call."""
    answer, arguments = call.body["reply"]["answer"], call.body["reply"]["arguments"]
    if answer in ("truncated", "empty", "refused"):
        return Choice(failure=answer, call=call)
    return Choice(arguments, said=f"I answer: {answer}.", call=call)


MOCKS: Final = (
    MockPlayer("mock~random~1", "Any legal move, asked as a model is.", ("move",)),
    MockPlayer(
        "mock~stumbling~1",
        "Fails twice at every step, then moves.",
        ("empty", "illegal", "move"),
    ),
    MockPlayer("mock~illegal~1", "Never makes a legal move.", ("illegal",)),
    MockPlayer("mock~invalid~1", "Never makes a readable move.", ("invalid",)),
)
