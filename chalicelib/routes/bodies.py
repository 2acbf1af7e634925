"""Bodies in: JSON that is whole, of sane size and depth, and of the declared shape."""

import json
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from chalicelib.errors import MediaTypeError, RequestError, TooLargeError

BODY_BYTES: Final = 256 * 1024
DEPTH: Final = 20

B = TypeVar("B", bound=BaseModel)


class Body(BaseModel):
    """What a request may carry: nothing but the declared fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def read_body(raw: bytes, content_type: str | None, shape: type[B]) -> B:
    """The body in its shape. MediaTypeError, TooLargeError, RequestError."""
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise MediaTypeError(
            "Send JSON, with the header Content-Type: application/json."
        )
    if len(raw) > BODY_BYTES:
        raise TooLargeError(f"The body is larger than {BODY_BYTES} bytes.")
    check_json(raw)
    try:
        return shape.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise RequestError(explain(error)) from error


def check_json(raw: bytes) -> None:
    """RequestError unless it is one JSON value without doubled keys, NaN or deep nests."""
    try:
        value = json.loads(
            raw, object_pairs_hook=refuse_doubles, parse_constant=refuse_constant
        )
        deep = depth_of(value) > DEPTH
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not valid JSON: {error}.") from error
    if deep:
        raise RequestError(f"The body is nested more than {DEPTH} levels deep.")


def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; ValueError when a key comes twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def refuse_constant(name: str) -> None:
    """ValueError: NaN and Infinity are not JSON."""
    raise ValueError(f"{name} is not JSON")


def depth_of(value: Any) -> int:
    """How many objects and arrays lie within one another."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    else:
        return 0
    return 1 + max(map(depth_of, inner), default=0)


def read_query(values: dict[str, str], shape: type[B]) -> B:
    """The query in its shape. RequestError."""
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        raise RequestError(explain(error)) from error


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, in one sentence."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"]) or "the body"
    return f"{place}: {first['msg']}."
