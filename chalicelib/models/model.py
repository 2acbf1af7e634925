"""The Model protocol: what a model is asked, and what one try at an answer gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chalicelib.errors import TransportError
from chalicelib.events import Failure

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """The one tool of a game: the only way to answer. Known by identity."""

    name: str
    about: str
    parameters: Json


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier try of the conversation.

    `prompt` is the text that was sent, `items` the provider's own output items as they
    came (reasoning, thinking blocks and the tool call, unchanged). The prompt of the
    next exchange answers the tool call in `items`, if there is exactly one.
    """

    prompt: str
    items: Sequence[Json]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question: rules and tool first, so that caches hit; the board last.

    `model` is the provider's own name of it; `conversation` names the episode, for
    caches that want a key; `output_tokens` bounds the reply, reasoning included.
    """

    model: str
    effort: str | None
    system: str
    tool: Tool
    history: Sequence[Exchange]
    prompt: str
    output_tokens: int
    conversation: str
    forced: bool = True


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call used; `input` is all input, cached and cache-written included.

    `output` is all output, reasoning included.
    """

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int

    def to_json(self) -> Json:
        """As a ledger row has it."""
        return {
            "in": self.input,
            "cached": self.cached,
            "cache_write": self.cache_write,
            "out": self.output,
            "reasoning": self.reasoning,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try that reached the model.

    Exactly one readable call of the tool gives `arguments`; anything else is a
    `failure` with a `complaint` the model can be told. `tokens` is None when the
    provider did not say: the call then counts at its maximum. `items` are to be sent
    back unchanged; `raw` is the text of the whole reply, cleaned, for the ledger.
    """

    arguments: Any = None
    said: str | None = None
    failure: Failure | None = None
    complaint: str | None = None
    tokens: Tokens | None = None
    model: str | None = None
    provider_request: str | None = None
    items: Sequence[Json] = ()
    raw: str = ""


class CallError(TransportError):
    """A try that gave no answer.

    `reason` is one of: connect, timeout, reset, rate-limit, overloaded, server,
    quota, key, forbidden, unknown-model, refused-request, too-large, redirect,
    unreadable. `retriable`: whether another try may help. `may_be_billed`: whether
    the provider may have worked for it. `retry_after`: seconds it asks to wait.
    """

    def __init__(
        self,
        message: str,
        reason: str,
        retriable: bool,
        may_be_billed: bool,
        retry_after: float | None = None,
        status: int | None = None,
        provider_request: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retriable = retriable
        self.may_be_billed = may_be_billed
        self.retry_after = retry_after
        self.status_code = status
        self.provider_request = provider_request


class Model(Protocol):
    """One provider's service under one key, reused across episodes in one loop."""

    def write(self, request: ModelRequest) -> bytes:
        """The body of a request, as it goes over the wire."""

    async def answer(
        self, request: ModelRequest, body: bytes, seconds: float
    ) -> Answer:
        """One try with what `write` made of the request, ended after `seconds`.

        CallError, and nothing else.
        """

    async def check(self, model: str, seconds: float) -> None:
        """Ask for the model itself, free of charge. CallError."""

    async def aclose(self) -> None:
        """Give back its connections."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a provider can do; a model's row may narrow it."""

    efforts: Sequence[str] = ()
    has_temperature: bool = False
    has_caching: bool = False
    has_batch: bool = False
    key_variable: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
