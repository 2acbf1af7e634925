"""Gates: shrinking, growing, closing, and giving up in time."""

import asyncio

import pytest

from chalicelib.errors import BusyError
from chalicelib.players.gates import COOLDOWN_SECONDS, MOST, START, Gate
from tests.timers import LeapingTimer


def answer(gate: Gate, count: int) -> None:
    for _ in range(count):
        gate.note_success()


def test_a_rate_limit_shrinks_by_a_fifth_and_tells() -> None:
    told: list[int] = []
    gate = Gate(LeapingTimer(1_000.0), told.append)
    assert gate.limit == START == 20
    gate.note_rate_limit(None)
    assert gate.limit == 16
    assert told == [16]


def test_it_shrinks_at_most_once_in_a_cooldown() -> None:
    timer = LeapingTimer(1_000.0)
    gate = Gate(timer)
    for _ in range(10):
        gate.note_rate_limit(None)
    assert gate.limit == 16
    timer.moment += COOLDOWN_SECONDS - 0.001
    gate.note_rate_limit(None)
    assert gate.limit == 16
    timer.moment += 0.001
    gate.note_rate_limit(None)
    assert gate.limit == 12


def test_it_never_shrinks_below_one_and_tells_only_changes() -> None:
    timer = LeapingTimer(1_000.0)
    told: list[int] = []
    gate = Gate(timer, told.append)
    for _ in range(40):
        gate.note_rate_limit(None)
        timer.moment += COOLDOWN_SECONDS
    assert gate.limit == 1
    assert told == [16, 12, 9, 7, 5, 4, 3, 2, 1]


def test_it_grows_by_a_twentieth_after_a_clean_round() -> None:
    gate = Gate(LeapingTimer(1_000.0))
    answer(gate, 19)
    assert gate.limit == 20
    answer(gate, 1)
    assert gate.limit == 21
    answer(gate, 20)
    assert gate.limit == 21
    answer(gate, 1)
    assert gate.limit == 22


def test_a_rate_limit_begins_the_round_anew() -> None:
    gate = Gate(LeapingTimer(1_000.0))
    answer(gate, 19)
    gate.note_rate_limit(None)
    answer(gate, 15)
    assert gate.limit == 16
    answer(gate, 1)
    assert gate.limit == 17


def test_it_grows_from_one_and_not_beyond_the_most() -> None:
    gate = Gate(LeapingTimer(1_000.0))
    gate.limit = 1
    answer(gate, 1)
    assert gate.limit == 2
    answer(gate, 30_000)
    assert gate.limit == MOST


def test_no_more_pass_at_once_than_the_limit() -> None:
    timer = LeapingTimer(1_000.0)
    gate = Gate(timer)
    gate.limit = 3
    most: list[int] = []

    async def call() -> None:
        async with gate.pass_through(timer.now() + 100):
            most.append(gate.in_flight)
            for _ in range(5):
                await asyncio.sleep(0)

    async def call_all() -> None:
        await asyncio.gather(*(call() for _ in range(12)))

    asyncio.run(call_all())
    assert len(most) == 12
    assert max(most) == 3
    assert gate.in_flight == 0


def test_a_place_comes_free_whatever_happens_in_it() -> None:
    gate = Gate(LeapingTimer(1_000.0))

    async def fail() -> None:
        async with gate.pass_through(2_000.0):
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        asyncio.run(fail())
    assert gate.in_flight == 0


def test_who_finds_no_place_in_time_is_told_so() -> None:
    timer = LeapingTimer(1_000.0)
    gate = Gate(timer)
    gate.limit = 1

    async def wait() -> None:
        async with gate.pass_through(timer.now() + 10), gate.pass_through(1_002.0):
            raise AssertionError("there was no place")

    with pytest.raises(BusyError):
        asyncio.run(wait())
    assert timer.now() == pytest.approx(1_002.0, abs=0.1)
    assert gate.in_flight == 0


def test_nobody_passes_before_the_provider_wants_to_be_asked_again() -> None:
    timer = LeapingTimer(1_000.0)
    gate = Gate(timer)
    gate.note_rate_limit(30.0)

    async def enter() -> float:
        async with gate.pass_through(2_000.0):
            return timer.now()

    assert asyncio.run(enter()) >= 1_030.0


def test_a_shorter_wait_does_not_open_it_early() -> None:
    timer = LeapingTimer(1_000.0)
    gate = Gate(timer)
    gate.note_rate_limit(30.0)
    gate.note_rate_limit(1.0)
    gate.note_rate_limit(None)

    async def enter() -> float:
        async with gate.pass_through(2_000.0):
            return timer.now()

    assert asyncio.run(enter()) >= 1_030.0


def test_a_wait_beyond_the_last_moment_is_not_begun() -> None:
    timer = LeapingTimer(1_000.0)
    gate = Gate(timer)
    gate.note_rate_limit(3_600.0)

    async def enter() -> None:
        async with gate.pass_through(1_900.0):
            raise AssertionError("it was closed")

    with pytest.raises(BusyError):
        asyncio.run(enter())
    assert timer.now() == 1_000.0
