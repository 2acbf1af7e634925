"""Anthropic Messages: POST /v1/messages."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.modelserver.checks import (
    FLAG,
    FLAG_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    Rule,
    check_list,
    check_object,
    check_schema,
)
from tests.modelserver.messages_blocks import (
    check_cache_control,
    check_messages,
    check_text,
    strip_marks,
    words,
)
from tests.modelserver.messages_dialect import DIALECT, authorize, refuse
from tests.modelserver.messages_reply import SPOIL, write
from tests.modelserver.wire import Json, Path, Question, RefusedError, Wire

EFFORTS: Final = frozenset(("low", "medium", "high", "xhigh", "max", None))
DISPLAY: Final = frozenset(("summarized", "omitted", None))
NO_STRICT: Final = frozenset(
    [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "maxItems",
    ]
)
LEAST_BUDGET: Final = 1024


def check_system(value: Any, path: Path) -> None:
    if not isinstance(value, str):
        for number, block in enumerate(check_list(DIALECT, value, path)):
            check_text(block, (*path, number))


def check_tools(value: Any, path: Path) -> None:
    fields: Mapping[str, Rule] = {
        "name": TEXT,
        "description": TEXT,
        "input_schema": None,
        "type": frozenset(("custom", None)),
        "strict": FLAG,
        "cache_control": check_cache_control,
        "input_examples": (list,),
        "allowed_callers": (list,),
        "defer_loading": FLAG,
        "eager_input_streaming": FLAG_OR_NULL,
    }
    for number, tool in enumerate(check_list(DIALECT, value, path)):
        here = (*path, number)
        check_object(DIALECT, tool, here, fields, ("name", "input_schema"))
        schema, there = tool["input_schema"], (*here, "custom", "input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise DIALECT.missing(there, "type")
        if tool.get("strict"):
            check_schema(DIALECT, schema, there, all_required=False, banned=NO_STRICT)


def check_tool_choice(value: Any, path: Path) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    fields: dict[str, Rule] = {"type": frozenset(("auto", "any", "tool", "none"))}
    if kind != "none":
        fields["disable_parallel_tool_use"] = FLAG
    required = ["type"]
    if kind == "tool":
        fields["name"] = TEXT
        required.append("name")
    check_object(DIALECT, value, path, fields, required)


def check_thinking(value: Any, path: Path) -> None:
    kinds = frozenset(("adaptive", "enabled", "disabled", "between_tools"))
    kind = value.get("type") if isinstance(value, dict) else None
    fields: dict[str, Rule] = {"type": kinds}
    required = ["type"]
    if kind in ("adaptive", "enabled"):
        fields["display"] = DISPLAY
    if kind == "enabled":
        fields["budget_tokens"] = (int,)
        required.append("budget_tokens")
    check_object(DIALECT, value, path, fields, required)


def check_output_config(value: Any, path: Path) -> None:
    fields: Mapping[str, Rule] = {"effort": EFFORTS, "format": (dict, type(None))}
    check_object(DIALECT, value, path, fields)


def check_metadata(value: Any, path: Path) -> None:
    check_object(DIALECT, value, path, {"user_id": TEXT_OR_NULL})


FIELDS: Final[Mapping[str, Rule]] = {
    "model": TEXT,
    "messages": (list,),
    "max_tokens": (int,),
    "system": check_system,
    "tools": check_tools,
    "tool_choice": check_tool_choice,
    "thinking": check_thinking,
    "output_config": check_output_config,
    "cache_control": check_cache_control,
    "metadata": check_metadata,
    "service_tier": frozenset(("auto", "standard_only")),
    "speed": frozenset(("fast", "standard", None)),
    "stop_sequences": (list,),
    "stream": FLAG,
    "inference_geo": TEXT_OR_NULL,
    "container": None,
    "diagnostics": None,
    "user_profile_id": TEXT,
    "workspace_id": TEXT,
}


def read(body: Json, headers: Mapping[str, str]) -> Question:
    """The question in a body; RefusedError where the service would refuse it."""
    check_object(DIALECT, body, (), FIELDS, ("model", "max_tokens", "messages"))
    check_limits(body)
    thinking = body.get("thinking", {"type": "disabled"})["type"]
    messages = body["messages"]
    check_messages(messages, manual=thinking == "enabled")
    tools = {tool["name"]: tool["input_schema"] for tool in body.get("tools", ())}
    choice = body.get("tool_choice", {"type": "auto"})
    names = [] if choice["type"] == "none" else [*tools]
    if choice["type"] == "tool":
        names = [choice["name"]]
    if not set(names) <= set(tools):
        raise RefusedError(400, f"Tool '{names[0]}' not found in provided tools")
    marked = "cache_control" in body
    bare, cacheable = strip_marks(messages)
    in_head = any(map(has_mark, (*body.get("tools", ()), *system_blocks(body))))
    named = (body.get("metadata") or {}).get("user_id")
    return Question(
        body,
        body["model"],
        named or headers.get("X-Tilts-Conversation"),
        (body["model"], *head(body)),
        bare,
        words(messages),
        tools,
        names,
        choice["type"] in ("any", "tool"),
        (body.get("output_config") or {}).get("effort"),
        body["max_tokens"],
        thinks=thinking != "disabled",
        cached=marked or cacheable > 0 or in_head,
        uncached_items=0 if marked else len(bare) - cacheable,
        at_marks=True,
        head_marked=in_head,
    )


def check_limits(body: Json) -> None:
    """What holds between fields."""
    if body.get("stream"):
        raise RefusedError(400, "This server answers whole requests only.")
    if body["max_tokens"] < 1:
        raise RefusedError(
            400, "max_tokens: Input should be greater than or equal to 1"
        )
    thinking = body.get("thinking", {})
    if thinking.get("type") != "enabled":
        return
    if thinking["budget_tokens"] < LEAST_BUDGET:
        raise RefusedError(
            400,
            "thinking.enabled.budget_tokens: Input should be greater than or equal to "
            f"{LEAST_BUDGET}",
        )
    if thinking["budget_tokens"] >= body["max_tokens"]:
        raise RefusedError(
            400, "`max_tokens` must be greater than `thinking.budget_tokens`."
        )
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        raise RefusedError(
            400, "Thinking may not be enabled when tool_choice forces tool use."
        )


def system_blocks(body: Json) -> Sequence[Json]:
    """The system text as blocks, where it is given so."""
    system = body.get("system", "")
    return () if isinstance(system, str) else system


def has_mark(block: Json) -> bool:
    return bool(block.get("cache_control"))


def head(body: Json) -> tuple[Any, ...]:
    """What comes before the messages, without cache marks."""
    tools = [
        {name: part for name, part in tool.items() if name != "cache_control"}
        for tool in body.get("tools", ())
    ]
    texts = [block["text"] for block in system_blocks(body)]
    return tools, texts or body.get("system")


MESSAGES: Final = Wire(
    "messages",
    "/v1/messages",
    "request-id",
    authorize,
    read,
    write,
    refuse,
    SPOIL,
)
