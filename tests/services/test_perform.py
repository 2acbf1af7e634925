"""The seams over threads: what waits for a network waits together."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.services.perform import (
    Pooled,
    at_once,
    one_after_another,
    perform_directly,
)

THREADS = 4
PATIENCE_SECONDS = 20.0


@pytest.fixture
def pooled() -> Iterator[Pooled]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield Pooled(pool)


def test_as_many_calls_as_threads_are_under_way_at_a_time(pooled: Pooled) -> None:
    # A barrier opens only for four that wait at once; alone, each would wait for ever.
    barrier = threading.Barrier(THREADS, timeout=PATIENCE_SECONDS)

    def meet(number: int) -> None:
        barrier.wait()

    pooled.for_each(meet, range(2 * THREADS))

    async def perform_all() -> list[int]:
        calls = [pooled.perform(barrier.wait) for _ in range(THREADS)]
        return list(await asyncio.gather(*calls))

    assert sorted(asyncio.run(perform_all())) == list(range(THREADS))


def test_each_is_done_once_and_an_error_is_raised_when_all_are(pooled: Pooled) -> None:
    for for_each in (one_after_another, pooled.for_each):
        done: list[int] = []
        for_each(done.append, range(100))
        assert sorted(done) == list(range(100))

    def fail(number: int) -> None:
        if number == 3:
            raise LookupError("the third")

    with pytest.raises(LookupError, match="the third"):
        pooled.for_each(fail, range(10))


def test_a_call_gives_what_it_returns_or_raises(pooled: Pooled) -> None:
    async def divide(a: int, b: int) -> tuple[float, float]:
        def division(x: int, y: int) -> float:
            return x / y

        return (
            await perform_directly(division, a, b),
            await pooled.perform(division, a, b),
        )

    assert asyncio.run(divide(1, 2)) == (0.5, 0.5)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(divide(1, 0))


def test_what_is_put_aside_is_done_by_the_end_and_its_failure_stops_nothing(
    pooled: Pooled, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    def fail() -> None:
        raise LookupError("nobody waits for this")

    with pooled.to_the_end():
        pooled.aside(fail)
        pooled.aside(done.set)
    assert done.is_set()
    (record,) = caplog.records
    assert "nobody waits" in record.getMessage()
    here: list[int] = []
    at_once(lambda: here.append(1))
    assert here == [1]
