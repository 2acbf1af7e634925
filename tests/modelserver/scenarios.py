"""Scenarios: every way in which a service fails, or answers what nobody expects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

API = Literal["responses", "chat", "messages"]
Delivery = Literal[
    "whole", "reset-before", "reset-mid", "early-close", "never", "trickle", "late",
    "cut", "empty", "html", "list",
]  # fmt: skip

ALL: Final[tuple[API, ...]] = ("responses", "chat", "messages")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to fail.

    `status` refuses the request, with `headers`. Otherwise the model answers: `shape`
    names what it says instead of its move, `spoil` what is done to the reply object,
    `deliver` how its bytes reach the caller, if they do. `billed`: whether the call is
    owed for.
    """

    number: int
    name: str
    about: str
    billed: bool = True
    status: int | None = None
    headers: Mapping[str, str] | None = None
    shape: str | None = None
    spoil: str | None = None
    deliver: Delivery = "whole"
    apis: tuple[API, ...] = ALL


def refusal(
    number: int, name: str, status: int, about: str, **headers: str
) -> Scenario:
    """A scenario that answers with an error; it is not billed."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Scenario(number, name, about, billed=False, status=status, headers=named)


def shaped(number: int, name: str, about: str) -> Scenario:
    """A scenario in which the model says something else."""
    return Scenario(number, name, about, shape=name)


def spoilt(number: int, name: str, about: str) -> Scenario:
    """A scenario in which the reply object is not as it should be."""
    return Scenario(number, name, about, spoil=name)


def delivered(
    number: int, name: str, deliver: Delivery, about: str, billed: bool = True
) -> Scenario:
    """A scenario in which the bytes do not come as they should."""
    return Scenario(number, name, about, billed=billed, deliver=deliver)


DATE: Final = "in 5 seconds"
"""Stands for the HTTP date five seconds from now."""

LIST: Final = (
    refusal(1, "429", 429, "rate limit, no Retry-After"),
    refusal(2, "429-after-1", 429, "rate limit, a second", Retry_After="1"),
    refusal(3, "429-after-119", 429, "rate limit, 119 s", Retry_After="119"),
    refusal(4, "429-after-3600", 429, "rate limit, an hour", Retry_After="3600"),
    refusal(5, "429-after-4294967", 429, "49 days", Retry_After="4294967"),
    refusal(6, "429-after-date", 429, "rate limit, an HTTP date", Retry_After=DATE),
    refusal(7, "insufficient-quota", 429, "no credit left (Messages: 402)"),
    refusal(8, "400", 400, "bad request"),
    refusal(9, "401", 401, "wrong key"),
    refusal(10, "403", 403, "forbidden"),
    refusal(11, "404", 404, "unknown model"),
    refusal(12, "408", 408, "request timeout"),
    refusal(13, "409", 409, "conflict"),
    refusal(14, "413", 413, "too large"),
    refusal(15, "422", 422, "unprocessable"),
    refusal(16, "500", 500, "server error"),
    refusal(17, "503", 503, "unavailable"),
    refusal(18, "529", 529, "overloaded"),
    refusal(19, "500-no-retry", 500, "x-should-retry: false", x_should_retry="false"),
    refusal(20, "400-retry", 400, "x-should-retry: true", x_should_retry="true"),
    delivered(21, "reset-before", "reset-before", "RST before the reply", billed=False),
    delivered(22, "reset-mid", "reset-mid", "RST in the middle of the body"),
    delivered(23, "early-close", "early-close", "FIN in the middle of the body"),
    delivered(24, "never-answers", "never", "no byte ever comes"),
    delivered(25, "slow-trickle", "trickle", "twelve pieces, --pace apart"),
    delivered(26, "truncated-json", "cut", "half a JSON text, well delivered"),
    delivered(27, "empty-200", "empty", "200 without a body"),
    delivered(28, "html-200", "html", "200 text/html", billed=False),
    delivered(29, "list-200", "list", "200 with a JSON list"),
    shaped(30, "wrong-types", "arguments of the wrong types"),
    shaped(31, "broken-arguments", "arguments that are no JSON"),
    shaped(32, "unknown-tool", "a tool that was not offered"),
    shaped(33, "two-calls", "two calls although one was allowed"),
    shaped(34, "text-only", "words instead of a call"),
    shaped(35, "truncated", "cut off at max tokens within the arguments"),
    shaped(36, "only-reasoning", "reasoning used all tokens"),
    shaped(37, "refusal", "the model declines"),
    shaped(38, "incomplete", "stopped by a filter (Messages: context window)"),
    Scenario(
        39, "failed", "status failed, HTTP 200", shape="failed", apis=("responses",)
    ),
    spoilt(40, "output-null", "output, message or content is null"),
    spoilt(41, "no-usage", "usage is missing"),
    spoilt(42, "no-choices", "choices, output or content is []"),
    spoilt(43, "future-enum", "enum values that no client knows"),
    spoilt(44, "unknown-block", "an item of an unknown type comes first"),
    shaped(45, "hostile-text", "NUL, ESC, RTL override, <script>, lone surrogate"),
    shaped(46, "huge-output", "5 MB of text"),
    refusal(47, "redirect", 307, "307 to another origin"),
    delivered(48, "late-reply", "late", "a whole reply after --late seconds"),
    delivered(49, "lost-reply", "reset-before", "billed, then RST before the reply"),
    shaped(50, "illegal-move", "a readable move that the rules refuse"),
    shaped(51, "empty-arguments", "a call with {}"),
    shaped(52, "lone-surrogate", "a lone surrogate and nothing else unusual"),
)

SCENARIOS: Final[Mapping[str, Scenario]] = {each.name: each for each in LIST}
"""By name. That a connection is refused is the caller's to arrange: a closed port."""
