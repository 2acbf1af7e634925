"""The messages of a Messages request: shapes, signatures, and which must follow which."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.modelserver.checks import FLAG, TEXT, TEXT_OR_NULL, Rule, check_object
from tests.modelserver.messages_dialect import DIALECT, join
from tests.modelserver.wire import Json, Path, RefusedError, seal


def check_cache_control(value: Any, path: Path) -> None:
    if value is not None:
        fields: Mapping[str, Rule] = {
            "type": frozenset(("ephemeral",)),
            "ttl": frozenset(("5m", "1h")),
        }
        check_object(DIALECT, value, path, fields, ("type",))


TEXT_FIELDS: Final[Mapping[str, Rule]] = {
    "type": frozenset(("text",)),
    "text": TEXT,
    "cache_control": check_cache_control,
    "citations": (list, type(None)),
}


def check_text(block: Any, path: Path) -> None:
    """A block of text that is not empty."""
    check_object(DIALECT, block, path, TEXT_FIELDS, ("type", "text"))
    if not block["text"]:
        raise RefusedError(400, f"{join(path)}: text content blocks must be non-empty")


def check_result_content(value: Any, path: Path) -> None:
    if isinstance(value, str):
        return
    if type(value) is not list:
        raise DIALECT.wrong_type(path, "a valid list", value)
    for number, block in enumerate(value):
        check_text(block, (*path, number))


BLOCKS: Final[Mapping[str, tuple[Mapping[str, Rule], Sequence[str]]]] = {
    "text": (TEXT_FIELDS, ("text",)),
    "thinking": (
        {"type": None, "thinking": TEXT, "signature": TEXT},
        ("thinking", "signature"),
    ),
    "redacted_thinking": ({"type": None, "data": TEXT}, ("data",)),
    "tool_use": (
        {
            "type": None,
            "id": TEXT,
            "name": TEXT,
            "input": (dict,),
            "cache_control": check_cache_control,
            "caller": (dict,),
            "toolset_name": TEXT_OR_NULL,
        },
        ("id", "name", "input"),
    ),
    "tool_result": (
        {
            "type": None,
            "tool_use_id": TEXT,
            "content": check_result_content,
            "is_error": FLAG,
            "cache_control": check_cache_control,
            "toolset_name": TEXT_OR_NULL,
        },
        ("tool_use_id",),
    ),
}
ROLES: Final = {
    "user": frozenset(("text", "tool_result")),
    "assistant": frozenset(("text", "thinking", "redacted_thinking", "tool_use")),
}
MESSAGE: Final[Mapping[str, Rule]] = {
    "role": frozenset(ROLES),
    "content": (str, list),
}


def check_messages(messages: Sequence[Any], manual: bool) -> None:
    """Messages are well formed, begin with the user, and results answer their calls.

    `manual` thinking wants the last answer of the model to begin with its thinking.
    """
    if not messages:
        raise RefusedError(400, "messages: at least one message is required")
    pending: list[str] = []
    for number, message in enumerate(messages):
        here: Path = ("messages", number)
        check_object(DIALECT, message, here, MESSAGE, ("role", "content"))
        if number == 0 and message["role"] != "user":
            raise RefusedError(400, 'messages: first message must use the "user" role')
        blocks = check_blocks(message, here)
        check_results(blocks, pending, here)
        pending = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if messages[-1]["role"] == "assistant":
        raise RefusedError(
            400,
            "This model does not support assistant message prefill. The conversation "
            "must end with a user message.",
        )
    if manual:
        check_thinking_first(messages)


def check_blocks(message: Json, here: Path) -> list[Json]:
    """The blocks of a message, well formed and allowed in its role."""
    content = message["content"]
    if isinstance(content, str):
        if not content:
            raise RefusedError(400, f"{join(here)}: content must be non-empty")
        return [{"type": "text", "text": content}]
    for number, block in enumerate(content):
        where = (*here, "content", number)
        if type(block) is not dict:
            raise DIALECT.wrong_type(where, "an object", block)
        kind = block.get("type")
        if kind not in ROLES[message["role"]]:
            raise DIALECT.wrong_value((*where, "type"), kind, ROLES[message["role"]])
        fields, required = BLOCKS[kind]
        check_object(DIALECT, block, (*where, kind), fields, required)
        if kind == "text":
            check_text(block, where)
        elif kind == "thinking" and block["signature"] != sign(block["thinking"]):
            raise RefusedError(
                400, f"{join(where)}: Invalid `signature` in `thinking` block"
            )
    checked: list[Json] = content
    return checked


def check_results(blocks: Sequence[Json], pending: list[str], here: Path) -> None:
    """The results at the start of a message are those of the calls just before it."""
    results = [
        block["tool_use_id"] for block in blocks if block["type"] == "tool_result"
    ]
    for name in results:
        if name not in pending:
            raise RefusedError(
                400,
                f"{join(here)}.content.0: unexpected `tool_use_id` found in "
                f"`tool_result` blocks: {name}. Each `tool_result` block must have a "
                "corresponding `tool_use` block in the previous message.",
            )
    left = [name for name in pending if name not in results]
    first = [block["type"] for block in blocks[: len(results)]]
    if left or first != ["tool_result"] * len(results):
        before = join((here[0], int(here[1]) - 1))
        raise RefusedError(
            400,
            f"{before}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {', '.join(left or pending)}. Each `tool_use` block "
            "must have a corresponding `tool_result` block in the next message.",
        )


def check_thinking_first(messages: Sequence[Json]) -> None:
    """The last answer of the model begins with thinking."""
    for number in range(len(messages) - 1, -1, -1):
        message = messages[number]
        if message["role"] == "assistant":
            content = message["content"]
            kind = content[0]["type"] if isinstance(content, list) else "text"
            if kind not in ("thinking", "redacted_thinking"):
                raise RefusedError(
                    400,
                    f"messages.{number}.content.0.type: Expected `thinking` or "
                    f"`redacted_thinking`, but found `{kind}`. When `thinking` is "
                    "enabled, a final `assistant` message must start with a thinking "
                    "block.",
                )
            return


def sign(thinking: str) -> str:
    """The signature of a thinking block."""
    return "Eq" + seal("thinking", thinking)


def strip_marks(messages: Sequence[Json]) -> tuple[Sequence[Json], int]:
    """The messages without cache marks, and how many lie before the last mark."""
    bare: list[Json] = []
    marked = 0
    for number, message in enumerate(messages, 1):
        content = message["content"]
        if isinstance(content, list) and any("cache_control" in b for b in content):
            marked = number
            content = [
                {name: part for name, part in block.items() if name != "cache_control"}
                for block in content
            ]
            message = {"role": message["role"], "content": content}
        bare.append(message)
    return bare, marked


def words(messages: Sequence[Json]) -> list[str]:
    """What the user and the tools said, newest first."""
    found: list[str] = []
    for message in reversed(messages):
        content = message["content"]
        if message["role"] != "user":
            continue
        if isinstance(content, str):
            found.append(content)
            continue
        for block in reversed(content):
            said = (
                block["text"] if block["type"] == "text" else block.get("content", "")
            )
            found += (
                [said] if isinstance(said, str) else [b["text"] for b in reversed(said)]
            )
    return found
