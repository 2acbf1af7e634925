"""OpenAI Responses: POST /v1/responses."""

from collections.abc import Mapping
from typing import Any, Final

from tests.modelserver import openai_dialect
from tests.modelserver.checks import (
    FLAG_OR_NULL,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    Rule,
    check_list,
    check_object,
    check_schema,
)
from tests.modelserver.openai_dialect import DIALECT, EFFORTS, TIERS, check_minimum
from tests.modelserver.responses_items import check_items, words
from tests.modelserver.responses_reply import SPOIL, write
from tests.modelserver.wire import Json, Path, Question, RefusedError, Wire

INCLUDES: Final = frozenset(
    (
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
    )
)
LEAST_OUTPUT: Final = 16


def check_reasoning(value: Any, path: Path) -> None:
    if value is None:
        return
    fields: Mapping[str, Rule] = {
        "effort": EFFORTS,
        "summary": frozenset(("auto", "concise", "detailed", None)),
        "generate_summary": frozenset(("auto", "concise", "detailed", None)),
        "context": frozenset(("auto", "current_turn", "all_turns", None)),
        "mode": frozenset(("standard", "pro", None)),
    }
    check_object(DIALECT, value, path, fields)


def check_includes(value: Any, path: Path) -> None:
    for number, name in enumerate(check_list(DIALECT, value or [], path)):
        if name not in INCLUDES:
            raise DIALECT.wrong_value((*path, number), name, INCLUDES)


def check_cache(value: Any, path: Path) -> None:
    fields: Mapping[str, Rule] = {
        "mode": frozenset(("implicit", "explicit")),
        "ttl": frozenset(("30m", "12h")),
        "prewarm": FLAG_OR_NULL,
        "comparison_response_id": TEXT_OR_NULL,
    }
    check_object(DIALECT, value, path, fields)


def check_tools(value: Any, path: Path) -> None:
    fields: Mapping[str, Rule] = {
        "type": frozenset(("function",)),
        "name": TEXT,
        "description": TEXT_OR_NULL,
        "strict": FLAG_OR_NULL,
        "parameters": None,
        "async": FLAG_OR_NULL,
        "allowed_callers": None,
        "defer_loading": FLAG_OR_NULL,
        "output_schema": None,
    }
    for number, tool in enumerate(check_list(DIALECT, value, path)):
        here = (*path, number)
        check_object(DIALECT, tool, here, fields, ("type", "name", "parameters"))
        if tool.get("strict") is not False:
            check_schema(DIALECT, tool["parameters"], (*here, "parameters"))


def check_tool_choice(value: Any, path: Path) -> None:
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            raise DIALECT.wrong_value(path, value, ("none", "auto", "required"))
        return
    kinds = frozenset(("function", "allowed_tools"))
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "allowed_tools":
        modes = frozenset(("auto", "required"))
        fields: Mapping[str, Rule] = {"type": kinds, "mode": modes, "tools": (list,)}
        check_object(DIALECT, value, path, fields, ("type", "mode", "tools"))
    else:
        fields = {"type": kinds, "name": TEXT}
        check_object(DIALECT, value, path, fields, ("type", "name"))


FIELDS: Final[Mapping[str, Rule]] = {
    "model": TEXT,
    "input": (str, list),
    "instructions": TEXT_OR_NULL,
    "tools": check_tools,
    "tool_choice": check_tool_choice,
    "parallel_tool_calls": FLAG_OR_NULL,
    "reasoning": check_reasoning,
    "include": check_includes,
    "store": FLAG_OR_NULL,
    "stream": FLAG_OR_NULL,
    "max_output_tokens": lambda value, path: check_minimum(value, path, LEAST_OUTPUT),
    "max_tool_calls": lambda value, path: check_minimum(value, path, 1),
    "metadata": openai_dialect.check_metadata,
    "prompt_cache_key": TEXT_OR_NULL,
    "prompt_cache_options": check_cache,
    "prompt_cache_retention": frozenset(("in_memory", "24h", None)),
    "service_tier": TIERS,
    "safety_identifier": TEXT_OR_NULL,
    "user": TEXT,
    "temperature": NUMBER_OR_NULL,
    "top_p": NUMBER_OR_NULL,
    "truncation": frozenset(("auto", "disabled", None)),
    "text": (dict,),
    "background": FLAG_OR_NULL,
    "background_options": (dict,),
    "previous_response_id": TEXT_OR_NULL,
    **dict.fromkeys(
        [
            "access_programs",
            "context_management",
            "conversation",
            "image",
            "moderation",
            "prompt",
            "stream_options",
            "top_logprobs",
        ]
    ),
}


def read(body: Json, headers: Mapping[str, str]) -> Question:
    """The question in a body; RefusedError where the service would refuse it."""
    check_object(DIALECT, body, (), FIELDS, ("model", "input"))
    if body.get("stream") or body.get("background") or body.get("previous_response_id"):
        raise RefusedError(400, "This server answers whole, stateless requests only.")
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    check_items(items, stored=body.get("store") is not False)
    tools = {tool["name"]: tool["parameters"] for tool in body.get("tools", ())}
    names, forced = choose(body.get("tool_choice", "auto"), tools)
    cache = body.get("prompt_cache_options", {})
    return Question(
        body,
        body["model"],
        openai_dialect.find_conversation(body, headers),
        (body["model"], body.get("instructions"), body.get("tools")),
        items,
        words(items),
        tools,
        names,
        forced,
        (body.get("reasoning") or {}).get("effort"),
        body.get("max_output_tokens"),
        cached=cache.get("mode") != "explicit",
    )


def choose(choice: Any, tools: Mapping[str, Json]) -> tuple[list[str], bool]:
    """The tools that may be called, and whether one must be."""
    if isinstance(choice, str):
        if choice == "required" and not tools:
            message = "Tool choice 'required' must be specified with 'tools' parameter."
            raise RefusedError(400, message, param="tool_choice")
        return ([] if choice == "none" else [*tools]), choice == "required"
    if choice["type"] == "function":
        openai_dialect.check_tool_choice(tools, choice["name"])
        return [choice["name"]], True
    names = [tool.get("name") for tool in choice["tools"]]
    for name in names:
        openai_dialect.check_tool_choice(tools, name)
    return names, choice["mode"] == "required"


RESPONSES: Final = Wire(
    "responses",
    "/v1/responses",
    "x-request-id",
    openai_dialect.authorize,
    read,
    write,
    openai_dialect.refuse,
    SPOIL,
)
