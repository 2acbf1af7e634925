"""How the Messages service takes keys and words its complaints."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.modelserver.wire import Json, Path, RefusedError

VERSIONS: Final = frozenset(("2023-06-01", "2026-10-21"))


def join(path: Path) -> str:
    """The path as error messages have it: messages.1.content.0."""
    return ".".join(map(str, path))


class MessagesDialect:
    """How the service words its complaints."""

    def unknown(self, path: Path, name: str) -> RefusedError:
        return RefusedError(
            400, f"{join((*path, name))}: Extra inputs are not permitted"
        )

    def missing(self, path: Path, name: str) -> RefusedError:
        return RefusedError(400, f"{join((*path, name))}: Field required")

    def wrong_type(self, path: Path, expected: str, value: Any) -> RefusedError:
        return RefusedError(400, f"{join(path)}: Input should be {expected}")

    def wrong_value(
        self, path: Path, value: Any, allowed: Iterable[Any]
    ) -> RefusedError:
        names = sorted(f"'{name}'" for name in allowed if name is not None)
        return RefusedError(400, f"{join(path)}: Input should be {' or '.join(names)}")

    def bad_schema(self, path: Path, inside: Path, why: str) -> RefusedError:
        where = f" at {join(inside)}" if inside else ""
        return RefusedError(400, f"{join(path)}{where}: {why}")


DIALECT: Final = MessagesDialect()


def authorize(headers: Mapping[str, str], key: str) -> None:
    """401 without the right key, 400 without a version."""
    given = headers.get("x-api-key", "")
    given = given or headers.get("Authorization", "").removeprefix("Bearer ")
    if not given:
        raise RefusedError(401, "x-api-key header is required", "authentication_error")
    if given != key:
        raise RefusedError(401, "invalid x-api-key", "authentication_error")
    version = headers.get("anthropic-version")
    if version is None:
        raise RefusedError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise RefusedError(
            400, f'anthropic-version: "{version}" is not a valid version'
        )


def refuse(error: RefusedError, request_id: str) -> Json:
    """The body of an error."""
    return {
        "type": "error",
        "error": {"type": error.kind, "message": error.message},
        "request_id": request_id,
    }
