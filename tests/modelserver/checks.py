"""Checks of request bodies: fields, types, values and strict schemas."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from tests.modelserver.wire import Json, Path, RefusedError

Rule = tuple[type, ...] | frozenset[str | None] | Callable[[Any, Path], None] | None

TEXT: Final = (str,)
TEXT_OR_NULL: Final = (str, type(None))
FLAG: Final = (bool,)
FLAG_OR_NULL: Final = (bool, type(None))
NUMBER_OR_NULL: Final = (int, float, type(None))

KEYWORDS: Final = frozenset(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "description",
        "title",
        "anyOf",
        "$ref",
        "$defs",
        "definitions",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    ]
)
KINDS: Final = frozenset(
    ("object", "array", "string", "integer", "number", "boolean", "null")
)
NAMES: Final = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


_good: deque[tuple[Any, bool, frozenset[str]]] = deque(maxlen=32)


class Dialect(Protocol):
    """How a service words its complaints."""

    def unknown(self, path: Path, name: str) -> RefusedError:
        """A field that does not exist."""

    def missing(self, path: Path, name: str) -> RefusedError:
        """A field that must be there."""

    def wrong_type(self, path: Path, expected: str, value: Any) -> RefusedError:
        """A value of another type."""

    def wrong_value(
        self, path: Path, value: Any, allowed: Iterable[Any]
    ) -> RefusedError:
        """A value that is not one of those allowed."""

    def bad_schema(self, path: Path, inside: Path, why: str) -> RefusedError:
        """A schema that strict mode does not take."""


def check_object(
    dialect: Dialect,
    value: Any,
    path: Path,
    fields: Mapping[str, Rule],
    required: Iterable[str] = (),
) -> None:
    """The value is an object of these fields. A rule None lets everything through."""
    if type(value) is not dict:
        raise dialect.wrong_type(path, "an object", value)
    for name, part in value.items():
        if name not in fields:
            raise dialect.unknown(path, name)
        rule = fields[name]
        if rule is not None:
            check_part(dialect, part, (*path, name), rule)
    for name in required:
        if name not in value:
            raise dialect.missing(path, name)


def check_part(dialect: Dialect, part: Any, path: Path, rule: Rule) -> None:
    """The value follows its rule: types, allowed words, or a check of its own."""
    if isinstance(rule, tuple):
        if type(part) not in rule:
            expected = " or ".join(NAMES[kind] for kind in rule)
            raise dialect.wrong_type(path, expected, part)
    elif isinstance(rule, frozenset):
        if type(part) not in (str, type(None)) or part not in rule:
            raise dialect.wrong_value(path, part, rule)
    elif rule is not None:
        rule(part, path)


def check_list(dialect: Dialect, value: Any, path: Path) -> list[Any]:
    """The value as a list."""
    if type(value) is not list:
        raise dialect.wrong_type(path, "an array", value)
    return value


def check_schema(
    dialect: Dialect,
    schema: Any,
    path: Path,
    all_required: bool = True,
    banned: frozenset[str] = frozenset(),
) -> None:
    """The schema is one that strict mode takes; the last good ones are remembered."""
    known = (schema, all_required, banned)
    if known not in _good:
        check_schema_part(dialect, schema, path, (), all_required, banned)
        _good.append(known)


def check_schema_part(
    dialect: Dialect,
    schema: Any,
    path: Path,
    inside: Path,
    all_required: bool,
    banned: frozenset[str],
) -> None:
    """A schema, or one inside another."""
    if type(schema) is not dict:
        raise dialect.bad_schema(path, inside, "a schema must be an object.")
    for keyword in schema:
        if keyword not in KEYWORDS or keyword in banned:
            raise dialect.bad_schema(path, inside, f"'{keyword}' is not permitted.")
    kinds = schema.get("type", ())
    kinds = kinds if isinstance(kinds, list) else [kinds] if kinds else []
    if not KINDS.issuperset(kinds) or not (
        kinds or {"anyOf", "$ref", "enum"} & set(schema)
    ):
        raise dialect.bad_schema(path, inside, "schema must have a 'type' key.")
    if "object" in kinds:
        check_properties(dialect, schema, path, inside, all_required)
    if "array" in kinds and "items" not in schema:
        raise dialect.bad_schema(path, inside, "array schema missing items.")
    for name, part in parts(schema):
        check_schema_part(dialect, part, path, (*inside, *name), all_required, banned)


def check_properties(
    dialect: Dialect, schema: Json, path: Path, inside: Path, all_required: bool
) -> None:
    """An object of a strict schema names its properties and allows no other."""
    if schema.get("additionalProperties") is not False:
        why = "'additionalProperties' is required to be supplied and to be false."
        raise dialect.bad_schema(path, inside, why)
    properties, required = schema.get("properties", {}), schema.get("required", [])
    left = sorted(set(properties) - set(required))
    if (all_required and left) or not set(required) <= set(properties):
        why = (
            "'required' is required to be supplied and to be an array including every "
            f"key in properties. Missing '{left[0] if left else ''}'."
        )
        raise dialect.bad_schema(path, inside, why)


def parts(schema: Json) -> list[tuple[Path, Any]]:
    """The schemas inside a schema, with the way to each."""
    found: list[tuple[Path, Any]] = [
        (("properties", name), part)
        for name, part in schema.get("properties", {}).items()
    ]
    if "items" in schema:
        found.append((("items",), schema["items"]))
    found += [(("anyOf", n), part) for n, part in enumerate(schema.get("anyOf", ()))]
    return found
