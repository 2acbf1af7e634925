"""Anthropic's Messages API: what is sent, and what each kind of reply amounts to."""

from typing import Any

import pytest
from anthropic import AsyncAnthropic

from chalicelib.models import anthropic
from chalicelib.models.model import Answer, Exchange, Json, Tokens
from chalicelib.models.reading import RAW_LIMIT
from tests.models.conftest import KEY, Scene, ask_model, make_request

THINKING: Json = {"type": "thinking", "thinking": "", "signature": "EqQBCgIYAhIM"}
CALL: Json = {
    "type": "tool_use",
    "id": "toolu_1",
    "name": "reveal",
    "input": {"cells": ["A1"]},
}
WORDS: Json = {"type": "text", "text": "I think."}
USAGE: Json = {
    "input_tokens": 10,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 30,
    "output_tokens": 20,
    "output_tokens_details": {"thinking_tokens": 15},
}


def body(*content: Any, **changes: Any) -> Json:
    plain: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "some-model-20261101",
        "stop_reason": "tool_use",
        "content": list(content),
        "usage": USAGE,
    }
    return {**plain, **changes}


def ask(scene: Scene, **changes: Any) -> Answer:
    model = scene.close_later(anthropic.connect(KEY, scene.url))
    return scene.run(ask_model(model, make_request(**changes), 5.0))


def ask_of(scene: Scene, reply: Json) -> Answer:
    scene.reply(reply)
    return ask(scene)


HISTORY = [
    Exchange("Step 1", (THINKING, CALL)),
    Exchange("Step 2", ()),
    Exchange("Step 2 again", (THINKING, WORDS)),
    Exchange("Step 2 at last", (CALL, {**CALL, "id": "toolu_2"})),
]


class TestRequest:
    @pytest.mark.parametrize("effort", [None, "low"])
    def test_body_is_what_the_sdk_would_send(
        self, scene: Scene, effort: str | None
    ) -> None:
        scene.reply(body(CALL))
        scene.reply(body(CALL))
        ask(scene, history=HISTORY, effort=effort)
        request = make_request(HISTORY, effort=effort)

        async def create() -> None:
            async with AsyncAnthropic(api_key=KEY, base_url=scene.url) as client:
                messages: list[Any] = []
                previous = None
                for exchange in HISTORY:
                    messages.append(anthropic.write_prompt(exchange.prompt, previous))
                    if exchange.items:
                        messages.append(
                            {"role": "assistant", "content": list(exchange.items)}
                        )
                    previous = exchange
                messages.append(anthropic.write_prompt(request.prompt, previous))
                await client.messages.create(
                    **anthropic.write_head(request), messages=messages
                )

        scene.run(create())
        ours, theirs = scene.seen
        assert ours.body == theirs.body
        assert ours.path == theirs.path == "/v1/messages"
        names = ("Authorization", "Content-Type", "anthropic-version", "User-Agent")
        for name in names:
            assert ours.headers[name] == theirs.headers[name]

    def test_thinking_is_not_forced(self, scene: Scene) -> None:
        scene.reply(body(CALL))
        ask(scene, effort="low", forced=True)
        sent = scene.seen[0].body
        assert sent["tool_choice"] == {
            "type": "auto",
            "disable_parallel_tool_use": True,
        }
        assert sent["thinking"] == {"type": "adaptive"}
        assert sent["output_config"] == {"effort": "low"}

    def test_forced_without_thinking(self, scene: Scene) -> None:
        scene.reply(body(CALL))
        ask(scene, forced=True)
        sent = scene.seen[0].body
        assert sent["tool_choice"]["type"] == "tool"
        assert sent["tool_choice"]["name"] == "reveal"
        assert sent["tool_choice"]["disable_parallel_tool_use"] is True
        assert "thinking" not in sent

    def test_not_forced_where_it_cannot_be(self, scene: Scene) -> None:
        scene.reply(body(CALL))
        ask(scene, forced=False)
        assert scene.seen[0].body["tool_choice"]["type"] == "auto"

    def test_conversation_in_full(self, scene: Scene) -> None:
        scene.reply(body(CALL))
        ask(scene, history=HISTORY[:1])
        sent = scene.seen[0].body
        result = {"type": "tool_result", "tool_use_id": "toolu_1"}
        assert sent["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "Step 1"}]},
            {"role": "assistant", "content": [THINKING, CALL]},
            {"role": "user", "content": [{**result, "content": "Step 3 ⛳"}]},
        ]
        assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}
        assert sent["cache_control"] == {"type": "ephemeral"}
        assert sent["tools"][0]["strict"] is True
        assert sent["max_tokens"] == 2_000

    def test_many_output_tokens_are_asked_for_without_a_stream(
        self, scene: Scene
    ) -> None:
        scene.reply(body(CALL))
        ask(scene, output_tokens=64_000)
        assert scene.seen[0].body["max_tokens"] == 64_000

    def test_every_pending_call_is_answered(self) -> None:
        turn = anthropic.write_prompt("Next", HISTORY[3])
        results = turn["content"]
        assert [item["tool_use_id"] for item in results] == ["toolu_1", "toolu_2"]
        assert results[1]["content"] == "Next"


class TestReply:
    def test_call(self, scene: Scene) -> None:
        scene.reply(body(THINKING, WORDS, CALL), request_id="req_9")
        answer = ask(scene)
        assert answer.failure is None
        assert answer.arguments == {"cells": ["A1"]}
        assert answer.said == "I think."
        assert answer.items == (THINKING, WORDS, CALL)
        assert answer.model == "some-model-20261101"
        assert answer.provider_request == "req_9"
        assert answer.tokens == Tokens(100, 60, 30, 20, 15)

    @pytest.mark.parametrize(
        ("stop", "failure"),
        [
            ("max_tokens", "truncated"),
            ("model_context_window_exceeded", "truncated"),
            ("refusal", "refused"),
        ],
    )
    def test_stop_comes_before_the_call(
        self, scene: Scene, stop: str, failure: str
    ) -> None:
        reply = body(THINKING, {**CALL, "input": {}}, stop_reason=stop)
        answer = ask_of(scene, reply)
        assert answer.failure == failure
        assert answer.arguments is None
        assert answer.items == ()

    @pytest.mark.parametrize("stop", ["end_turn", "pause_turn", None, "new", {}])
    def test_other_stops_leave_the_call(self, scene: Scene, stop: Any) -> None:
        answer = ask_of(scene, body(CALL, stop_reason=stop))
        assert answer.arguments == {"cells": ["A1"]}

    @pytest.mark.parametrize("content", [[], None, "x", [3], [THINKING]])
    def test_empty(self, scene: Scene, content: Any) -> None:
        reply = body(content=content, stop_reason="end_turn")
        assert ask_of(scene, reply).failure == "empty"

    def test_words_alone_are_invalid_and_kept(self, scene: Scene) -> None:
        answer = ask_of(scene, body(THINKING, WORDS, stop_reason="end_turn"))
        assert answer.failure == "invalid"
        assert answer.items == (THINKING, WORDS)

    def test_two_calls_are_invalid_and_kept(self, scene: Scene) -> None:
        second = {**CALL, "id": "toolu_2"}
        answer = ask_of(scene, body(CALL, second))
        assert answer.failure == "invalid"
        assert answer.items == (CALL, second)

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "flag"},
            {"input": '{"cells": ["A1"]}'},
            {"input": ["A1"]},
            {"input": None},
            {"type": "server_tool_use"},
        ],
    )
    def test_unreadable_call_is_invalid_and_dropped(
        self, scene: Scene, change: Json
    ) -> None:
        answer = ask_of(scene, body(THINKING, {**CALL, **change}))
        assert answer.failure == "invalid"
        assert answer.arguments is None
        assert answer.items == ()

    def test_blank_words_do_not_go_back(self, scene: Scene) -> None:
        blank = {"type": "text", "text": "\n"}
        assert ask_of(scene, body(THINKING, blank, CALL)).items == (THINKING, CALL)

    def test_where_a_block_is_of_an_unknown_kind_none_go_back(
        self, scene: Scene
    ) -> None:
        block = {"type": "dream", "data": [1, {"a": None}]}
        answer = ask_of(scene, body(block, CALL))
        assert answer.arguments is not None
        assert answer.items == ()

    def test_hostile_text_is_cleaned(self, scene: Scene) -> None:
        dirty = "a\x00b\x1bc\ud800d"
        call = {**CALL, "input": {"cells": [dirty], dirty: 1}}
        answer = ask_of(scene, body({**WORDS, "text": dirty}, call))
        assert answer.said == "abc?d"
        assert answer.arguments == {"cells": ["abc?d"], "abc?d": 1}
        assert answer.items == ()
        assert answer.raw.encode().isascii()

    def test_control_characters_go_back_unchanged(self, scene: Scene) -> None:
        signed = {**THINKING, "thinking": "a\x00b"}
        assert ask_of(scene, body(signed, CALL)).items == (signed, CALL)

    @pytest.mark.parametrize("usage", [None, 3, {}, {"input_tokens": 1}])
    def test_usage_missing(self, scene: Scene, usage: Any) -> None:
        answer = ask_of(scene, body(CALL, usage=usage))
        assert (answer.failure, answer.tokens) == (None, None)

    def test_large_reply_is_cut_in_the_ledger_only(self, scene: Scene) -> None:
        long = {**WORDS, "text": "x" * 2_000_000}
        blocks = [long, *[{**WORDS, "text": "y" * 6_000}] * 20, CALL]
        answer = ask_of(scene, body(*blocks))
        assert answer.arguments == {"cells": ["A1"]}
        assert answer.said is not None
        assert len(answer.said) == 6_000
        assert len(answer.raw) == RAW_LIMIT
        assert answer.items == ()
