"""Any server that speaks Chat Completions: vLLM, Ollama, a router of many models.

Its address is checked, and every reply is capped. The SDK is not used here: it reads
headers and addresses from the environment that belong to another service.
"""

from collections.abc import Sequence
from typing import Any, Final

import httpx2

from chalicelib.models.addresses import AddressError, PinnedTransport, Resolve
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
    attempt_check,
    check_key,
    explain_error,
    open_client,
    open_transport,
    timeout_of,
)
from chalicelib.models.writing import Heads, Histories, encode, join_body

REPLY_LIMIT: Final = 1_000_000
NO_LIST: Final = (404, 405, 501)

_RETURNED: Final = ("content", "reasoning_details", "reasoning_content", "reasoning")


def connect(
    key: str,
    base_url: str | None,
    allow_local: bool = False,
    resolve: Resolve | None = None,
) -> Model:
    """A server under one key, which may be empty; its address is checked when called.

    `allow_local` also allows a server of this very machine, where the owner says so.
    AddressError where no address is given.
    """
    if not base_url or "?" in base_url:
        raise AddressError("A compatible server needs a plain base address.")
    return CompatibleModel(key, base_url, allow_local, resolve)


class CompatibleModel:
    """The models of one server under one key."""

    def __init__(
        self, key: str, base_url: str, allow_local: bool, resolve: Resolve | None
    ) -> None:
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._allow_local = allow_local
        self._resolve = resolve
        self._client = PerLoop(self._open)
        self._heads = Heads(write_head)
        self._histories = Histories(_encode_exchange)

    async def answer(
        self, request: ModelRequest, body: bytes, seconds: float
    ) -> Answer:
        """One try, ended after `seconds`. CallError."""
        headers = self._headers()

        async def send() -> httpx2.Response:
            return await self._client.get().post(
                f"{self._base_url}/chat/completions",
                content=body,
                headers=headers,
                timeout=timeout_of(seconds),
            )

        return await attempt(request, send, _read, seconds, self._key)

    async def check(self, model: str, seconds: float) -> None:
        """Ask for the list of models, which not every server has. CallError."""
        headers = self._headers()

        async def send() -> httpx2.Response:
            return await self._client.get().get(
                f"{self._base_url}/models",
                headers=headers,
                timeout=timeout_of(seconds),
            )

        try:
            await attempt_check(send, seconds, self._key)
        except CallError as error:
            if error.status_code not in NO_LIST:
                raise

    def _headers(self) -> dict[str, str]:
        check_key(self._key or "none")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def write(self, request: ModelRequest) -> bytes:
        """The body of a request."""
        last = request.history[-1] if request.history else None
        rules = {"role": "system", "content": request.system}
        pieces = [encode(rules), *self._histories.encoded(request)]
        pieces.append(_encode_prompt(request.prompt, last))
        return join_body(self._heads.encoded(request), "messages", pieces)

    async def aclose(self) -> None:
        """Give back its connections."""
        client = self._client.take()
        if client is not None:
            await client.aclose()

    def _open(self) -> httpx2.AsyncClient:
        pinned = PinnedTransport(
            open_transport(), self._base_url, self._allow_local, self._resolve
        )
        return open_client(pinned, REPLY_LIMIT)


def write_head(request: ModelRequest) -> Json:
    """All of a request's body but its `messages`."""
    tool = request.tool
    head: Json = {
        "model": request.model,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.about,
                    "parameters": tool.parameters,
                    "strict": True,
                },
            }
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "max_tokens": request.output_tokens,
    }
    if request.forced:
        head["tool_choice"] = {"type": "function", "function": {"name": tool.name}}
    if request.effort is not None:
        head["reasoning_effort"] = request.effort
    return head


def write_prompt(prompt: str, previous: Exchange | None) -> list[Json]:
    """The prompt as messages: the result of the call it answers, or a user's."""
    items = previous.items if previous else ()
    pending = [call["id"] for item in items for call in item.get("tool_calls", ())]
    if not pending:
        return [{"role": "user", "content": prompt}]
    results = [*[ASIDE] * (len(pending) - 1), prompt]
    return [
        {"role": "tool", "tool_call_id": call, "content": result}
        for call, result in zip(pending, results, strict=True)
    ]


def _encode_prompt(prompt: str, previous: Exchange | None) -> bytes:
    return encode(write_prompt(prompt, previous))[1:-1]


def _encode_exchange(exchange: Exchange, previous: Exchange | None) -> bytes:
    return encode([*write_prompt(exchange.prompt, previous), *exchange.items])[1:-1]


def _read(body: Json) -> Reading:
    """What a reply says. CallError where a router reports an error under HTTP 200."""
    choices = objects(body.get("choices"))
    if not choices and body.get("error"):
        raise _failed(body["error"])
    choice = choices[0] if choices else {}
    found = choice.get("message")
    message = found if isinstance(found, dict) else {}
    calls = objects(message.get("tool_calls"))
    return Reading(
        stop=_stop(choice.get("finish_reason"), message),
        calls=[_call(call) for call in calls],
        said="\n".join(_words(message)),
        items=_items(message, calls),
        tokens=_count(body.get("usage")),
        model=body.get("model"),
    )


def _failed(error: Any) -> CallError:
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    explained = explain_error(error, status)
    return CallError(
        explained.message, explained.reason, explained.retriable, True, status=200
    )


def _stop(reason: Any, message: Json) -> Any:
    if reason == "length":
        return "truncated"
    refusal = message.get("refusal")
    refused = isinstance(refusal, str) and refusal.strip()
    return "refused" if refused or reason == "content_filter" else None


def _words(message: Json) -> list[str]:
    content = message.get("content")
    parts = [item.get("text") for item in objects(content)]
    found = [content, *parts, message.get("refusal")]
    return [text for text in found if isinstance(text, str)]


def _call(call: Json) -> ToolCall:
    function = call.get("function")
    named = function if isinstance(function, dict) else {}
    return ToolCall(named.get("name"), named.get("arguments"), call.get("id"))


def _items(message: Json, calls: Sequence[Json]) -> list[Json]:
    """The message as servers take it back: what they add besides, some refuse."""
    kept: Json = {"role": "assistant"}
    kept |= {name: message[name] for name in _RETURNED if message.get(name)}
    if calls:
        kept.setdefault("content", None)
        kept["tool_calls"] = [
            {"id": call.get("id"), "type": "function", "function": call.get("function")}
            for call in calls
        ]
    return [kept] if len(kept) > 1 else []


def _count(usage: Any) -> Tokens | None:
    if not isinstance(usage, dict):
        return None
    return tokens_of(
        count(usage.get("prompt_tokens")),
        part(usage, "prompt_tokens_details", "cached_tokens"),
        part(usage, "prompt_tokens_details", "cache_write_tokens"),
        count(usage.get("completion_tokens")),
        part(usage, "completion_tokens_details", "reasoning_tokens"),
    )
