"""A model as a player: one question a turn, asked again only when no answer came.

At most four tries for transport failures, each a row of the ledger, and then
TransportError: never a loss of the player's. What the model answers is its answer;
nothing is ever put in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from chalicelib.errors import BusyError
from chalicelib.games.chance import Chance
from chalicelib.models.catalogue import ModelRow, cost_microusd, max_microusd
from chalicelib.models.model import Answer, CallError, Model, ModelRequest
from chalicelib.players.gates import Gate
from chalicelib.players.player import Choice, Ledger, Timer, Turn
from chalicelib.players.prompts import Prompt, make_tool
from chalicelib.records import Call

Json = dict[str, Any]

TRIES: Final = 4
BACKOFF_SECONDS: Final = 1.0
LONGEST_BACKOFF_SECONDS: Final = 30.0
SECONDS_TO_BEGIN: Final = 5.0
"""A try is not begun when less than this is left of the call's time."""


@dataclass(frozen=True)
class ModelPlayer:
    """A model with everything that changes its choices: effort, prompt, limits."""

    id: str
    row: ModelRow
    effort: str | None
    prompt: Prompt
    games: tuple[str, ...]
    output_tokens: int
    model: Callable[[], Model]
    gate: Gate
    timer: Timer
    kind: str = "model"

    @property
    def about(self) -> str:
        """One sentence on who this is."""
        effort = f", effort {self.effort}" if self.effort else ""
        return f"{self.row.id}{effort}. {self.prompt.about}"

    @property
    def call_seconds(self) -> float:
        """How long one question may take, with all its tries."""
        return self.row.call_seconds

    async def choose(self, turn: Turn, ledger: Ledger, deadline: float) -> Choice:
        if turn.settled is not None:
            return read_settled(turn.settled)
        request = self._request(turn)
        body = self.model().write(request)
        asked = self._describe(turn, request, body)
        failure: CallError | None = None
        ends = None
        for number in range(1, TRIES + 1):
            latest = deadline - self.call_seconds if ends is None else ends
            async with self.gate.pass_through(latest):
                ends = ends or self.timer.now() + self.call_seconds
                try:
                    return await self._try(ledger, request, body, asked, ends)
                except CallError as error:
                    failure = error
            wait = pause_before(number, failure, turn.chance)
            if number == TRIES or not failure.retriable:
                break
            if self.timer.now() + wait + SECONDS_TO_BEGIN > ends:
                check_wait(failure, wait)
                break
            await self.timer.sleep(wait)
        assert failure is not None
        raise failure

    def _request(self, turn: Turn) -> ModelRequest:
        game = turn.task.game
        return ModelRequest(
            model=self.row.name,
            effort=self.effort,
            system=self.prompt.systems[game],
            tool=make_tool(game, turn.observation),
            history=turn.conversation.last(self.prompt.history_turns),
            prompt=self.prompt.write(game, turn.observation, turn.complaint),
            output_tokens=self.output_tokens,
            conversation=turn.conversation_id,
            forced=self.row.forced,
        )

    def _describe(self, turn: Turn, request: ModelRequest, body: bytes) -> Json:
        """The question as the ledger keeps it; the hash names its very bytes."""
        return {
            "model": self.row.id,
            "effort": self.effort,
            "prompt": request.prompt,
            "price_version": self.row.price_version,
            "step": turn.step,
            "bytes": len(body),
            "sha256": sha256(body).hexdigest(),
        }

    async def _try(
        self,
        ledger: Ledger,
        request: ModelRequest,
        body: bytes,
        asked: Json,
        ends: float,
    ) -> Choice:
        most = max_microusd(self.row, len(body), self.output_tokens)
        call = await ledger.intend(asked, most)
        began = self.timer.now()
        try:
            answer = await self.model().answer(request, body, ends - began)
        except CallError as error:
            if error.reason == "rate-limit":
                self.gate.note_rate_limit(error.retry_after)
            cost = most if error.may_be_billed else 0
            await ledger.fail(
                call, describe_failure(error, self.timer.now() - began), cost
            )
            raise
        self.gate.note_success()
        tokens = answer.tokens.to_json() if answer.tokens else {}
        cost = cost_microusd(self.row, answer.tokens) if answer.tokens else most
        reply = describe_answer(answer, self.timer.now() - began)
        return read_settled(await ledger.settle(call, reply, tokens, cost))


def pause_before(number: int, failure: CallError, chance: Chance) -> float:
    """Seconds before the next try: what the provider asks for, or longer each time."""
    if failure.retry_after is not None:
        return failure.retry_after
    jitter = 0.75 + chance.below(1_000) / 2_000
    return float(min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**number)) * jitter


def check_wait(failure: CallError, wait: float) -> None:
    """BusyError where a provider names a later time: that is waiting, not failing."""
    if failure.retry_after is not None:
        raise BusyError(f"The provider asks to wait {wait:.0f} s.") from failure


def describe_answer(answer: Answer, seconds: float) -> Json:
    """The answer as the ledger keeps it."""
    return {
        "arguments": answer.arguments,
        "said": answer.said,
        "failure": answer.failure,
        "complaint": answer.complaint,
        "model": answer.model,
        "provider_request": answer.provider_request,
        "items": list(answer.items),
        "raw": answer.raw,
        "seconds": round(seconds, 3),
    }


def describe_failure(error: CallError, seconds: float) -> Json:
    """A try that gave no answer, as the ledger keeps it."""
    return {
        "error": error.reason,
        "message": error.message,
        "status": error.status_code,
        "retry_after": error.retry_after,
        "provider_request": error.provider_request,
        "seconds": round(seconds, 3),
    }


def read_settled(call: Call) -> Choice:
    """The choice in a settled call: what was paid for once is not asked for again."""
    reply = call.body["reply"]
    return Choice(
        reply["arguments"], reply["said"], reply["failure"], reply["complaint"], call
    )
