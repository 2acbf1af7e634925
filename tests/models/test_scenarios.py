"""Every scenario of the model server through every provider, and whole games."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from chalicelib.models import anthropic, compatible, openai
from chalicelib.models.model import (
    Answer,
    CallError,
    Exchange,
    Json,
    Model,
    ModelRequest,
    Tool,
)
from tests.models.conftest import ask_model
from tests.modelserver.child import ModelServerHandle
from tests.modelserver.scenarios import SCENARIOS

pytest_plugins = ("tests.modelserver.fixture",)

GAME = find_game("MS-I")
STATE = GAME.new("5x5", f"{4:064x}")
APIS = ("responses", "chat", "messages")
IMPATIENT = ("never-answers", "slow-trickle")
PAIRS = [(name, api) for name, each in SCENARIOS.items() for api in each.apis]

INVALID = ["broken-arguments", "unknown-tool", "two-calls", "text-only"]
OUTCOMES: dict[str, str | tuple[str | None, ...]] = {
    **dict.fromkeys([name for name in SCENARIOS if "429" in name], "rate-limit"),
    **dict.fromkeys(INVALID, "invalid"),
    "insufficient-quota": "quota",
    "400": "refused-request",
    "400-retry": "refused-request",
    "401": "key",
    "403": "forbidden",
    "404": "unknown-model",
    "408": "timeout",
    "409": "overloaded",
    "413": "too-large",
    "422": "refused-request",
    "500": "server",
    "500-no-retry": "server",
    "503": "overloaded",
    "529": "overloaded",
    "reset-before": "reset",
    "reset-mid": "reset",
    "early-close": "reset",
    "lost-reply": "reset",
    "never-answers": "timeout",
    "slow-trickle": "timeout",
    "truncated-json": "unreadable",
    "empty-200": "unreadable",
    "html-200": "unreadable",
    "list-200": "unreadable",
    "truncated": "truncated",
    "only-reasoning": "truncated",
    "refusal": "refused",
    "incomplete": ("refused", "truncated"),
    "failed": "server",
    "output-null": "empty",
    "no-choices": "empty",
    "unknown-block": (None, "invalid"),  # Chat: a call of a kind that nobody knows
    "redirect": "redirect",
    "huge-output": "unreadable",
}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def models(
    runner: asyncio.Runner, model_server_session: ModelServerHandle
) -> Iterator[dict[str, Model]]:
    server = model_server_session
    made: dict[str, Model] = {
        "responses": openai.connect(server.key, server.openai_url),
        "messages": anthropic.connect(server.key, server.origin),
        "chat": compatible.connect(server.key, server.openai_url, allow_local=True),
    }
    yield made
    for model in made.values():
        runner.run(model.aclose())


def make_request(state: Any, history: list[Exchange], **changes: Any) -> ModelRequest:
    observation = GAME.observe(state, 0)
    tool = Tool("move", "Makes a move.", GAME.tool(observation))
    values: Json = {
        "model": "tilts-strong",
        "effort": None,
        "system": "You play Minesweeper.",
        "tool": tool,
        "history": list(history),
        "prompt": GAME.describe(observation),
        "output_tokens": 4_000,
        "conversation": "scenario",
    }
    return ModelRequest(**{**values, **changes})


def try_one(
    runner: asyncio.Runner, model: Model, request: ModelRequest, seconds: float
) -> Answer | CallError:
    try:
        return runner.run(ask_model(model, request, seconds))
    except CallError as error:
        return error


@pytest.mark.parametrize(("name", "api"), PAIRS)
def test_scenario(
    runner: asyncio.Runner,
    models: dict[str, Model],
    model_server: ModelServerHandle,
    name: str,
    api: str,
) -> None:
    model_server.order(name)
    seconds = 0.5 if name in IMPATIENT else 10.0
    found = try_one(runner, models[api], make_request(STATE, []), seconds)
    account = model_server.account()
    assert account["totals"]["requests"] == 1
    assert model_server.foreign() == []
    if isinstance(found, CallError):
        assert found.reason == OUTCOMES[name]
        assert found.may_be_billed or not account["rows"]
        return
    expected = OUTCOMES.get(name) if name != "huge-output" else None
    assert found.failure in (expected if isinstance(expected, tuple) else (expected,))
    assert (found.failure is None) == (found.complaint is None)
    assert found.said is None or len(found.said) <= 6_000
    text = json.dumps(
        [found.arguments, found.raw, list(found.items)], ensure_ascii=False
    )
    text.encode()
    assert (found.tokens is None) == (name == "no-usage")


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("effort", [None, "low"])
def test_whole_game_with_stumbles(
    runner: asyncio.Runner,
    models: dict[str, Model],
    model_server: ModelServerHandle,
    api: str,
    effort: str | None,
) -> None:
    """After each kind of failed try the conversation goes on, and the server takes it."""
    state, number = STATE, 0
    history: list[Exchange] = []
    stumbles = [*INVALID, "truncated", "only-reasoning", "refusal", "lone-surrogate"]
    while GAME.outcome(state) is None:
        if stumbles:
            model_server.order(stumbles.pop())
        conversation = f"{api}-{effort}"
        request = make_request(state, history, effort=effort, conversation=conversation)
        answer = runner.run(ask_model(models[api], request, 10.0))
        history.append(Exchange(request.prompt, answer.items))
        number += 1
        if answer.failure is None:
            observation = GAME.observe(state, 0)
            move = GAME.read(answer.arguments, observation)
            state = GAME.apply(state, move, Chance("scenario test"))
        assert number < 60
    assert model_server.account()["totals"]["calls"] == number
