"""The one seam through which the evaluator reaches the outside."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Perform(Protocol):
    """Carries out one synchronous call to the outside; each is one io point."""

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        """The result of call(*args)."""


async def perform_directly(call: Callable[..., T], *args: Any) -> T:
    """Call it here and now: right where a call takes microseconds, as on SQLite."""
    return call(*args)
