"""What the SDKs make of every scenario, without retries: in words, and in detail."""

import json
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.modelserver.scenarios import SCENARIOS

CALL = ("completed: reasoning function_call", "tool_calls: function",
        "tool_use: thinking tool_use")  # fmt: skip
SPOKEN = ("completed: reasoning message function_call", "tool_calls: text function",
          "tool_use: thinking text tool_use")  # fmt: skip
RESET = ("APIConnectionError ReadError",) * 3

EXPECTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        [name for name in SCENARIOS if name.startswith("429")], ("RateLimitError",) * 3
    ),
    "insufficient-quota": ("RateLimitError", "RateLimitError", "PaymentRequiredError"),
    "400": ("BadRequestError",) * 3,
    "401": ("AuthenticationError",) * 3,
    "403": ("PermissionDeniedError",) * 3,
    "404": ("NotFoundError",) * 3,
    "408": ("APIStatusError", "APIStatusError", "RequestTimeoutError"),
    "409": ("ConflictError",) * 3,
    "413": ("APIStatusError", "APIStatusError", "ContentTooLargeError"),
    "422": ("UnprocessableEntityError",) * 3,
    "500": ("InternalServerError",) * 3,
    "503": ("InternalServerError", "InternalServerError", "ServiceUnavailableError"),
    "529": ("InternalServerError", "InternalServerError", "OverloadedError"),
    "500-no-retry": ("InternalServerError",) * 3,
    "400-retry": ("BadRequestError",) * 3,
    "reset-before": RESET,
    "reset-mid": RESET,
    "early-close": ("APIConnectionError RemoteProtocolError",) * 3,
    "never-answers": ("APITimeoutError ReadTimeout",) * 3,
    "slow-trickle": CALL,
    "truncated-json": ("JSONDecodeError",) * 3,
    "empty-200": ("JSONDecodeError",) * 3,
    "html-200": ("str",) * 3,
    "list-200": ("list",) * 3,
    "wrong-types": CALL,
    "broken-arguments": CALL,
    "unknown-tool": CALL,
    "two-calls": tuple(f"{each} {each.split()[-1]}" for each in CALL),
    "text-only": ("completed: reasoning message", "stop: text",
                  "end_turn: thinking text"),
    "truncated": ("incomplete: reasoning function_call", "length: function",
                  "max_tokens: thinking tool_use"),
    "only-reasoning": ("incomplete: reasoning", "length: ", "max_tokens: thinking"),
    "refusal": ("completed: message", "stop: refusal", "refusal: "),
    "incomplete": ("incomplete: reasoning message", "content_filter: text",
                   "model_context_window_exceeded: thinking text"),
    "failed": ("failed: ", *CALL[1:]),
    "output-null": ("completed: None", "tool_calls: None", "tool_use: None"),
    "no-usage": CALL,
    "no-choices": ("completed: ", "no choices", "end_turn: "),
    "future-enum": ("postponed: reasoning function_call", "postponed: function",
                    "postponed: thinking tool_use"),
    "unknown-block": ("completed: telepathy reasoning function_call",
                      "tool_calls: telepathy function",
                      "tool_use: telepathy thinking tool_use"),
    "hostile-text": SPOKEN,
    "lone-surrogate": SPOKEN,
    "huge-output": CALL,
    "redirect": ("APIStatusError",) * 3,
    "late-reply": CALL,
    "lost-reply": RESET,
    "illegal-move": CALL,
    "empty-arguments": CALL,
}  # fmt: skip
PATIENCE = {"never-answers": 0.3, "slow-trickle": 1.5}
"""Seconds to wait for each read; the trickle takes 2.4 in all."""


def check_retry_after(value: str) -> Callable[..., None]:
    def check(*errors: Any) -> None:
        for error in errors:
            assert error.response.headers["Retry-After"] == value

    return check


def check_date(*errors: Any) -> None:
    for error in errors:
        parsedate_to_datetime(error.response.headers["Retry-After"])


def check_quota(responses: Any, chat: Any, messages: Any) -> None:
    assert responses.code == chat.code == "insufficient_quota"
    assert messages.body["error"]["type"] == "billing_error"


def check_truncated(responses: Any, chat: Any, messages: Any) -> None:
    assert responses.incomplete_details.reason == "max_output_tokens"
    for arguments in (
        responses.output[-1].arguments,
        chat.choices[0].message.tool_calls[0].function.arguments,
    ):
        with pytest.raises(json.JSONDecodeError):
            json.loads(arguments)
    # Looks like a readable, empty move.
    assert messages.content[-1].input == {}


def check_broken(responses: Any, chat: Any, messages: Any) -> None:
    arguments = [
        responses.output[-1].arguments,
        chat.choices[0].message.tool_calls[0].function.arguments,
        messages.content[-1].input,
    ]
    assert all(isinstance(each, str) for each in arguments)


def check_null(responses: Any, chat: Any, messages: Any) -> None:
    with pytest.raises(TypeError):
        _ = responses.output_text


def check_usage_gone(*replies: Any) -> None:
    assert all(reply.usage is None for reply in replies)


def check_refusal(responses: Any, chat: Any, messages: Any) -> None:
    assert responses.output[0].content[0].type == "refusal"
    assert chat.choices[0].message.content is None
    assert messages.stop_details.category == "general_harms"


def check_hostile(responses: Any, chat: Any, messages: Any) -> None:
    for text in (
        responses.output[1].content[0].text,
        chat.choices[0].message.content,
        messages.content[1].text,
    ):
        assert {"\x00", "\x1b", "\u202e", "\ud800", "<"} <= set(text)


def check_huge(responses: Any, chat: Any, messages: Any) -> None:
    assert len(responses.output[-1].arguments) > 4_000_000
    assert len(messages.content[-1].input["reasoning"]) > 4_000_000


def check_redirect(*errors: Any) -> None:
    assert [error.status_code for error in errors] == [307] * 3


def check_failed(responses: Any, *others: Any) -> None:
    assert responses.error.code == "server_error"
    assert responses.usage is None


DETAILS: dict[str, Callable[..., None]] = {
    **{
        f"429-after-{value}": check_retry_after(value)
        for value in ("1", "119", "3600", "4294967")
    },
    "429-after-date": check_date,
    "insufficient-quota": check_quota,
    "truncated": check_truncated,
    "broken-arguments": check_broken,
    "output-null": check_null,
    "no-usage": check_usage_gone,
    "refusal": check_refusal,
    "hostile-text": check_hostile,
    "huge-output": check_huge,
    "redirect": check_redirect,
    "failed": check_failed,
}
