"""What the providers share: the client, one bounded call, and its errors.

A client follows no redirects, reads no proxy settings, tries once and takes no more
of a reply than it should. `writing` makes the bytes it sends, `reading` judges what
comes back.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from typing import Any, Final, Generic, TypeVar

import httpx2

from chalicelib.errors import RequestError
from chalicelib.events import clean_text
from chalicelib.models.model import Answer, CallError, Json, ModelRequest
from chalicelib.models.reading import Reading, judge, load_json

CONNECT_SECONDS: Final = 10.0
REPLY_LIMIT: Final = 16 * 1024 * 1024
KEY_LENGTH: Final = 16
POOLS: Final = 16
RETRY_LIMIT: Final = 86_400.0
T = TypeVar("T")
_SECRETS = (
    re.compile(r"\bsk-[\w*-]+"),
    re.compile(r"\btilts_[\w*-]+"),
    re.compile(r"(?i)\bbearer\s+[^\s'\",;]+"),
    re.compile(r"(?i)\b(authorization|x-api-key)\b['\"]?\s*[:=]\s*[^\s,;}]+"),
)


class ReplyTooLargeError(httpx2.RequestError):
    """A reply of more bytes than are read."""


# -- the client ---------------------------------------------------------------


class CappedTransport(httpx2.AsyncBaseTransport):
    """Reads at most `limit` bytes of a reply, and takes it uncompressed only."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        named = {name.lower(): value for name, value in response.headers.raw}
        coding = named.get(b"content-encoding", b"identity").lower()
        length = named.get(b"content-length", b"0")
        if coding != b"identity" or not length.isdigit() or int(length) > self._limit:
            await response.aclose()
            raise ReplyTooLargeError("The reply is compressed or too large.")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _CappedStream(response.stream, self._limit)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _CappedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._left = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise ReplyTooLargeError("The reply is too large.")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class SpreadTransport(httpx2.AsyncBaseTransport):
    """Sends each request over the least busy of a few pools.

    A pool looks at all its connections at every request, twice.
    """

    def __init__(self, pools: Sequence[httpx2.AsyncBaseTransport]) -> None:
        self._pools = pools
        self._busy = [0] * len(pools)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        chosen = self._busy.index(min(self._busy))
        self._busy[chosen] += 1
        try:
            return await self._pools[chosen].handle_async_request(request)
        finally:
            self._busy[chosen] -= 1

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


def open_transport() -> httpx2.AsyncBaseTransport:
    """Pools of plain connections, deaf to the environment."""
    limits = httpx2.Limits(
        max_connections=64, max_keepalive_connections=16, keepalive_expiry=20.0
    )
    return SpreadTransport(
        [
            httpx2.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=limits)
            for _ in range(POOLS)
        ]
    )


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes as long as many calls."""
    return httpx2.create_ssl_context(trust_env=False)


def open_client(
    transport: httpx2.AsyncBaseTransport, limit: int = REPLY_LIMIT
) -> httpx2.AsyncClient:
    """A client that goes where it is sent, and reads at most `limit` bytes."""
    return httpx2.AsyncClient(
        transport=CappedTransport(transport, limit),
        follow_redirects=False,
        trust_env=False,
    )


class PerLoop(Generic[T]):
    """Something made in the running loop when first used, and made anew in another."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._loop: asyncio.AbstractEventLoop | None = None
        self._made: T | None = None

    def get(self) -> T:
        loop = asyncio.get_running_loop()
        if self._made is None or self._loop is not loop:
            self._loop, self._made = loop, self._make()
        return self._made

    def take(self) -> T | None:
        """What was made in this loop, to be closed; the next `get` makes another."""
        made, self._made = self._made, None
        return made if self._loop is asyncio.get_running_loop() else None


# -- one call -----------------------------------------------------------------


async def attempt(
    request: ModelRequest,
    send: Callable[[], Awaitable[httpx2.Response]],
    read: Callable[[Json], Reading],
    seconds: float,
    key: str,
) -> Answer:
    """One try, ended after `seconds`. CallError, and nothing else but cancellation."""
    if seconds <= 0:
        raise CallError("No time is left for a call.", "timeout", True, False)
    try:
        async with asyncio.timeout(seconds):
            response = await send()
        if not response.is_success:
            raise explain_status(response, key)
        text = _without(key, response.content.decode("utf-8-sig", "replace"))
        return judge(request, read(_read_object(text)), text, request_id(response))
    except Exception as error:
        raise explain(error, key) from None


async def check_model(
    get: Callable[..., Awaitable[httpx2.Response]], path: str, seconds: float, key: str
) -> None:
    """Ask for a model through an SDK client's own `get`. CallError."""

    async def send() -> httpx2.Response:
        return await get(
            path,
            cast_to=httpx2.Response,
            options={
                "timeout": timeout_of(seconds),
                "max_retries": 0,
                "follow_redirects": False,
            },
        )

    await attempt_check(send, seconds, key)


async def attempt_check(
    send: Callable[[], Awaitable[httpx2.Response]], seconds: float, key: str
) -> None:
    """One request whose success is all that matters. CallError."""
    try:
        async with asyncio.timeout(seconds):
            response = await send()
        if not response.is_success:
            raise explain_status(response, key)
    except Exception as error:
        raise explain(error, key) from None


def check_key(key: str) -> None:
    """CallError where a key cannot stand in a header."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        said = "There is no key of the provider, or it is not one."
        raise CallError(said, "key", False, False)


def timeout_of(seconds: float) -> httpx2.Timeout:
    """Each single wait of a call stays within the whole call's time."""
    return httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))


def _read_object(text: str) -> Json:
    """The JSON object in a reply's text. ValueError."""
    body = load_json(text)
    if not isinstance(body, dict):
        raise ValueError("The reply is not a JSON object.")
    return body


def request_id(response: httpx2.Response) -> str | None:
    """The provider's name of a request, for questions to its support."""
    headers = response.headers
    found = headers.get("x-request-id") or headers.get("request-id")
    return clean_text(found, 200) if found else None


# -- what went wrong ----------------------------------------------------------

_Fault = tuple[str, str, bool, bool]
_FAULTS: Final[tuple[tuple[tuple[type[BaseException], ...], _Fault], ...]] = (
    (
        (ReplyTooLargeError,),
        ("The reply is larger than what is read.", "unreadable", False, True),
    ),
    (
        (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, ssl.SSLError),
        ("The provider could not be reached.", "connect", True, False),
    ),
    (
        (httpx2.TimeoutException, TimeoutError),
        ("No reply came in time.", "timeout", True, True),
    ),
    (
        (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL),
        ("The request could not be written.", "refused-request", False, False),
    ),
    (
        (httpx2.TransportError, OSError),
        ("The connection broke.", "reset", True, True),
    ),
    (
        (ValueError, RecursionError),
        ("The reply cannot be read.", "unreadable", True, True),
    ),
)

_STATUSES: Final[dict[int, tuple[str, bool, bool]]] = {
    401: ("key", False, False),
    402: ("quota", False, False),
    403: ("forbidden", False, False),
    404: ("unknown-model", False, False),
    408: ("timeout", True, True),
    409: ("overloaded", True, False),
    413: ("too-large", False, False),
    429: ("rate-limit", True, False),
}
_QUOTA: Final = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
}


def explain(error: BaseException, key: str = "") -> CallError:
    """Any exception of a call, as the CallError it amounts to."""
    if isinstance(error, CallError):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        return explain_status(response, key)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RequestError):
            return CallError(cause.message, "forbidden", False, False)
        for kinds, (said, reason, retriable, billed) in _FAULTS:
            if isinstance(cause, kinds):
                return CallError(said, reason, retriable, billed)
        cause = cause.__cause__
    name = type(error).__name__
    return CallError(f"The call failed: {name}.", "unreadable", False, True)


def explain_status(response: httpx2.Response, key: str = "") -> CallError:
    """A reply that is not a success; its own words are kept, without secrets."""
    try:
        body = load_json(response.content.decode("utf-8", "replace"))
    except (ValueError, RecursionError, httpx2.StreamError):
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    return explain_error(
        error,
        response.status_code,
        key,
        read_retry_after(response.headers),
        request_id(response),
    )


def explain_error(
    error: Any,
    status: int,
    key: str = "",
    retry_after: float | None = None,
    provider_request: str | None = None,
) -> CallError:
    """A provider's error object under an HTTP status (its own or the one it stands for).

    Overload that the provider itself words was refused at the door; any other error
    of the server may have come after the work.
    """
    words = error if isinstance(error, dict) else {"message": error}
    message = words.get("message")
    said = redact(clean_text(message, 300), key) if isinstance(message, str) else ""
    codes = {str(words.get("code")), str(words.get("type"))}
    reason, retriable, billed = _judge_status(status, codes, said.lower())
    if reason == "overloaded" and status >= 500:
        billed = not isinstance(error, dict)
    return CallError(
        f"HTTP {status}: {said or 'no reason given'}",
        reason,
        retriable,
        billed,
        retry_after,
        status,
        provider_request,
    )


def _judge_status(status: int, codes: set[str], said: str) -> tuple[str, bool, bool]:
    if status < 400:
        return "redirect", False, False
    if status in (503, 529):
        return "overloaded", True, True
    if status >= 500:
        return "server", True, True
    if codes & _QUOTA or "credit balance" in said:
        return "quota", False, False
    if "context_length_exceeded" in codes or "prompt is too long" in said:
        return "too-large", False, False
    return _STATUSES.get(status, ("refused-request", False, False))


def read_retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds to wait; a date counts from the reply's own. Absurd values are capped."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = _read_wait(headers.get("retry-after", ""), headers)
    except (ValueError, TypeError, OverflowError):
        return None
    if not isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, RETRY_LIMIT)


def _read_wait(text: str, headers: httpx2.Headers) -> float:
    try:
        return float(text)
    except ValueError:
        until = parsedate_to_datetime(text)
        return (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds()


def redact(text: str, key: str = "") -> str:
    """A text without keys and without what stands in headers that carry them."""
    text = _without(key, text)
    for pattern in _SECRETS:
        text = pattern.sub("[key]", text)
    return text


def _without(key: str, text: str) -> str:
    """A short key is that of a local server, and may be any word."""
    return text.replace(key, "[key]") if len(key) >= KEY_LENGTH else text
