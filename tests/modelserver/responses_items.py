"""The items of a Responses input: their shapes, and which must follow which."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.modelserver.checks import TEXT, TEXT_OR_NULL, Rule, check_list, check_object
from tests.modelserver.openai_dialect import DIALECT, join
from tests.modelserver.wire import Json, Path, RefusedError, seal

STATUS: Final = frozenset(("in_progress", "completed", "incomplete"))
STATUS_OR_NULL: Final = STATUS | {None}
ITEM: Final = 48
"""Digits that name a reply's items; the first is 1 where a reasoning item leads them."""


def check_items(items: Sequence[Any], stored: bool) -> None:
    """Every item is well formed, and calls, outputs and reasoning fit together."""
    pending: dict[str, None] = {}
    reasoned: set[str] = set()
    for number, item in enumerate(items):
        here: Path = ("input", number)
        if type(item) is not dict:
            raise DIALECT.wrong_type(here, "an object", item)
        kind = item.get("type", "message")
        if kind not in ITEMS:
            raise DIALECT.wrong_value((*here, "type"), kind, ITEMS)
        fields, required = ITEMS[kind]
        check_object(DIALECT, item, here, fields, required)
        if kind == "message":
            check_message(item, here)
        elif kind == "reasoning":
            check_reasoning(item, items[number + 1 :], stored)
            reasoned.add(item["id"][3:])
        elif kind == "function_call":
            check_call(item, reasoned)
            pending[item["call_id"]] = None
        elif pending.pop(item["call_id"], ()) is not None:
            raise refuse_input(
                "No tool call found for function call output with call_id "
                f"{item['call_id']}."
            )
    if pending:
        raise refuse_input(
            f"No tool output found for function call {next(iter(pending))}."
        )


def refuse_input(
    message: str, status: int = 400, code: str | None = None
) -> RefusedError:
    return RefusedError(status, message, param="input", code=code)


def check_message(item: Json, here: Path) -> None:
    """A message is text, or parts of the kind that its role writes."""
    content = item["content"]
    if isinstance(content, str):
        return
    wrote = item["role"] == "assistant"
    kinds = frozenset(("output_text", "refusal") if wrote else ("input_text",))
    fields: Mapping[str, Rule] = {
        "type": kinds,
        "text": TEXT,
        "refusal": TEXT,
        "annotations": (list,),
        "logprobs": (list,),
        "prompt_cache_breakpoint": (dict,),
    }
    for number, part in enumerate(check_list(DIALECT, content, (*here, "content"))):
        where = (*here, "content", number)
        check_object(DIALECT, part, where, fields, ("type",))
        if ("refusal" if part["type"] == "refusal" else "text") not in part:
            raise DIALECT.missing(where, "text")


def check_reasoning(item: Json, following: Sequence[Any], stored: bool) -> None:
    """Reasoning comes back as it was written, before the item that it led to."""
    name = item["id"]
    sealed = item.get("encrypted_content")
    if sealed is None and not stored:
        raise refuse_input(
            f"Item with id '{name}' not found. Items are not persisted when `store` is "
            "set to false. Try again with `store` set to true, or remove this item "
            "from your input.",
            404,
        )
    if sealed is not None and sealed != seal_reasoning(name, item["summary"]):
        raise refuse_input(
            f"The encrypted content for item {name} could not be verified. Reason: "
            "Encrypted content could not be decrypted or parsed.",
            code="invalid_encrypted_content",
        )
    after = following[0] if following else {}
    answered = after.get("type") == "function_call" or after.get("role") == "assistant"
    if not answered:
        raise refuse_input(
            f"Item '{name}' of type 'reasoning' was provided without its required "
            "following item."
        )


def check_call(item: Json, reasoned: set[str]) -> None:
    """A call that reasoning led to comes with that reasoning."""
    name = item.get("id", "fc_0")[3 : 3 + ITEM]
    if name.startswith("1") and name not in reasoned:
        raise refuse_input(
            f"Item '{item['id']}' of type 'function_call' was provided without its "
            f"required 'reasoning' item: 'rs_{name}'."
        )


def check_output(value: Any, path: Path) -> None:
    """The output of a call: text, or parts of text."""
    if isinstance(value, str):
        return
    fields: Mapping[str, Rule] = {
        "type": frozenset(("input_text",)),
        "text": TEXT,
        "prompt_cache_breakpoint": (dict,),
    }
    for number, part in enumerate(check_list(DIALECT, value, path)):
        check_object(DIALECT, part, (*path, number), fields, ("type", "text"))


def check_summary(value: Any, path: Path) -> None:
    fields: Mapping[str, Rule] = {"type": frozenset(("summary_text",)), "text": TEXT}
    for number, part in enumerate(check_list(DIALECT, value, path)):
        check_object(DIALECT, part, (*path, number), fields, ("type", "text"))


def check_arguments(value: Any, path: Path) -> None:
    if type(value) is not str:
        raise RefusedError(
            400,
            f"Invalid type for '{join(path)}': expected a string, but got an object "
            "instead.",
            param=join(path),
            code="invalid_type",
        )


ITEMS: Final[Mapping[str, tuple[Mapping[str, Rule], Sequence[str]]]] = {
    "message": (
        {
            "type": frozenset(("message",)),
            "role": frozenset(("user", "assistant", "system", "developer")),
            "content": (str, list),
            "id": TEXT,
            "status": STATUS,
            "phase": frozenset(("commentary", "final_answer", None)),
        },
        ("role", "content"),
    ),
    "reasoning": (
        {
            "type": frozenset(("reasoning",)),
            "id": TEXT,
            "summary": check_summary,
            "content": (list,),
            "encrypted_content": TEXT_OR_NULL,
            "status": STATUS,
        },
        ("id", "summary"),
    ),
    "function_call": (
        {
            "type": frozenset(("function_call",)),
            "id": TEXT,
            "call_id": TEXT,
            "name": TEXT,
            "arguments": check_arguments,
            "status": STATUS,
            "async": (bool,),
            "caller": (dict, type(None)),
            "namespace": TEXT,
        },
        ("call_id", "name", "arguments"),
    ),
    "function_call_output": (
        {
            "type": frozenset(("function_call_output",)),
            "id": TEXT_OR_NULL,
            "call_id": TEXT,
            "output": check_output,
            "status": STATUS_OR_NULL,
            "caller": (dict, type(None)),
            "name": TEXT_OR_NULL,
            "namespace": TEXT_OR_NULL,
        },
        ("call_id", "output"),
    ),
}


def seal_reasoning(name: str, summary: Sequence[Json]) -> str:
    """The encrypted content of a reasoning item."""
    return "gAAAAAB" + seal("reasoning", name, *(part["text"] for part in summary))


def words(items: Sequence[Json]) -> list[str]:
    """What the user and the tools said, newest first."""
    found: list[str] = []
    for item in reversed(items):
        if item.get("type") == "function_call_output":
            said = item["output"]
        elif item.get("role") in ("user", "developer", "system"):
            said = item["content"]
        else:
            continue
        if isinstance(said, str):
            found.append(said)
        else:
            found += [part["text"] for part in reversed(said)]
    return found
