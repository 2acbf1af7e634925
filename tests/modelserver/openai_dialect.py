"""What the Responses and the Chat Completions format share."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.modelserver.checks import NAMES
from tests.modelserver.wire import Json, Path, RefusedError

EFFORTS: Final = frozenset(
    ("none", "minimal", "low", "medium", "high", "xhigh", "max", None)
)
TIERS: Final = frozenset(
    ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast", None)
)


def join(path: Path) -> str:
    """The path as error messages have it: input[3].content."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class OpenAIDialect:
    """How the service words its complaints."""

    def unknown(self, path: Path, name: str) -> RefusedError:
        where = join((*path, name))
        return RefusedError(
            400, f"Unknown parameter: '{where}'.", param=where, code="unknown_parameter"
        )

    def missing(self, path: Path, name: str) -> RefusedError:
        where = join((*path, name))
        return RefusedError(
            400,
            f"Missing required parameter: '{where}'.",
            param=where,
            code="missing_required_parameter",
        )

    def wrong_type(self, path: Path, expected: str, value: Any) -> RefusedError:
        where = join(path)
        return RefusedError(
            400,
            f"Invalid type for '{where}': expected {expected}, but got "
            f"{NAMES.get(type(value), 'something else')} instead.",
            param=where,
            code="invalid_type",
        )

    def wrong_value(
        self, path: Path, value: Any, allowed: Iterable[Any]
    ) -> RefusedError:
        where = join(path)
        names = sorted(f"'{name}'" for name in allowed if name is not None)
        if value is None:
            return self.wrong_type(path, f"one of {', '.join(names)}", value)
        return RefusedError(
            400,
            f"Invalid value: {value!r}. Supported values are: {', '.join(names)}.",
            param=where,
            code="invalid_value",
        )

    def bad_schema(self, path: Path, inside: Path, why: str) -> RefusedError:
        return RefusedError(
            400,
            f"Invalid schema for function: In context={inside!r}, {why}",
            param=join(path),
            code="invalid_function_parameters",
        )


DIALECT: Final = OpenAIDialect()


def check_minimum(value: Any, path: Path, least: int) -> None:
    """An integer or null, and not below the least."""
    if value is None:
        return
    if type(value) is not int:
        raise DIALECT.wrong_type(path, "an integer", value)
    if value < least:
        raise RefusedError(
            400,
            f"Invalid '{join(path)}': integer below minimum value. Expected a value "
            f">= {least}, but got {value} instead.",
            param=join(path),
            code="integer_below_min_value",
        )


def authorize(headers: Mapping[str, str], key: str) -> None:
    """401 without the right bearer key."""
    given = headers.get("Authorization", "")
    if not given.startswith("Bearer ") or not given[7:]:
        raise RefusedError(
            401,
            "You didn't provide an API key. You need to provide your API key in an "
            "Authorization header using Bearer auth.",
        )
    if given[7:] != key:
        raise RefusedError(
            401,
            f"Incorrect API key provided: {given[7:11]}***.",
            code="invalid_api_key",
        )


def refuse(error: RefusedError, request_id: str) -> Json:
    """The body of an error."""
    return {
        "error": {
            "message": error.message,
            "type": error.kind,
            "param": error.param,
            "code": error.code,
        }
    }


def find_conversation(body: Json, headers: Mapping[str, str]) -> str | None:
    """What names the conversation, if anything does."""
    named = body.get("prompt_cache_key") or (body.get("metadata") or {}).get(
        "conversation"
    )
    return named or headers.get("X-Tilts-Conversation")


def check_tool_choice(names: Iterable[str], name: Any) -> None:
    """A named tool must be among the tools."""
    if name not in names:
        raise RefusedError(
            400,
            "Tool choice 'function' not found in 'tools' parameter.",
            param="tool_choice",
        )


def check_metadata(value: Any, path: Path) -> None:
    """At most 16 short strings by name."""
    if value is None:
        return
    if type(value) is not dict:
        raise DIALECT.wrong_type(path, "an object", value)
    for name, part in value.items():
        if type(part) is not str:
            raise DIALECT.wrong_type((*path, name), "a string", part)
    if len(value) > 16 or any(len(k) > 64 or len(v) > 512 for k, v in value.items()):
        raise RefusedError(400, "Invalid 'metadata'.", param=join(path))
