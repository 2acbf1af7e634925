"""When to meddle with a worker, and what it plays meanwhile."""

from collections.abc import Callable
from typing import Any

PLAN = [("mock~random~1", "MM-I"), ("baseline~safest~1", "MS-I")]


def at_point(number: int) -> Callable[[int, str, tuple[Any, ...]], bool]:
    """True at the io point of that number."""
    return lambda count, name, args: count == number


def at_call(wanted: str, times: int = 1) -> Callable[[int, str, tuple[Any, ...]], bool]:
    """True at the n-th call of that name."""
    left = iter(range(times - 1, -1, -1))
    return lambda count, name, args: name == wanted and next(left) == 0
