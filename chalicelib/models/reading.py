"""How a reply becomes an Answer: cleaned, counted and judged alike for all providers."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from chalicelib.events import Failure, clean_text
from chalicelib.models.model import Answer, Json, ModelRequest, Tokens

RAW_LIMIT: Final = 64 * 1024
ITEMS_LIMIT: Final = 120_000
"""The most characters of items that are kept and sent back."""
DEPTH_LIMIT: Final = 40
COUNT_LIMIT: Final = 1_000_000_000
ASIDE: Final = "This call was not played: only one call counts."

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as it came: arguments are an object, or a text that should be one."""

    name: Any
    arguments: Any
    id: Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider's reply holds, before it is judged.

    `stop` is set where the provider says that the reply is cut or refused; `items`
    are what the provider wants back, as they came.
    """

    stop: Failure | None
    calls: Sequence[ToolCall]
    said: str
    items: Sequence[Json]
    tokens: Tokens | None
    model: Any


def judge(
    request: ModelRequest, reading: Reading, text: str, provider_request: str | None
) -> Answer:
    """The Answer that a reading of a text amounts to: one readable call, or a failure.

    Items go back only where the provider will take them: not from a reply that was
    cut or refused, not with a call that cannot be read, not with a lone surrogate.
    """
    failure, complaint, arguments = _find_arguments(request, reading)
    model = reading.model
    return Answer(
        arguments=arguments,
        said=clean_text(reading.said) or None,
        failure=failure,
        complaint=complaint,
        tokens=reading.tokens,
        model=clean_text(model, 200) if isinstance(model, str) and model else None,
        provider_request=provider_request,
        items=_keep_items(request, reading, text, failure),
        raw=clean_text(text[: RAW_LIMIT + 1], RAW_LIMIT),
    )


def _find_arguments(
    request: ModelRequest, reading: Reading
) -> tuple[Failure | None, str | None, Any]:
    tool, calls = request.tool.name, reading.calls
    if reading.stop == "truncated":
        limit = f"the limit of {request.output_tokens} output tokens"
        return "truncated", f"Your reply was cut at {limit}: answer more briefly.", None
    if reading.stop == "refused":
        return "refused", f"You declined: answer with one call of {tool}.", None
    if not calls and not reading.said.strip():
        return "empty", f"Your reply was empty: answer with one call of {tool}.", None
    if not calls:
        return "invalid", f"Words are no move: answer with one call of {tool}.", None
    if len(calls) > 1:
        return "invalid", f"You made {len(calls)} calls: make one call of {tool}.", None
    if calls[0].name != tool:
        return "invalid", f"You called another tool: the only one is {tool}.", None
    arguments = _read_object(calls[0].arguments)
    if arguments is None:
        return "invalid", f"The arguments of {tool} must be a JSON object.", None
    return None, None, arguments


def _read_object(arguments: Any) -> Json | None:
    """The arguments of a call, cleaned; None if they are not a JSON object."""
    try:
        value = load_json(arguments) if isinstance(arguments, str) else arguments
        return clean_json(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _keep_items(
    request: ModelRequest, reading: Reading, text: str, failure: Failure | None
) -> Sequence[Json]:
    if failure not in (None, "invalid"):
        return ()
    for call in reading.calls:
        named = call.name == request.tool.name and isinstance(call.id, str)
        is_readable = failure is None or _read_object(call.arguments) is not None
        if not named or not is_readable:
            return ()
    if len(text) > ITEMS_LIMIT or _SURROGATE_ESCAPE.search(text):
        written = json.dumps(reading.items, ensure_ascii=False)
        if len(written) > ITEMS_LIMIT or _SURROGATE.search(written):
            return ()
    return tuple(reading.items)


def objects(value: Any) -> list[Json]:
    """The objects in a list; none if it is no list."""
    found = value if isinstance(value, list) else []
    return [item for item in found if isinstance(item, dict)]


# -- counting -----------------------------------------------------------------


def count(value: Any) -> int | None:
    """A number of tokens as a provider states it; None for anything else."""
    plain = isinstance(value, int) and not isinstance(value, bool)
    return value if plain and 0 <= value <= COUNT_LIMIT else None


def part(usage: Any, *path: str) -> int:
    """A count somewhere inside a usage object; 0 where it is not stated."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return count(usage) or 0


def tokens_of(
    whole: int | None, cached: int, cache_write: int, output: int | None, reasoning: int
) -> Tokens | None:
    """Tokens where the counts agree with each other, else None."""
    if whole is None or output is None or cached + cache_write > whole:
        return None
    return Tokens(whole, cached, cache_write, output, min(reasoning, output))


# -- cleaning -----------------------------------------------------------------


def load_json(text: str) -> Any:
    """JSON as the standard has it, without NaN and Infinity. ValueError."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def clean_json(value: Any, depth: int = 0) -> Any:
    """A JSON value with all its texts cleaned. ValueError if it is nested too deeply."""
    if isinstance(value, str):
        return clean_text(value)
    if depth > DEPTH_LIMIT:
        raise ValueError("The value is nested too deeply.")
    if isinstance(value, dict):
        return {
            clean_text(name, 200): clean_json(item, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [clean_json(item, depth + 1) for item in value]
    return value
