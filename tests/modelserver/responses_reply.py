"""What a Responses reply looks like."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.modelserver.responses_items import seal_reasoning
from tests.modelserver.wire import (
    CREATED,
    Json,
    Question,
    Reply,
    Stamp,
    Usage,
    snapshot,
)

ENDS: Final[Mapping[str, tuple[str, Json | None, Json | None]]] = {
    "stop": ("completed", None, None),
    "refusal": ("completed", None, None),
    "length": ("incomplete", {"reason": "max_output_tokens"}, None),
    "filter": ("incomplete", {"reason": "content_filter"}, None),
    "failed": (
        "failed",
        None,
        {"code": "server_error", "message": "The model failed to generate a response."},
    ),
}


def write(question: Question, reply: Reply, usage: Usage, stamp: Stamp) -> Json:
    """The reply object, complete."""
    body = question.body
    status, incomplete, error = ENDS[reply.end]
    created = CREATED + stamp.number
    return {
        "id": stamp.id("resp_", 48),
        "object": "response",
        "created_at": created,
        "status": status,
        "background": False,
        "completed_at": created if status == "completed" else None,
        "error": error,
        "incomplete_details": incomplete,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "metadata": body.get("metadata") or {},
        "model": snapshot(question.model),
        "output": write_items(question, reply, stamp),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if reply.end == "failed" else write_usage(usage),
        "user": None,
    }


def write_items(question: Question, reply: Reply, stamp: Stamp) -> list[Json]:
    """Reasoning, words and calls, in this order."""
    body = question.body
    thinks = reply.thinking is not None
    name = ("1" if thinks else "0") + stamp.item_id("", 47)
    items: list[Json] = []
    if thinks:
        items.append(write_reasoning(body, "rs_" + name, reply.thinking or ""))
    if reply.text is not None:
        items.append(write_message(reply, "msg_" + name))
    ended = "incomplete" if reply.end == "length" else "completed"
    for number, call in enumerate(reply.calls):
        items.append(
            {
                "id": f"fc_{name}{number or ''}",
                "type": "function_call",
                "status": ended,
                "arguments": call.arguments,
                "call_id": f"{stamp.item_id('call_')[:29]}{number or ''}",
                "name": call.name,
            }
        )
    return items


def write_reasoning(body: Json, name: str, thinking: str) -> Json:
    """A reasoning item, sealed; its summary only where it was asked for."""
    wanted = (body.get("reasoning") or {}).get("summary")
    summary = (
        [{"type": "summary_text", "text": thinking}] if wanted and thinking else []
    )
    item: Json = {"id": name, "type": "reasoning", "summary": summary}
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        item["encrypted_content"] = seal_reasoning(name, summary)
    return item


def write_message(reply: Reply, name: str) -> Json:
    """What the model said instead of, or besides, calling."""
    part: Json = {
        "type": "output_text",
        "annotations": [],
        "logprobs": [],
        "text": reply.text,
    }
    if reply.end == "refusal":
        part = {"type": "refusal", "refusal": reply.text}
    return {
        "id": name,
        "type": "message",
        "status": "completed",
        "content": [part],
        "role": "assistant",
        "phase": "final_answer",
    }


def write_usage(usage: Usage) -> Json:
    """Tokens; the input holds the cached ones."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def set_field(name: str, value: Any) -> Callable[[Json], None]:
    """A spoiler that overwrites one field."""
    return lambda reply: reply.update({name: value})


def drop_usage(reply: Json) -> None:
    del reply["usage"]


def add_unknown(reply: Json) -> None:
    reply["output"].insert(0, {"id": "xx_1", "type": "telepathy", "waves": [1, 2]})


def use_future(reply: Json) -> None:
    reply["status"] = "postponed"
    reply["service_tier"] = "warp"


SPOIL: Final[Mapping[str, Callable[[Json], None]]] = {
    "output-null": set_field("output", None),
    "no-usage": drop_usage,
    "no-choices": set_field("output", []),
    "future-enum": use_future,
    "unknown-block": add_unknown,
}
