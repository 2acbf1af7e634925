"""A model as a player: tries, deadlines, rows of the ledger. Time and model handed in."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import pytest

from chalicelib.errors import BusyError, CallsStoppedError, CapReachedError
from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from chalicelib.models.catalogue import ModelRow, Price, max_microusd
from chalicelib.models.model import (
    Answer,
    CallError,
    Exchange,
    Json,
    ModelRequest,
    Tokens,
)
from chalicelib.players.conversations import Conversation
from chalicelib.players.gates import Gate
from chalicelib.players.model_player import (
    LONGEST_BACKOFF_SECONDS,
    ModelPlayer,
    pause_before,
)
from chalicelib.players.player import Choice, Turn
from chalicelib.players.prompts import find_prompt
from chalicelib.records import Call, Task
from tests.timers import LeapingTimer

START = 1_000.0
OUTPUT_TOKENS = 1_000
GAME = find_game("MM-I")
TASK = Task("MM-I-0", "MM-I", "interactive", "small", "0" * 64, GAME.generator)
OBSERVATION = GAME.observe(GAME.new("small", TASK.seed), 0)
TOKENS = Tokens(500, 100, 50, 70, 20)
PRICE = Price(0, Fraction(2), Fraction(1, 5), Fraction(5, 2), Fraction(10))
GUESS = {"guess": ["red", "red", "blue"], "claims": None}
ANSWER = Answer(GUESS, "I guess.", tokens=TOKENS, model="m-1", provider_request="req_1")
ROW = ModelRow(
    id="compatible~m",
    context=None,
    output_limit=OUTPUT_TOKENS,
    efforts=(),
    default_effort=None,
    forced=True,
    prices=(PRICE,),
    price_version="m@today",
    source=None,
    as_of=None,
    shutdown=None,
    reason=None,
    call_seconds=120.0,
)


class ScriptedModel:
    """Answers as it is told to; each try takes so long."""

    def __init__(
        self,
        timer: LeapingTimer,
        script: Sequence[Answer | CallError],
        seconds: float = 0.0,
    ) -> None:
        self._timer = timer
        self._script = list(script)
        self._seconds = seconds
        self.asked: list[tuple[ModelRequest, float]] = []

    def write(self, request: ModelRequest) -> bytes:
        return f"{request.system} {request.history} {request.prompt}".encode()

    async def answer(
        self, request: ModelRequest, body: bytes, seconds: float
    ) -> Answer:
        self.asked.append((request, seconds))
        self._timer.moment += min(self._seconds, seconds)
        found = self._script.pop(0)
        if isinstance(found, CallError):
            raise found
        return found

    async def check(self, model: str, seconds: float) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


class ListLedger:
    """A ledger that keeps its rows, and refuses the intents it is told to refuse."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.rows: dict[str, Call] = {}
        self._refusal = refusal

    async def intend(self, request: Json, max_microusd: int) -> Call:
        if self._refusal is not None:
            raise self._refusal
        name = f"2.1.{len(self.rows) + 1}"
        call = Call("ep", name, "intent", max_microusd, body={"request": request})
        self.rows[name] = call
        return call

    async def settle(
        self, call: Call, reply: Json, tokens: Json, cost_microusd: int
    ) -> Call:
        body = {**call.body, "reply": reply}
        return self._keep(
            replace(
                call,
                status="settled",
                cost_microusd=cost_microusd,
                tokens=tokens,
                body=body,
            )
        )

    async def fail(self, call: Call, reply: Json, cost_microusd: int) -> Call:
        body = {**call.body, "reply": reply}
        return self._keep(
            replace(call, status="failed", cost_microusd=cost_microusd, body=body)
        )

    def _keep(self, call: Call) -> Call:
        assert self.rows[call.id].status == "intent"
        self.rows[call.id] = call
        return call


class Table:
    """A player at a table, with everything around it handed in."""

    def __init__(
        self,
        *script: Answer | CallError,
        seconds: float = 0.0,
        call_seconds: float = 120.0,
        prompt: str = "p1",
        ledger: ListLedger | None = None,
    ) -> None:
        self.timer = LeapingTimer(START)
        self.gate = Gate(self.timer)
        self.model = ScriptedModel(self.timer, script, seconds)
        self.ledger = ledger or ListLedger()
        self.player = ModelPlayer(
            id="compatible~m~default~p1~000000",
            row=replace(ROW, call_seconds=call_seconds),
            effort=None,
            prompt=find_prompt(prompt),
            games=("MS-I", "MM-I"),
            output_tokens=OUTPUT_TOKENS,
            model=lambda: self.model,
            gate=self.gate,
            timer=self.timer,
        )

    def choose(
        self,
        deadline: float = START + 880,
        settled: Call | None = None,
        complaint: str | None = None,
        conversation: Conversation | None = None,
    ) -> Choice:
        turn = Turn(
            TASK,
            0,
            1,
            0,
            OBSERVATION,
            lambda: pytest.fail("the legal moves were asked for"),
            (),
            complaint,
            Chance("tests"),
            conversation or Conversation(),
            settled,
        )
        return asyncio.run(self.player.choose(turn, self.ledger, deadline))

    @property
    def rows(self) -> list[Call]:
        return list(self.ledger.rows.values())


def failure(
    reason: str = "server",
    retriable: bool = True,
    billed: bool = False,
    retry_after: float | None = None,
) -> CallError:
    return CallError("It failed.", reason, retriable, billed, retry_after)


def test_an_answer_is_one_settled_row_at_its_cost() -> None:
    table = Table(ANSWER)
    choice = table.choose()
    assert (choice.arguments, choice.said, choice.failure) == (GUESS, "I guess.", None)
    (row,) = table.rows
    assert choice.call == row
    assert row.status == "settled"
    # 350 x 2 + 100 x 0.2 + 50 x 2.5 + 70 x 10
    assert row.cost_microusd == 1_545
    assert row.tokens == TOKENS.to_json()
    assert row.body["request"]["price_version"] == "m@today"
    assert row.body["reply"]["model"] == "m-1"
    ((request, _),) = table.model.asked
    body = table.model.write(request)
    assert row.body["request"]["bytes"] == len(body)
    assert row.body["request"]["sha256"] == sha256(body).hexdigest()
    assert row.max_microusd == max_microusd(ROW, len(body), OUTPUT_TOKENS)
    assert table.gate.in_flight == 0


def test_an_answer_that_does_not_say_what_it_used_counts_at_its_maximum() -> None:
    table = Table(replace(ANSWER, tokens=None))
    table.choose()
    (row,) = table.rows
    assert row.cost_microusd == row.max_microusd > 0
    assert row.tokens == {}


def test_what_was_paid_for_is_not_asked_for_again() -> None:
    first = Table(ANSWER)
    paid = first.choose().call
    again = Table()
    assert again.choose(settled=paid) == first.choose(settled=paid)
    assert again.rows == []
    assert again.model.asked == []


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_failed_try_is_repeated_and_each_is_a_row(failures: int) -> None:
    table = Table(*[failure(billed=True)] * failures, ANSWER)
    assert table.choose().arguments == GUESS
    *failed, settled = table.rows
    assert [row.status for row in failed] == ["failed"] * failures
    assert all(row.cost_microusd == row.max_microusd for row in failed)
    assert settled.status == "settled"
    assert len(table.timer.slept) == failures


def test_there_are_four_tries_at_most() -> None:
    table = Table(*[failure()] * 4, ANSWER)
    with pytest.raises(CallError):
        table.choose()
    assert [row.status for row in table.rows] == ["failed"] * 4
    assert [row.cost_microusd for row in table.rows] == [0] * 4
    assert len(table.timer.slept) == 3


def test_what_cannot_help_is_not_tried_again() -> None:
    table = Table(failure("key", retriable=False), ANSWER)
    with pytest.raises(CallError):
        table.choose()
    assert len(table.rows) == 1
    assert table.timer.slept == []


def test_tries_end_when_the_calls_time_does() -> None:
    table = Table(*[failure("timeout", billed=True)] * 4, seconds=50.0)
    with pytest.raises(CallError):
        table.choose()
    # Two of 50 s, and a third with what the pauses have left of 120 s.
    assert len(table.rows) == 3
    assert table.timer.now() <= START + 120.0
    allowed = [seconds for _, seconds in table.model.asked]
    assert allowed[0] == 120.0
    assert allowed == sorted(allowed, reverse=True)
    for number, (_, seconds) in enumerate(table.model.asked):
        assert seconds <= 120.0 - 50.0 * number


def test_a_try_that_took_all_the_time_is_the_last() -> None:
    table = Table(failure("timeout", billed=True), ANSWER, seconds=120.0)
    with pytest.raises(CallError):
        table.choose()
    assert len(table.rows) == 1


def test_it_waits_as_long_as_the_provider_asks() -> None:
    table = Table(failure("rate-limit", retry_after=7.0), ANSWER)
    table.choose()
    assert table.timer.slept[0] == 7.0
    assert table.timer.now() >= START + 7.0
    assert table.gate.limit == 16


@pytest.mark.parametrize("reason", ["rate-limit", "overloaded"])
def test_being_told_to_come_back_much_later_is_no_failure(reason: str) -> None:
    table = Table(failure(reason, retry_after=119.0), ANSWER)
    with pytest.raises(BusyError, match="wait 119 s"):
        table.choose()
    assert (table.timer.slept, len(table.rows)) == ([], 1)


def test_only_a_rate_limit_shrinks_the_gate() -> None:
    table = Table(failure("server"), failure("overloaded"), ANSWER)
    table.choose()
    assert table.gate.limit == 20


def test_no_call_is_begun_that_could_not_end_by_the_deadline() -> None:
    table = Table(ANSWER)
    table.gate.note_rate_limit(60.0)
    with pytest.raises(BusyError):
        table.choose(deadline=START + 120.0 + 59.0)
    assert table.rows == []
    table.choose(deadline=START + 120.0 + 61.0)
    assert table.timer.now() <= START + 61.0


@pytest.mark.parametrize("refusal", [CapReachedError, CallsStoppedError])
def test_a_refused_intent_makes_no_call_and_gives_its_place_back(
    refusal: type[Exception],
) -> None:
    table = Table(ANSWER, ledger=ListLedger(refusal("no")))
    with pytest.raises(refusal):
        table.choose()
    assert table.model.asked == []
    assert table.gate.in_flight == 0


def test_a_complaint_is_part_of_the_question_and_its_row() -> None:
    table = Table(ANSWER)
    table.choose(complaint="There is no peg 9.")
    ((request, _),) = table.model.asked
    assert request.prompt.startswith("That was no move: There is no peg 9.")
    assert table.rows[0].body["request"]["prompt"] == request.prompt


@pytest.mark.parametrize(("prompt", "kept"), [("p1", 4), ("p2", 9), ("p3", 4)])
def test_so_many_turns_are_kept_and_counted_into_the_maximum(
    prompt: str, kept: int
) -> None:
    past = [
        Call(
            "ep",
            f"{number}.1.1",
            "settled",
            0,
            body={
                "request": {"prompt": f"board {number}"},
                "reply": {"items": [{"text": "x" * 1_000}]},
            },
        )
        for number in range(9)
    ]
    alone, table = Table(ANSWER, prompt=prompt), Table(ANSWER, prompt=prompt)
    alone.choose()
    table.choose(conversation=Conversation(past))
    ((request, _),) = table.model.asked
    history: Sequence[Exchange] = request.history
    shown = [f"board {number}" for number in range(9 - kept, 9)]
    assert [exchange.prompt for exchange in history] == shown
    sizes = [one.rows[0].body["request"]["bytes"] for one in (alone, table)]
    assert sizes[1] - sizes[0] >= kept * 1_000


def test_no_question_lists_the_legal_moves() -> None:
    # `legal_moves` of the turn fails when it is called.
    table = Table(ANSWER)
    table.choose()
    ((request, _),) = table.model.asked
    assert "legal" not in request.prompt
    assert request.forced
    assert request.output_tokens == OUTPUT_TOKENS


@pytest.mark.parametrize("number", [1, 2, 3])
def test_pauses_grow_and_differ(number: int) -> None:
    chance = Chance("pauses")
    pauses = [pause_before(number, failure(), chance) for _ in range(200)]
    middle = min(LONGEST_BACKOFF_SECONDS, 2.0**number)
    assert 0.75 * middle <= min(pauses) < max(pauses) < 1.25 * middle
    assert len(set(pauses)) > 100


def test_a_wait_that_is_asked_for_is_kept_to() -> None:
    assert pause_before(3, failure(retry_after=3.0), Chance("pauses")) == 3.0
