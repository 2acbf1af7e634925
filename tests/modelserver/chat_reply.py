"""What a Chat Completions reply looks like."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.modelserver.wire import (
    CREATED,
    Json,
    Question,
    Reply,
    Stamp,
    Usage,
    snapshot,
)

ENDS: Final = {"length": "length", "filter": "content_filter"}


def write(question: Question, reply: Reply, usage: Usage, stamp: Stamp) -> Json:
    """The reply object, complete. Reasoning is counted and never shown."""
    message: Json = {
        "role": "assistant",
        "content": reply.text,
        "refusal": None,
        "annotations": [],
    }
    if reply.end == "refusal":
        message |= {"content": None, "refusal": reply.text}
    elif reply.text is None and not reply.calls:
        message["content"] = ""
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": f"{stamp.item_id('call_')[:29]}{number or ''}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(reply.calls)
        ]
    end = ENDS.get(reply.end, "tool_calls" if reply.calls else "stop")
    return {
        "id": stamp.id("chatcmpl-", 32),
        "object": "chat.completion",
        "created": CREATED + stamp.number,
        "model": snapshot(question.model),
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": end}
        ],
        "usage": write_usage(usage),
        "service_tier": "default",
        "system_fingerprint": None,
    }


def write_usage(usage: Usage) -> Json:
    """Tokens; the prompt holds the cached ones."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def null_message(reply: Json) -> None:
    reply["choices"][0]["message"] = None


def drop_usage(reply: Json) -> None:
    del reply["usage"]


def drop_choices(reply: Json) -> None:
    reply["choices"] = []


def use_future(reply: Json) -> None:
    reply["choices"][0]["finish_reason"] = "postponed"
    reply["service_tier"] = "warp"


def add_unknown(reply: Json) -> None:
    message = reply["choices"][0]["message"]
    telepathy = {"id": "xx_1", "type": "telepathy", "waves": [1, 2]}
    message["tool_calls"] = [telepathy, *message.get("tool_calls", ())]


SPOIL: Final[Mapping[str, Callable[[Json], None]]] = {
    "output-null": null_message,
    "no-usage": drop_usage,
    "no-choices": drop_choices,
    "future-enum": use_future,
    "unknown-block": add_unknown,
}
