"""The evaluator: time, leases and other workers."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from chalicelib.services import messages
from chalicelib.services.episodes import BARREN_CLAIMS, MARGIN_SECONDS
from chalicelib.services.heartbeats import HEARTBEAT_SECONDS, LEASE_SECONDS
from chalicelib.services.perform import perform_directly
from tests.services import breaking
from tests.services.breaking import (
    Freezing,
    Meddling,
    WakingClock,
    Watched,
    Witness,
    begin,
    ending_of,
    make_worker,
)
from tests.services.points import at_call
from tests.world import World

T = TypeVar("T")


def test_an_episode_out_of_time_is_released_and_asked_for_again(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)
    slices = 0
    while not world.store.episode(episode.id).is_over:
        slices += 1
        perform = Meddling(witness, lambda *_: False, lambda: None, turn=1.0)
        (message,) = world.queue.receive(messages.PLAY, 10, 900)
        assert breaking.play(world, perform, message.body["play"], 20.0)
        world.queue.delete([message])
        now = world.store.episode(episode.id)
        if not now.is_over:
            assert (now.owner, now.lease_until) == (None, 0)
            assert now.due_at is not None
            assert now.due_at <= world.clock.now()
            assert now.reached == len(world.store.events(episode.id, 0, 1_000))
    assert slices > 2
    assert ending_of(world, episode.id).status == "finished"
    assert breaking.count_wasted(world, episode.id) == 0


def test_no_call_is_begun_that_could_not_end_in_time(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    assert breaking.play(
        world, Watched(Witness(world)), [episode.id], MARGIN_SECONDS - 0.1
    )
    assert world.store.calls(episode.id) == []
    assert not world.store.episode(episode.id).is_over
    assert world.play() == 2  # the first message, and the one that asks again
    assert world.store.episode(episode.id).is_over


def test_a_slice_out_of_time_asks_for_all_its_episodes_again(world: World) -> None:
    episodes = begin(world, [("mock~random~1", "MM-I"), ("mock~random~1", "MS-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    assert breaking.play(world, Watched(Witness(world)), [e.id for e in episodes], 1.0)
    (message,) = world.queue.receive(messages.PLAY, 10, 900)
    assert message.body == {
        "v": 1, "provider": "mock", "play": [e.id for e in episodes],
    }  # fmt: skip


def test_a_held_episode_is_left_to_its_worker(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    held = world.store.claim(episode.id, "someone", world.clock.now(), LEASE_SECONDS)
    assert held is not None
    world.play()
    assert breaking.lines_of(world, episode.id) == []
    assert world.store.episode(episode.id) == held


def test_a_worker_that_finds_another_ahead_leaves_without_a_trace(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    def overtake() -> None:
        world.clock.turn(LEASE_SECONDS + 1)
        other = make_worker(world, perform_directly)
        task = other.play([episode.id], world.clock.now() + 900)
        with_own_loop(lambda: asyncio.run(task))

    perform = Meddling(witness, at_call("intend", 2), overtake)
    assert breaking.play(world, perform, [episode.id])
    assert perform.has_meddled
    assert not {"close", "finish", "put_transcript"} & set(perform.names)
    assert perform.names.count("intend") == 2
    ending_of(world, episode.id)
    assert breaking.count_wasted(world, episode.id) == 1
    assert world.store.episode(episode.id).epoch == 2


def with_own_loop(work: Callable[[], object]) -> None:
    """Run something that needs an event loop of its own while another one runs."""
    import threading

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("player", ["mock~random~1", "baseline~random~1"])
def test_an_append_whose_reply_was_lost_is_taken_for_done_when_it_is_sent_again(
    world: World, player: str
) -> None:
    (episode,) = begin(world, [(player, "MM-I")])
    watched = Watched(Witness(world))

    async def perform(call: Callable[..., T], *args: Any) -> T:
        if call.__name__ == "append":
            await watched(call, *args)
        return await watched(call, *args)

    assert breaking.play(world, perform, [episode.id])
    assert ending_of(world, episode.id).status == "finished"
    assert breaking.count_wasted(world, episode.id) == 0


def test_a_heartbeat_keeps_the_lease_for_as_long_as_a_call_takes(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    async def run() -> None:
        clock = WakingClock(world.clock)
        slow = Freezing(witness, 8, "before")
        stop_at = world.clock.now() + 1e6
        worker = make_worker(world, slow, clock)
        playing = asyncio.create_task(worker.play([episode.id], stop_at))
        await slow.frozen.wait()
        for _ in range(8):
            world.clock.turn(HEARTBEAT_SECONDS)
            await clock.wake()
            moment = world.clock.now()
            assert world.store.claim(episode.id, "other", moment, 90) is None
            assert world.store.due(moment, 0, 10) == []
        slow.thawed.set()
        await playing

    asyncio.run(run())
    assert ending_of(world, episode.id).status == "finished"
    assert world.store.episode(episode.id).epoch == 1


def test_a_refused_renewal_stops_the_worker_before_it_makes_another_call(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    async def run() -> list[str]:
        clock = WakingClock(world.clock)
        slow = Freezing(witness, 8, "before")
        worker = make_worker(world, slow, clock)
        stop_at = world.clock.now() + 1e6
        playing = asyncio.create_task(worker.play([episode.id], stop_at))
        await slow.frozen.wait()
        world.clock.turn(LEASE_SECONDS + 1)
        taken = world.store.claim(episode.id, "other", world.clock.now(), 90)
        assert taken is not None
        rows = len(world.store.calls(episode.id))
        await clock.wake()
        left, _ = await asyncio.wait({playing}, timeout=5)
        assert left == {playing}
        assert len(world.store.calls(episode.id)) == rows
        return slow.names

    names = asyncio.run(run())
    after = names[names.index("renew") + 1 :]
    assert not {"intend", "settle", "append", "close"} & set(after)
    assert world.store.episode(episode.id).owner == "other"


def test_barren_claims_end_in_an_infrastructure_failure_never_in_a_loss(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)
    for _ in range(BARREN_CLAIMS):
        assert not breaking.play(world, Watched(witness, 2), [episode.id])
        assert not world.store.episode(episode.id).is_over
        world.clock.turn(LEASE_SECONDS + 1)
    assert breaking.play(world, Watched(witness), [episode.id])
    failed = world.store.episode(episode.id)
    assert (failed.status, failed.end) == ("failed", "infra")
    assert failed.note is not None
    assert breaking.lines_of(world, episode.id) == []
    assert breaking.results_of(world) == []
    assert world.store.transcript(episode.id) is None


def test_claims_that_commit_something_never_end_in_a_failure(world: World) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MM-I")])
    witness = Witness(world)
    kills = 0
    while True:
        already = len(breaking.lines_of(world, episode.id))
        perform = DieAfterAppend(witness)
        if breaking.play(world, perform, [episode.id]):
            break
        kills += 1
        assert len(breaking.lines_of(world, episode.id)) == already + 1
        world.clock.turn(LEASE_SECONDS + 1)
    assert kills > 3 * BARREN_CLAIMS
    assert ending_of(world, episode.id).status == "finished"


class DieAfterAppend(Watched):
    """The worker dies as soon as one event is committed."""

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        result = await super().__call__(call, *args)
        self._die_if(call.__name__ == "append")
        return result


def test_barren_claims_are_counted_anew_after_progress(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    def barren(count: int) -> None:
        for _ in range(count):
            assert not breaking.play(world, Watched(witness, 2), [episode.id])
            world.clock.turn(LEASE_SECONDS + 1)

    barren(BARREN_CLAIMS - 1)
    assert not breaking.play(world, DieAfterAppend(witness), [episode.id])
    world.clock.turn(LEASE_SECONDS + 1)
    barren(BARREN_CLAIMS - 1)
    assert breaking.play(world, Watched(witness), [episode.id])
    assert ending_of(world, episode.id).status == "finished"


def test_running_out_of_time_again_and_again_is_no_failure(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    for _ in range(3 * BARREN_CLAIMS):
        assert breaking.play(world, Watched(Witness(world)), [episode.id], 1.0)
    world.play()
    assert ending_of(world, episode.id).status == "finished"
