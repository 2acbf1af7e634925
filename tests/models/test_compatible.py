"""Chat Completions servers: what is sent, and what each kind of reply amounts to."""

from typing import Any

import pytest
from openai import AsyncOpenAI

from chalicelib.models import compatible
from chalicelib.models.addresses import AddressError
from chalicelib.models.model import Answer, CallError, Exchange, Json, Tokens
from tests.models.conftest import KEY, Scene, ask_model, make_request

CALL: Json = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "reveal", "arguments": '{"cells": ["A1"]}'},
}
MESSAGE: Json = {"role": "assistant", "content": None, "tool_calls": [CALL]}
USAGE: Json = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 15},
}


def body(message: Any, reason: Any = "tool_calls", **changes: Any) -> Json:
    choice = {"index": 0, "finish_reason": reason, "message": message}
    plain: Json = {
        "id": "chat_1",
        "object": "chat.completion",
        "model": "llama",
        "choices": [choice],
        "usage": USAGE,
    }
    return {**plain, **changes}


def ask(scene: Scene, key: str = KEY, **changes: Any) -> Answer:
    made = compatible.connect(key, f"{scene.url}/v1/", allow_local=True)
    model = scene.close_later(made)
    return scene.run(ask_model(model, make_request(**changes), 5.0))


def ask_of(scene: Scene, reply: Any) -> Answer:
    scene.reply(reply)
    return ask(scene)


HISTORY = [
    Exchange("Step 1", (MESSAGE,)),
    Exchange("Step 2", ()),
    Exchange("Step 2 again", ({"role": "assistant", "content": "I think."},)),
    Exchange("Last", ({**MESSAGE, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},)),
]


@pytest.fixture
def foreign_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says to the SDK of another service, and to proxies."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ours")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ours")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-ours")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Ours: sk-ours")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")


class TestRequest:
    @pytest.mark.parametrize("effort", [None, "low"])
    def test_body_is_what_the_sdk_would_send(
        self, scene: Scene, effort: str | None
    ) -> None:
        scene.reply(body(MESSAGE))
        scene.reply(body(MESSAGE))
        ask(scene, history=HISTORY, effort=effort)
        request = make_request(HISTORY, effort=effort)

        async def create() -> None:
            url = f"{scene.url}/v1"
            async with AsyncOpenAI(api_key=KEY, base_url=url) as client:
                messages: list[Any] = [{"role": "system", "content": request.system}]
                previous = None
                for exchange in HISTORY:
                    messages += compatible.write_prompt(exchange.prompt, previous)
                    messages += exchange.items
                    previous = exchange
                messages += compatible.write_prompt(request.prompt, previous)
                await client.chat.completions.create(
                    **compatible.write_head(request), messages=messages
                )

        scene.run(create())
        ours, theirs = scene.seen
        assert ours.body == theirs.body
        assert ours.path == theirs.path == "/v1/chat/completions"
        for name in ("Authorization", "Content-Type", "Accept"):
            assert ours.headers[name] == theirs.headers[name]

    @pytest.mark.usefixtures("foreign_environment")
    def test_nothing_of_another_service_is_sent(self, scene: Scene) -> None:
        scene.reply(body(MESSAGE))
        ask(scene)
        seen = scene.seen[0]
        assert "ours" not in str(seen.headers) + seen.raw.decode()

    def test_no_key_no_header(self, scene: Scene) -> None:
        scene.reply(body(MESSAGE))
        ask(scene, key="")
        assert "Authorization" not in scene.seen[0].headers

    def test_every_pending_call_is_answered(self) -> None:
        messages = compatible.write_prompt("Next", HISTORY[3])
        assert [item["tool_call_id"] for item in messages] == ["call_1", "call_2"]
        assert messages[1]["content"] == "Next"

    @pytest.mark.parametrize("url", [None, "", "https://example.org/v1?key=1"])
    def test_no_plain_address(self, url: str | None) -> None:
        with pytest.raises(AddressError):
            compatible.connect(KEY, url)


class TestAddress:
    def test_local_server_is_not_called_unless_allowed(self, scene: Scene) -> None:
        model = scene.close_later(compatible.connect(KEY, scene.url))
        with pytest.raises(CallError) as caught:
            scene.run(ask_model(model, make_request(), 5.0))
        assert caught.value.reason == "forbidden"
        assert not caught.value.may_be_billed
        assert scene.seen == []

    def test_name_of_a_private_network_is_not_called(self, scene: Scene) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return ["203.0.113.9", "10.0.0.1"]

        url = "https://models.example.org/v1"
        model = scene.close_later(compatible.connect(KEY, url, resolve=resolve))
        with pytest.raises(CallError) as caught:
            scene.run(ask_model(model, make_request(), 5.0))
        assert caught.value.reason == "forbidden"


class TestReply:
    def test_call(self, scene: Scene) -> None:
        message = {**MESSAGE, "refusal": None, "annotations": [], "audio": None}
        scene.reply(body(message), x_request_id="req_9")
        answer = ask(scene)
        assert answer.failure is None
        assert answer.arguments == {"cells": ["A1"]}
        assert answer.items == (MESSAGE,)
        assert answer.model == "llama"
        assert answer.provider_request == "req_9"
        assert answer.tokens == Tokens(100, 60, 0, 20, 15)
        assert answer.said is None

    def test_reasoning_goes_back(self, scene: Scene) -> None:
        details = [{"type": "reasoning.encrypted", "data": "x"}]
        answer = ask_of(scene, body({**MESSAGE, "reasoning_details": details}))
        assert answer.items[0]["reasoning_details"] == details

    @pytest.mark.parametrize(
        ("reason", "failure"), [("length", "truncated"), ("content_filter", "refused")]
    )
    def test_stop_comes_before_the_call(
        self, scene: Scene, reason: str, failure: str
    ) -> None:
        answer = ask_of(scene, body(MESSAGE, reason))
        assert (answer.failure, answer.items) == (failure, ())

    def test_refusal(self, scene: Scene) -> None:
        message = {"role": "assistant", "content": None, "refusal": "I will not."}
        answer = ask_of(scene, body(message, "stop"))
        assert (answer.failure, answer.said) == ("refused", "I will not.")

    @pytest.mark.parametrize("choices", [None, [], "x", [None], [{}], [{"message": 3}]])
    def test_empty(self, scene: Scene, choices: Any) -> None:
        assert ask_of(scene, body(None, choices=choices)).failure == "empty"

    @pytest.mark.parametrize("content", ["I think.", [{"type": "text", "text": "I"}]])
    def test_words_alone_are_invalid_and_kept(self, scene: Scene, content: Any) -> None:
        answer = ask_of(scene, body({"role": "assistant", "content": content}, "stop"))
        assert answer.failure == "invalid"
        assert answer.items == ({"role": "assistant", "content": content},)

    @pytest.mark.parametrize(
        "function",
        [
            None,
            "reveal",
            {"name": "flag", "arguments": "{}"},
            {"name": "reveal", "arguments": '{"a'},
            {"name": "reveal"},
        ],
    )
    def test_unreadable_call(self, scene: Scene, function: Any) -> None:
        call = {**CALL, "function": function}
        answer = ask_of(scene, body({**MESSAGE, "tool_calls": [call]}))
        assert (answer.failure, answer.items) == ("invalid", ())

    @pytest.mark.parametrize(
        ("code", "reason"), [(429, "rate-limit"), ("x", "server"), (502, "server")]
    )
    def test_error_of_a_router_under_200(
        self, scene: Scene, code: Any, reason: str
    ) -> None:
        scene.reply({"error": {"message": "upstream", "code": code}})
        with pytest.raises(CallError) as caught:
            ask(scene)
        assert caught.value.reason == reason
        assert caught.value.may_be_billed

    def test_reply_is_capped(self, scene: Scene) -> None:
        message = {**MESSAGE, "content": "x" * compatible.REPLY_LIMIT}
        scene.reply(body(message))
        with pytest.raises(CallError) as caught:
            ask(scene)
        assert caught.value.reason == "unreadable"
        assert not caught.value.retriable
        assert caught.value.may_be_billed
