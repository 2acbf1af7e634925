"""OpenAI: the Responses API, with reasoning carried from step to step."""

from collections.abc import Sequence
from typing import Any, Final

import httpx2
from openai import AsyncOpenAI

from chalicelib.models.model import (
    Answer,
    CallError,
    Exchange,
    Json,
    Model,
    ModelRequest,
    Tokens,
)
from chalicelib.models.reading import (
    ASIDE,
    Reading,
    ToolCall,
    count,
    objects,
    part,
    tokens_of,
)
from chalicelib.models.wire import (
    PerLoop,
    attempt,
    check_key,
    check_model,
    explain_error,
    open_client,
    open_transport,
    timeout_of,
)
from chalicelib.models.writing import Heads, Histories, encode, join_body

_KINDS: Final = ("reasoning", "function_call", "message")
_ERROR_STATUSES: Final = {"rate_limit_exceeded": 429, "invalid_prompt": 400}


def connect(key: str, base_url: str | None) -> Model:
    """The service under one key; connections are opened at the first call."""
    return OpenAIModel(key, base_url)


class OpenAIModel:
    """OpenAI's models under one key."""

    def __init__(self, key: str, base_url: str | None) -> None:
        self._key = key
        self._base_url = base_url
        self._client = PerLoop(self._open)
        self._heads = Heads(write_head)
        self._histories = Histories(_encode_exchange)

    async def answer(
        self, request: ModelRequest, body: bytes, seconds: float
    ) -> Answer:
        """One try, ended after `seconds`. CallError."""
        check_key(self._key)

        async def send() -> httpx2.Response:
            return await self._client.get().post(
                "/responses",
                cast_to=httpx2.Response,
                content=body,
                options={
                    "timeout": timeout_of(seconds),
                    "max_retries": 0,
                    "follow_redirects": False,
                    "security": {"bearer_auth": True},
                },
            )

        return await attempt(request, send, _read, seconds, self._key)

    def write(self, request: ModelRequest) -> bytes:
        """The body of a request."""
        last = request.history[-1] if request.history else None
        pieces = self._histories.encoded(request)
        pieces.append(_encode_prompt(request.prompt, last))
        key = b'"prompt_cache_key":' + encode(request.conversation)
        head = self._heads.encoded(request)[:-1] + b"," + key + b"}"
        return join_body(head, "input", pieces)

    async def check(self, model: str, seconds: float) -> None:
        """Ask for the model itself, free of charge. CallError."""
        check_key(self._key)
        client = self._client.get()
        await check_model(client.get, f"/models/{model}", seconds, self._key)

    async def aclose(self) -> None:
        """Give back its connections."""
        client = self._client.take()
        if client is not None:
            await client.close()

    def _open(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            api_key=self._key,
            base_url=self._base_url,
            max_retries=0,
            http_client=open_client(open_transport()),
        )


def write_head(request: ModelRequest) -> Json:
    """All of a request's body but its `input` and the conversation's name."""
    tool = request.tool
    head: Json = {
        "model": request.model,
        "instructions": request.system,
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.about,
                "parameters": tool.parameters,
                "strict": True,
            }
        ],
        "tool_choice": (
            {"type": "function", "name": tool.name} if request.forced else "auto"
        ),
        "parallel_tool_calls": False,
        "max_output_tokens": request.output_tokens,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if request.effort is not None:
        head["reasoning"] = {"effort": request.effort}
    return head


def write_prompt(prompt: str, previous: Exchange | None) -> list[Json]:
    """The prompt as items: the output of the call it answers, or a user's message."""
    items = previous.items if previous else ()
    pending = [item["call_id"] for item in items if item.get("type") == "function_call"]
    if not pending:
        return [{"role": "user", "content": prompt}]
    outputs = [*[ASIDE] * (len(pending) - 1), prompt]
    return [
        {"type": "function_call_output", "call_id": call, "output": output}
        for call, output in zip(pending, outputs, strict=True)
    ]


def _encode_prompt(prompt: str, previous: Exchange | None) -> bytes:
    return encode(write_prompt(prompt, previous))[1:-1]


def _encode_exchange(exchange: Exchange, previous: Exchange | None) -> bytes:
    return encode([*write_prompt(exchange.prompt, previous), *exchange.items])[1:-1]


def _read(body: Json) -> Reading:
    """What a reply says. CallError where it says that the service failed."""
    status = body.get("status")
    if status in ("failed", "cancelled", "queued", "in_progress"):
        raise _failed(body.get("error"), status)
    output = objects(body.get("output"))
    contents = [
        content
        for item in output
        if item.get("type") == "message"
        for content in objects(item.get("content"))
    ]
    return Reading(
        stop=_stop(body, contents),
        calls=[
            _call(item) for item in output if str(item.get("type")).endswith("call")
        ],
        said="\n".join(_words(contents)),
        items=output if _are_returnable(output) else (),
        tokens=_count(body.get("usage")),
        model=body.get("model"),
    )


def _failed(error: Any, status: str) -> CallError:
    """A failure under HTTP 200: the work may have been done and billed."""
    words = error if isinstance(error, dict) else {"message": f"status {status}"}
    explained = explain_error(words, _ERROR_STATUSES.get(str(words.get("code")), 500))
    return CallError(
        explained.message, explained.reason, explained.retriable, True, status=200
    )


def _words(contents: Sequence[Json]) -> list[str]:
    found = [content.get("text", content.get("refusal")) for content in contents]
    return [text for text in found if isinstance(text, str)]


def _stop(body: Json, contents: Sequence[Json]) -> Any:
    if body.get("status") == "incomplete":
        details = body.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        return "refused" if reason == "content_filter" else "truncated"
    refused = any(content.get("type") == "refusal" for content in contents)
    return "refused" if refused else None


def _call(item: Json) -> ToolCall:
    name = item.get("name") if item.get("type") == "function_call" else None
    return ToolCall(name, item.get("arguments"), item.get("call_id"))


def _are_returnable(output: Sequence[Json]) -> bool:
    """Whether all of it is of a kind that is taken back.

    Reasoning goes back only in its encrypted form: nothing is stored over there.
    """
    return all(item.get("type") in _KINDS for item in output) and all(
        isinstance(item.get("encrypted_content"), str)
        for item in output
        if item.get("type") == "reasoning"
    )


def _count(usage: Any) -> Tokens | None:
    if not isinstance(usage, dict):
        return None
    return tokens_of(
        count(usage.get("input_tokens")),
        part(usage, "input_tokens_details", "cached_tokens"),
        part(usage, "input_tokens_details", "cache_write_tokens"),
        count(usage.get("output_tokens")),
        part(usage, "output_tokens_details", "reasoning_tokens"),
    )
