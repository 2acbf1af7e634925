"""OpenAI Chat Completions: POST /v1/chat/completions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.modelserver import openai_dialect
from tests.modelserver.chat_reply import SPOIL, write
from tests.modelserver.checks import (
    FLAG,
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
from tests.modelserver.wire import Json, Path, Question, RefusedError, Wire

FUNCTION: Final = frozenset(("function",))
ROLES: Final[Mapping[str, tuple[Mapping[str, Rule], Sequence[str]]]] = {
    **dict.fromkeys(
        ("system", "developer", "user"),
        ({"role": None, "content": (str, list), "name": TEXT}, ("content",)),
    ),
    "assistant": (
        {
            "role": None,
            "content": (str, list, type(None)),
            "refusal": TEXT_OR_NULL,
            "name": TEXT,
            "tool_calls": (list,),
            "audio": (dict, type(None)),
            "function_call": (dict, type(None)),
        },
        (),
    ),
    "tool": (
        {"role": None, "content": (str, list), "tool_call_id": TEXT},
        ("content", "tool_call_id"),
    ),
}


def check_tools(value: Any, path: Path) -> None:
    inner: Mapping[str, Rule] = {
        "name": TEXT,
        "description": TEXT,
        "parameters": None,
        "strict": FLAG_OR_NULL,
    }
    for number, tool in enumerate(check_list(DIALECT, value, path)):
        here = (*path, number)
        outer: Mapping[str, Rule] = {"type": FUNCTION, "function": None}
        check_object(DIALECT, tool, here, outer, ("type", "function"))
        there = (*here, "function")
        check_object(DIALECT, tool["function"], there, inner, ("name",))
        if tool["function"].get("strict"):
            schema = tool["function"].get("parameters", {})
            check_schema(DIALECT, schema, (*there, "parameters"))


def check_tool_choice(value: Any, path: Path) -> None:
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            raise DIALECT.wrong_value(path, value, ("none", "auto", "required"))
        return
    outer: Mapping[str, Rule] = {"type": FUNCTION, "function": None}
    check_object(DIALECT, value, path, outer, ("type", "function"))
    there = (*path, "function")
    check_object(DIALECT, value["function"], there, {"name": TEXT}, ("name",))


def check_count(value: Any, path: Path) -> None:
    check_minimum(value, path, 1)


FIELDS: Final[Mapping[str, Rule]] = {
    "model": TEXT,
    "messages": (list,),
    "tools": check_tools,
    "tool_choice": check_tool_choice,
    "parallel_tool_calls": FLAG,
    "reasoning_effort": EFFORTS,
    "max_completion_tokens": check_count,
    "max_tokens": check_count,
    "n": check_count,
    "metadata": openai_dialect.check_metadata,
    "prompt_cache_key": TEXT_OR_NULL,
    "prompt_cache_options": (dict,),
    "prompt_cache_retention": frozenset(("in_memory", "24h", None)),
    "safety_identifier": TEXT_OR_NULL,
    "service_tier": TIERS - {"ultrafast"},
    "store": FLAG_OR_NULL,
    "stream": FLAG_OR_NULL,
    "seed": (int, type(None)),
    "temperature": NUMBER_OR_NULL,
    "top_p": NUMBER_OR_NULL,
    "frequency_penalty": NUMBER_OR_NULL,
    "presence_penalty": NUMBER_OR_NULL,
    "user": TEXT,
    "verbosity": frozenset(("low", "medium", "high", None)),
    **dict.fromkeys(
        [
            "audio",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "modalities",
            "moderation",
            "prediction",
            "response_format",
            "stop",
            "stream_options",
            "top_logprobs",
            "web_search_options",
        ]
    ),
}


def read(body: Json, headers: Mapping[str, str]) -> Question:
    """The question in a body; RefusedError where the service would refuse it."""
    check_object(DIALECT, body, (), FIELDS, ("model", "messages"))
    if body.get("stream") or body.get("n", 1) != 1:
        raise RefusedError(400, "This server answers whole requests, one choice each.")
    if body.get("max_tokens") and body.get("max_completion_tokens"):
        raise RefusedError(
            400,
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not "
            "supported.",
        )
    messages = body["messages"]
    check_messages(messages)
    tools = {
        tool["function"]["name"]: tool["function"].get("parameters", {})
        for tool in body.get("tools", ())
    }
    choice = body.get("tool_choice", "auto")
    names = [] if choice == "none" else [*tools]
    if isinstance(choice, dict):
        names = [choice["function"]["name"]]
        openai_dialect.check_tool_choice(tools, names[0])
    return Question(
        body,
        body["model"],
        openai_dialect.find_conversation(body, headers),
        (body["model"], body.get("tools")),
        messages,
        words(messages),
        tools,
        names,
        choice not in ("auto", "none"),
        body.get("reasoning_effort"),
        body.get("max_completion_tokens") or body.get("max_tokens"),
        thinks=False,
    )


def check_messages(messages: Sequence[Any]) -> None:
    """Every message is well formed, and tool messages answer the calls before them."""
    if not messages:
        raise RefusedError(
            400,
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            param="messages",
            code="empty_array",
        )
    pending: dict[str, None] = {}
    for number, message in enumerate(messages):
        here: Path = ("messages", number)
        if type(message) is not dict:
            raise DIALECT.wrong_type(here, "an object", message)
        role = str(message.get("role"))
        if role not in ROLES:
            raise DIALECT.wrong_value((*here, "role"), role, ROLES)
        fields, required = ROLES[role]
        check_object(DIALECT, message, here, fields, required)
        check_parts(message.get("content"), here)
        if role == "tool":
            answer_call(pending, message["tool_call_id"], number)
            continue
        refuse_unanswered(pending, number)
        for call in message.get("tool_calls", ()):
            check_call(call, (*here, "tool_calls"))
            pending[call["id"]] = None
    refuse_unanswered(pending, len(messages))


def check_parts(content: Any, here: Path) -> None:
    """Content is text, nothing, or parts of text."""
    if isinstance(content, list):
        fields: Mapping[str, Rule] = {
            "type": frozenset(("text", "refusal")),
            "text": TEXT,
            "refusal": TEXT,
            "prompt_cache_breakpoint": (dict,),
        }
        for number, part in enumerate(content):
            where = (*here, "content", number)
            check_object(DIALECT, part, where, fields, ("type",))


def check_call(call: Any, here: Path) -> None:
    outer: Mapping[str, Rule] = {"id": TEXT, "type": FUNCTION, "function": None}
    check_object(DIALECT, call, here, outer, ("id", "type", "function"))
    inner: Mapping[str, Rule] = {"name": TEXT, "arguments": TEXT}
    there = (*here, "function")
    check_object(DIALECT, call["function"], there, inner, ("name", "arguments"))


def answer_call(pending: dict[str, None], name: str, number: int) -> None:
    """A tool message answers a call that waits."""
    if pending.pop(name, ()) is not None:
        raise RefusedError(
            400,
            "Invalid parameter: messages with role 'tool' must be a response to a "
            "preceding message with 'tool_calls'.",
            param=f"messages.[{number}].role",
        )


def refuse_unanswered(pending: dict[str, None], number: int) -> None:
    """No call may wait when another message comes, or at the end."""
    if pending:
        raise RefusedError(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages "
            "responding to each 'tool_call_id'. The following tool_call_ids did not "
            f"have response messages: {', '.join(pending)}",
            param=f"messages.[{number}].role",
        )


def words(messages: Sequence[Json]) -> list[str]:
    """What the user and the tools said, newest first."""
    said = [
        message["content"]
        for message in reversed(messages)
        if message["role"] != "assistant"
    ]
    return [
        text
        if isinstance(text, str)
        else "\n".join(part.get("text", "") for part in text)
        for text in said
    ]


CHAT: Final = Wire(
    "chat",
    "/v1/chat/completions",
    "x-request-id",
    openai_dialect.authorize,
    read,
    write,
    openai_dialect.refuse,
    SPOIL,
)
