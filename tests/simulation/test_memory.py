"""The simulator's store keeps the contract of every store."""

import inspect
from collections.abc import Callable

import pytest

from chalicelib.interfaces import Store
from tests.interfaces import (
    test_store,
    test_store_episodes,
    test_store_evaluations,
    test_store_money,
)
from tests.interfaces.rows import make_episode
from tests.simulation.memory import SharedMemoryStore

CONTRACT = [
    test
    for module in (
        test_store,
        test_store_episodes,
        test_store_evaluations,
        test_store_money,
    )
    for name, test in vars(module).items()
    if name.startswith("test_")
]


def cases() -> list[tuple[Callable[..., None], tuple[object, ...]]]:
    """Every test of the contract with each of its parameters."""
    found: list[tuple[Callable[..., None], tuple[object, ...]]] = []
    for test in CONTRACT:
        marks = [m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]
        names, values = marks[0].args[:2] if marks else ((), [()])
        # A single name is given single values, several are given tuples.
        found += [
            (test, (value,) if isinstance(names, str) else tuple(value))
            for value in values
        ]
    return found


@pytest.mark.parametrize(
    ("test", "values"), cases(), ids=lambda part: getattr(part, "__name__", "")
)
def test_the_store_in_memory_keeps_the_contract(
    test: Callable[..., None], values: tuple[object, ...]
) -> None:
    store: Store = SharedMemoryStore()
    if next(iter(inspect.signature(test).parameters)) == "one":
        store.create_episodes([make_episode()])
    test(store, *values)
