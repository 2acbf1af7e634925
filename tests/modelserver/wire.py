"""What the three wire formats have in common: a question, a reply, a refusal."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

Json = dict[str, Any]
Path = tuple[str | int, ...]
End = Literal["stop", "length", "refusal", "filter", "failed"]

KEY: Final = "sk-tilts-local"
SNAPSHOT: Final = "-2026-10-01"
CREATED: Final = 1_790_812_800
"""1 October 2026: replies carry it plus the number of the call, so that they repeat."""


class RefusedError(Exception):
    """A request that the service answers with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks, whichever format it came in.

    `head` and `items` are what a cache would hold, in order; `texts` are the words of
    the user and of tool results, newest first. `tools` maps a name to its schema, and
    `callable` holds those that may be called. `limit` bounds the output tokens.
    A cache that works `at_marks` is written and read only where the request has marks;
    `head_marked`: one of them ends the head.
    """

    body: Json
    model: str
    conversation: str | None
    head: tuple[Any, ...]
    items: Sequence[Any]
    texts: Sequence[str]
    tools: Mapping[str, Json]
    callable: Sequence[str]
    forced: bool
    effort: str | None
    limit: int | None
    thinks: bool = True
    cached: bool = True
    uncached_items: int = 0
    at_marks: bool = False
    head_marked: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool; the arguments are text, which need not be JSON."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers, before a format writes it."""

    thinking: str | None
    text: str | None
    calls: tuple[Call, ...]
    end: End = "stop"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call; `input` is all input, `output` all output."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """What names a reply: the number of the request, and a digest of its body."""

    number: int
    digest: str

    def id(self, prefix: str, size: int = 24) -> str:
        """An id that no other reply has."""
        return f"{prefix}{self.number:08x}{self.digest[: size - 8]}"

    def item_id(self, prefix: str, size: int = 48) -> str:
        """An id that the same request gets again."""
        return f"{prefix}{self.digest[:size]}"


@dataclass(frozen=True, slots=True)
class Wire:
    """One format: how requests are read, replies and refusals written.

    `spoil` changes a finished reply object the way a scenario of that name says.
    """

    name: str
    path: str
    request_id_header: str
    authorize: Callable[[Mapping[str, str], str], None]
    read: Callable[[Json, Mapping[str, str]], Question]
    write: Callable[[Question, Reply, Usage, Stamp], Json]
    refuse: Callable[[RefusedError, str], Json]
    spoil: Mapping[str, Callable[[Json], None]]


def seal(*parts: str) -> str:
    """Text that only this server makes, and the same for the same parts."""
    digest = sha256("\x1f".join(("tilts", *parts)).encode("utf-8", "replace")).digest()
    filling = sha256(digest).digest() + sha256(digest + b"2").digest()
    return base64.b64encode(digest + filling).decode()


def snapshot(model: str) -> str:
    """The name of the model as replies have it."""
    name = model.partition(":")[0]
    return name if name.endswith(SNAPSHOT) else name + SNAPSHOT
