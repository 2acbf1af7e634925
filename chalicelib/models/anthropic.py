"""Anthropic: the Messages API, with thinking blocks carried from step to step."""

from collections.abc import Sequence
from typing import Any, Final

import httpx2
from anthropic import AsyncAnthropic

from chalicelib.models.model import (
    Answer,
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
    open_client,
    open_transport,
    timeout_of,
)
from chalicelib.models.writing import Heads, Histories, encode, join_body

_KINDS: Final = ("text", "thinking", "redacted_thinking", "tool_use")
_CACHED: Final = {"type": "ephemeral"}
_STOPS: Final = {
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "refusal": "refused",
}


def connect(key: str, base_url: str | None) -> Model:
    """The service under one key; connections are opened at the first call."""
    return AnthropicModel(key, base_url)


class AnthropicModel:
    """Anthropic's models under one key."""

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
                "/v1/messages",
                cast_to=httpx2.Response,
                content=body,
                options={
                    "timeout": timeout_of(seconds),
                    "max_retries": 0,
                    "follow_redirects": False,
                },
            )

        return await attempt(request, send, _read, seconds, self._key)

    def write(self, request: ModelRequest) -> bytes:
        """The body of a request."""
        last = request.history[-1] if request.history else None
        pieces = self._histories.encoded(request)
        pieces.append(encode(write_prompt(request.prompt, last)))
        return join_body(self._heads.encoded(request), "messages", pieces)

    async def check(self, model: str, seconds: float) -> None:
        """Ask for the model itself, free of charge. CallError."""
        check_key(self._key)
        client = self._client.get()
        await check_model(client.get, f"/v1/models/{model}", seconds, self._key)

    async def aclose(self) -> None:
        """Give back its connections."""
        client = self._client.take()
        if client is not None:
            await client.close()

    def _open(self) -> AsyncAnthropic:
        return AsyncAnthropic(
            api_key=self._key,
            base_url=self._base_url,
            max_retries=0,
            open_telemetry=False,
            http_client=open_client(open_transport()),
        )


def write_head(request: ModelRequest) -> Json:
    """All of a request's body but its `messages`.

    The rules end a part that is cached for all episodes, the last block ends one for
    the next step. A model that thinks cannot be forced to call.
    """
    tool = request.tool
    head: Json = {
        "model": request.model,
        "max_tokens": request.output_tokens,
        "cache_control": _CACHED,
        "system": [{"type": "text", "text": request.system, "cache_control": _CACHED}],
        "tools": [
            {
                "name": tool.name,
                "description": tool.about,
                "input_schema": tool.parameters,
                "strict": True,
            }
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }
    if request.effort is not None:
        head["thinking"] = {"type": "adaptive"}
        head["output_config"] = {"effort": request.effort}
    elif request.forced:
        head["tool_choice"] = {
            "type": "tool",
            "name": tool.name,
            "disable_parallel_tool_use": True,
        }
    return head


def write_prompt(prompt: str, previous: Exchange | None) -> Json:
    """The prompt as a user's turn: the result of the call it answers, or a text."""
    items = previous.items if previous else ()
    pending = [item["id"] for item in items if item.get("type") == "tool_use"]
    if not pending:
        return {"role": "user", "content": [{"type": "text", "text": prompt}]}
    results = [*[ASIDE] * (len(pending) - 1), prompt]
    return {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": call, "content": result}
            for call, result in zip(pending, results, strict=True)
        ],
    }


def _encode_exchange(exchange: Exchange, previous: Exchange | None) -> bytes:
    turns = [write_prompt(exchange.prompt, previous)]
    if exchange.items:
        turns.append({"role": "assistant", "content": list(exchange.items)})
    return encode(turns)[1:-1]


def _read(body: Json) -> Reading:
    """What a reply says."""
    blocks = objects(body.get("content"))
    stop: Any = _STOPS.get(str(body.get("stop_reason")))
    calls = [block for block in blocks if str(block.get("type")).endswith("tool_use")]
    return Reading(
        stop=stop,
        calls=[_call(block) for block in calls],
        said="\n".join(_words(blocks)),
        items=_returnable(blocks),
        tokens=_count(body.get("usage")),
        model=body.get("model"),
    )


def _call(block: Json) -> ToolCall:
    """A call of ours; what the provider's own tools do is none."""
    name = block.get("name") if block.get("type") == "tool_use" else None
    given = block.get("input")
    arguments = None if isinstance(given, str) else given
    return ToolCall(name, arguments, block.get("id"))


def _words(blocks: Sequence[Json]) -> list[str]:
    found = [block.get("text") for block in blocks if block.get("type") == "text"]
    return [text for text in found if isinstance(text, str)]


def _returnable(blocks: Sequence[Json]) -> Sequence[Json]:
    """The blocks, if all are of a kind that is taken back."""
    if any(block.get("type") not in _KINDS for block in blocks):
        return ()
    return [block for block in blocks if not _is_blank(block)]


def _is_blank(block: Json) -> bool:
    """A text without words comes from models, but is not taken back from users."""
    return block.get("type") == "text" and not str(block.get("text")).strip()


def _count(usage: Any) -> Tokens | None:
    """Input as stated leaves out what was read from and written to the cache."""
    if not isinstance(usage, dict):
        return None
    fresh = count(usage.get("input_tokens"))
    cached = part(usage, "cache_read_input_tokens")
    written = part(usage, "cache_creation_input_tokens")
    return tokens_of(
        None if fresh is None else fresh + cached + written,
        cached,
        written,
        count(usage.get("output_tokens")),
        part(usage, "output_tokens_details", "thinking_tokens"),
    )
