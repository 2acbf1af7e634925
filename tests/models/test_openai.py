"""OpenAI's Responses API: what is sent, and what each kind of reply amounts to."""

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from chalicelib.models import openai
from chalicelib.models.model import Answer, CallError, Exchange, Json, Tokens
from tests.models.conftest import KEY, Scene, ask_model, make_request

REASONING: Json = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "gAAAA",
}
CALL: Json = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "reveal",
    "arguments": '{"cells": ["A1"]}',
    "status": "completed",
}
WORDS: Json = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "I think.", "annotations": []}],
}
USAGE: Json = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 15},
    "total_tokens": 120,
}


def body(*output: Any, **changes: Any) -> Json:
    plain: Json = {
        "id": "resp_1",
        "object": "response",
        "model": "some-model-2026-11-01",
        "status": "completed",
        "output": list(output),
        "usage": USAGE,
    }
    return {**plain, **changes}


def ask(scene: Scene, seconds: float = 5.0, **changes: Any) -> Answer:
    model = scene.close_later(openai.connect(KEY, scene.url))
    return scene.run(ask_model(model, make_request(**changes), seconds))


def ask_of(scene: Scene, reply: Json) -> Answer:
    scene.reply(reply)
    return ask(scene)


HISTORY = [
    Exchange("Step 1", (REASONING, CALL)),
    Exchange("Step 2", ()),
    Exchange("Step 2 again", (WORDS,)),
    Exchange("Step 2 at last", (CALL, {**CALL, "call_id": "call_2"})),
]


class TestRequest:
    def test_body_is_what_the_sdk_would_send(self, scene: Scene) -> None:
        scene.reply(body(CALL))
        scene.reply(body(CALL))
        ask(scene, history=HISTORY, effort="low")
        request = make_request(HISTORY, effort="low")

        async def create() -> None:
            async with AsyncOpenAI(api_key=KEY, base_url=scene.url) as client:
                inputs: list[Any] = []
                previous = None
                for exchange in HISTORY:
                    inputs += openai.write_prompt(exchange.prompt, previous)
                    inputs += exchange.items
                    previous = exchange
                inputs += openai.write_prompt(request.prompt, previous)
                await client.responses.create(
                    **openai.write_head(request),
                    prompt_cache_key=request.conversation,
                    input=inputs,
                )

        scene.run(create())
        ours, theirs = scene.seen
        assert ours.body == theirs.body
        assert ours.path == theirs.path == "/responses"
        for name in ("Authorization", "Content-Type", "Accept", "User-Agent"):
            assert ours.headers[name] == theirs.headers[name]

    def test_body_in_full(self, scene: Scene) -> None:
        scene.reply(body(CALL))
        ask(scene, history=HISTORY[:1], effort="high", forced=False)
        sent = scene.seen[0].body
        assert sent["input"] == [
            {"role": "user", "content": "Step 1"},
            REASONING,
            CALL,
            {
                "type": "function_call_output",
                "call_id": "call_1",
                "output": "Step 3 ⛳",
            },
        ]
        assert sent["store"] is False
        assert sent["include"] == ["reasoning.encrypted_content"]
        assert sent["parallel_tool_calls"] is False
        assert sent["tool_choice"] == "auto"
        assert sent["reasoning"] == {"effort": "high"}
        assert sent["prompt_cache_key"] == "episode-1"
        assert sent["max_output_tokens"] == 2_000
        assert sent["tools"][0]["strict"] is True
        assert "stream" not in sent

    def test_every_pending_call_is_answered(self) -> None:
        outputs = openai.write_prompt("Next", HISTORY[3])
        assert [item["call_id"] for item in outputs] == ["call_1", "call_2"]
        assert outputs[1]["output"] == "Next"

    def test_key_is_only_in_the_header(self, scene: Scene) -> None:
        scene.reply(body(CALL))
        ask(scene)
        assert scene.seen[0].headers["Authorization"] == f"Bearer {KEY}"
        assert KEY.encode() not in scene.seen[0].raw

    def test_client_is_reused(self, scene: Scene) -> None:
        model = scene.close_later(openai.connect(KEY, scene.url))
        for _ in range(3):
            scene.reply(body(CALL))
            scene.run(ask_model(model, make_request(), 5.0))
        assert len(scene.seen) == 3


class TestReply:
    def test_call(self, scene: Scene) -> None:
        scene.reply(body(REASONING, WORDS, CALL), x_request_id="req_9")
        answer = ask(scene)
        assert answer.failure is None
        assert answer.arguments == {"cells": ["A1"]}
        assert answer.said == "I think."
        assert answer.items == (REASONING, WORDS, CALL)
        assert answer.model == "some-model-2026-11-01"
        assert answer.provider_request == "req_9"
        assert answer.tokens == Tokens(100, 60, 30, 20, 15)
        assert json.loads(answer.raw)["id"] == "resp_1"

    @pytest.mark.parametrize("reason", ["max_output_tokens", None, "something new"])
    def test_truncated_comes_before_the_call(self, scene: Scene, reason: Any) -> None:
        cut = {"status": "incomplete", "incomplete_details": {"reason": reason}}
        answer = ask_of(scene, body(REASONING, CALL, **cut))
        assert answer.failure == "truncated"
        assert answer.arguments is None
        assert answer.items == ()
        assert "2000" in str(answer.complaint)

    def test_filtered_is_refused(self, scene: Scene) -> None:
        details = {"reason": "content_filter"}
        reply = body(status="incomplete", incomplete_details=details)
        assert ask_of(scene, reply).failure == "refused"

    def test_refusal(self, scene: Scene) -> None:
        part = {"type": "refusal", "refusal": "I will not."}
        answer = ask_of(scene, body({**WORDS, "content": [part]}, CALL))
        assert answer.failure == "refused"
        assert answer.said == "I will not."

    @pytest.mark.parametrize("output", [[], None, "x", [None], [{"type": "message"}]])
    def test_empty(self, scene: Scene, output: Any) -> None:
        assert ask_of(scene, body(output=output)).failure == "empty"

    def test_reasoning_alone_is_empty(self, scene: Scene) -> None:
        answer = ask_of(scene, body(REASONING))
        assert (answer.failure, answer.items) == ("empty", ())

    def test_words_alone_are_invalid_and_kept(self, scene: Scene) -> None:
        answer = ask_of(scene, body(REASONING, WORDS))
        assert answer.failure == "invalid"
        assert answer.items == (REASONING, WORDS)

    def test_two_calls_are_invalid_and_kept(self, scene: Scene) -> None:
        second = {**CALL, "call_id": "call_2"}
        answer = ask_of(scene, body(CALL, second))
        assert answer.failure == "invalid"
        assert answer.items == (CALL, second)

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "flag"},
            {"name": None},
            {"type": "custom_tool_call"},
            {"arguments": '{"cells": ["A'},
            {"arguments": "[1]"},
            {"arguments": '{"a": NaN}'},
            {"arguments": "[" * 5_000},
            {"arguments": '{"a":' * 60 + "1" + "}" * 60},
            {"arguments": None},
            {"arguments": 7},
        ],
    )
    def test_unreadable_call_is_invalid_and_dropped(
        self, scene: Scene, change: Json
    ) -> None:
        answer = ask_of(scene, body({**CALL, **change}))
        assert answer.failure == "invalid"
        assert answer.arguments is None
        assert answer.items == ()
        assert str(answer.complaint).endswith(".")

    @pytest.mark.parametrize(
        "change", [{"call_id": None}, {"call_id": 3}], ids=["none", "number"]
    )
    def test_call_without_id_does_not_go_back(self, scene: Scene, change: Json) -> None:
        answer = ask_of(scene, body({**CALL, **change}))
        assert answer.failure is None
        assert answer.items == ()

    def test_reasoning_without_its_content_does_not_go_back(self, scene: Scene) -> None:
        bare = {**REASONING, "encrypted_content": None}
        answer = ask_of(scene, body(bare, CALL))
        assert (answer.failure, answer.items) == (None, ())

    def test_hostile_text_is_cleaned(self, scene: Scene) -> None:
        dirty = "a\x00b\x1b[31mc\ud800d\n<script>"
        call = {**CALL, "arguments": json.dumps({"cells": [dirty]})}
        words = {**WORDS, "content": [{"type": "output_text", "text": dirty}]}
        answer = ask_of(scene, body(words, call, id=dirty))
        assert answer.said == "ab[31mc?d\n<script>"
        assert answer.arguments == {"cells": ["ab[31mc?d\n<script>"]}
        assert answer.raw.encode().isascii()
        assert answer.items == ()  # neither a store nor the provider takes a surrogate

    @pytest.mark.parametrize(
        "usage",
        [
            None,
            [],
            {},
            {"input_tokens": 5},
            {"input_tokens": -1, "output_tokens": 2},
            {"input_tokens": True, "output_tokens": 2},
            {"input_tokens": "5", "output_tokens": 2},
            {"input_tokens": 10**30, "output_tokens": 2},
            {
                "input_tokens": 5,
                "output_tokens": 2,
                "input_tokens_details": {"cached_tokens": 6},
            },
        ],
    )
    def test_usage_that_does_not_add_up_is_unknown(
        self, scene: Scene, usage: Any
    ) -> None:
        answer = ask_of(scene, body(CALL, usage=usage))
        assert answer.failure is None
        assert answer.tokens is None

    @pytest.mark.parametrize(
        ("error", "reason", "retriable"),
        [
            ({"code": "server_error", "message": "m"}, "server", True),
            ({"code": "rate_limit_exceeded", "message": "m"}, "rate-limit", True),
            ({"code": "invalid_prompt", "message": "m"}, "refused-request", False),
            (None, "server", True),
        ],
    )
    def test_failed_status(
        self, scene: Scene, error: Any, reason: str, retriable: bool
    ) -> None:
        scene.reply(body(status="failed", error=error, output=None))
        with pytest.raises(CallError) as caught:
            ask(scene)
        assert caught.value.reason == reason
        assert caught.value.retriable is retriable
        assert caught.value.may_be_billed
        assert len(scene.seen) == 1

    def test_key_in_a_reply_is_taken_out(self, scene: Scene) -> None:
        words = {**WORDS, "content": [{"type": "output_text", "text": f"k {KEY}"}]}
        answer = ask_of(scene, body(words, CALL))
        assert answer.said == "k [key]"
        assert KEY not in str(answer.raw) + str(answer.items)


@pytest.mark.parametrize("key", ["", "with space", "line\nbreak", "schlüssel"])
def test_no_key(scene: Scene, key: str) -> None:
    model = openai.connect(key, scene.url)
    with pytest.raises(CallError) as caught:
        scene.run(ask_model(model, make_request(), 5.0))
    assert caught.value.reason == "key"
    assert not caught.value.may_be_billed
    assert scene.seen == []


def test_another_loop_has_another_client(scene: Scene) -> None:
    import asyncio

    model = openai.OpenAIModel(KEY, scene.url)

    async def client() -> AsyncOpenAI:
        found: AsyncOpenAI = model._client.get()
        return found

    first = scene.run(client())
    assert scene.run(client()) is first
    second = asyncio.run(client())
    assert second is not first
