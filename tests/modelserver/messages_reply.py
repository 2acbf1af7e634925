"""What a Messages reply looks like."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.modelserver.messages_blocks import sign
from tests.modelserver.wire import Json, Question, Reply, Stamp, Usage, snapshot

ENDS: Final = {
    "length": "max_tokens",
    "refusal": "refusal",
    "filter": "model_context_window_exceeded",
}


def write(question: Question, reply: Reply, usage: Usage, stamp: Stamp) -> Json:
    """The reply object, complete."""
    refused = reply.end == "refusal"
    details = {
        "type": "refusal",
        "category": "general_harms",
        "explanation": reply.text,
    }
    return {
        "id": stamp.id("msg_01"),
        "type": "message",
        "role": "assistant",
        "model": snapshot(question.model),
        "content": [] if refused else write_blocks(question, reply, stamp),
        "stop_reason": ENDS.get(reply.end, "tool_use" if reply.calls else "end_turn"),
        "stop_sequence": None,
        "stop_details": details if refused else None,
        "container": None,
        "usage": write_usage(question, usage),
    }


def write_blocks(question: Question, reply: Reply, stamp: Stamp) -> list[Json]:
    """Thinking, words and calls, in this order."""
    blocks: list[Json] = []
    if reply.thinking is not None and question.thinks:
        shown = question.body["thinking"].get("display") != "omitted"
        # A signature stands for what was shown; where nothing is, for the reply.
        said = reply.thinking if shown else ""
        blocks.append({"type": "thinking", "thinking": said, "signature": sign(said)})
    if reply.text is not None:
        blocks.append({"type": "text", "text": reply.text, "citations": None})
    blocks += [
        {
            "type": "tool_use",
            "id": f"{stamp.item_id('toolu_01')[:32]}{number or ''}",
            "name": call.name,
            "input": read_input(call.arguments, reply.end == "length"),
            "caller": {"type": "direct"},
        }
        for number, call in enumerate(reply.calls)
    ]
    return blocks


def read_input(arguments: str, cut: bool) -> Any:
    """The arguments as an object; what cannot be read is {} if cut off, else text."""
    try:
        return json.loads(arguments)
    except ValueError:
        return {} if cut else arguments


def write_usage(question: Question, usage: Usage) -> Json:
    """Tokens; `input_tokens` are those neither read from the cache nor written to it."""
    hour = '"1h"' in json.dumps(question.body.get("cache_control"))
    written = {
        "ephemeral_5m_input_tokens": 0 if hour else usage.cache_write,
        "ephemeral_1h_input_tokens": usage.cache_write if hour else 0,
    }
    return {
        "input_tokens": usage.input - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": written,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
        "inference_geo": "global",
    }


def null_content(reply: Json) -> None:
    reply["content"] = None


def drop_usage(reply: Json) -> None:
    del reply["usage"]


def drop_content(reply: Json) -> None:
    reply |= {"content": [], "stop_reason": "end_turn"}


def use_future(reply: Json) -> None:
    reply["stop_reason"] = "postponed"
    reply["usage"]["service_tier"] = "warp"


def add_unknown(reply: Json) -> None:
    reply["content"].insert(0, {"type": "telepathy", "waves": [1, 2]})


SPOIL: Final[Mapping[str, Callable[[Json], None]]] = {
    "output-null": null_content,
    "no-usage": drop_usage,
    "no-choices": drop_content,
    "future-enum": use_future,
    "unknown-block": add_unknown,
}
