"""What all parts of the store in the cloud share."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from chalicelib.aws.items import Table
from chalicelib.aws.objects import Objects
from chalicelib.aws.texts import Texts
from chalicelib.errors import RequestError
from chalicelib.interfaces import Clock

T = TypeVar("T")

META: Final = "META"
"""The sort key of the item that is the thing itself, among what belongs to it."""

ABSENT: Final = "attribute_not_exists(pk)"
PRESENT: Final = "attribute_exists(pk)"
THREADS: Final = 8
"""How many requests of one call of the store are under way at a time, at most."""


class Rows:
    """The tables and the bucket."""

    client: Any
    evaluation_items: Table
    episode_items: Table
    live_items: Table
    catalogue_items: Table
    objects: Objects
    texts: Texts
    clock: Clock


def for_each(work: Callable[[T], object], items: Iterable[T]) -> None:
    """Do it for all, several at a time; the first error is raised."""
    waiting = list(items)
    if len(waiting) < 2:
        for item in waiting:
            work(item)
        return
    with ThreadPoolExecutor(min(THREADS, len(waiting))) as pool:
        for _ in pool.map(work, waiting):
            pass


def read_number(cursor: str | None) -> int | None:
    """The number in a cursor. RequestError when there is none."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit()):
        raise RequestError("The cursor is not one that was given here.")
    return int(cursor)
