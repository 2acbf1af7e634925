"""The evaluator: messages that fail, come twice, late or not at all."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from chalice.test import Client

from chalicelib.local.worker import Consumer, queue_event
from chalicelib.services import messages
from chalicelib.services.heartbeats import LEASE_SECONDS
from chalicelib.services.perform import perform_directly
from chalicelib.services.sweeps import ASK_AGAIN_SECONDS
from tests.services import breaking
from tests.services.breaking import (
    Freezing,
    Meddling,
    Watched,
    Witness,
    begin,
    ending_of,
    fresh_world,
    go_on,
    make_worker,
    play_messages_once,
    sweep,
)
from tests.services.points import PLAN, at_call
from tests.world import World

T = TypeVar("T")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_message_of_an_unknown_version_is_passed_over_and_the_sweeper_asks_again(
    world: World, client: Client, version: object
) -> None:
    import app

    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    world.queue.send(messages.PLAY, [{"v": version, "play": [episode.id]}])
    consumer = Consumer(world.queue, {"play": app.play_episodes})
    assert consumer.consume()
    assert breaking.lines_of(world, episode.id) == []
    world.clock.turn(901)
    assert world.queue.receive(messages.PLAY, 10, 900) == []
    world.tilts.sweep()
    assert consumer.consume()
    assert world.store.episode(episode.id).is_over


def test_a_message_that_keeps_failing_is_put_aside_and_the_sweeper_goes_on(
    world: World, client: Client
) -> None:
    import app

    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    world.queue.send(messages.PLAY, [{"v": 1}])
    consumer = Consumer(world.queue, {"play": app.play_episodes})
    for _ in range(6):
        assert world.queue.has_message(messages.PLAY)
        consumer.consume()
        world.clock.turn(901)
    assert not world.queue.has_message(messages.PLAY)
    assert [m.body for m in world.queue.receive("play-dead", 10, 1)] == [{"v": 1}]
    world.tilts.sweep()
    assert consumer.consume()
    assert world.store.episode(episode.id).is_over


def test_a_message_that_keeps_failing_does_not_hold_up_those_that_came_with_it(
    world: World, client: Client
) -> None:
    import app

    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.send(messages.PLAY, [{"v": 1}])
    Consumer(world.queue, {"play": app.play_episodes}).consume()
    assert world.store.episode(episode.id).is_over


def test_doubled_late_and_reordered_messages_change_nothing(tmp_path: Path) -> None:
    with fresh_world(tmp_path / "calm") as world:
        episodes = begin(world, PLAN)
        play_messages_once(world, Watched(Witness(world)))
        calm = {e.id: ending_of(world, e.id) for e in episodes}
    with fresh_world(tmp_path / "world") as world:
        ids = [episode.id for episode in begin(world, PLAN)]
        witness = Witness(world)
        for bodies in ([ids, ids[::-1]], [ids[1:], ids[:1]], [ids * 2]):
            for body in bodies:
                assert breaking.play(world, Watched(witness), body, 900)
        world.work()
        assert {e: ending_of(world, e) for e in ids} == calm
        assert len(breaking.results_of(world)) == len(ids)
        assert all(breaking.count_wasted(world, e) == 0 for e in ids)


def test_an_episode_named_twice_in_one_message_is_played_once(world: World) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MM-I")])
    assert breaking.play(world, Watched(Witness(world)), [episode.id, episode.id])
    assert breaking.count_wasted(world, episode.id) == 0
    assert world.store.episode(episode.id).epoch == 1


def test_two_workers_with_the_same_message_at_once_pay_once(world: World) -> None:
    ids = [episode.id for episode in begin(world, PLAN)]
    witness = Witness(world)

    async def run() -> None:
        stop_at = world.clock.now() + 900
        workers = [make_worker(world, Freezing(witness, 0, "")) for _ in range(3)]
        await asyncio.gather(*[worker.play(ids, stop_at) for worker in workers])

    asyncio.run(run())
    for episode in ids:
        ending_of(world, episode)
        assert breaking.count_wasted(world, episode) == 0


def test_the_sweeper_does_not_take_an_episode_from_a_worker_that_just_claimed_it(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.clock.turn(LEASE_SECONDS + 1)

    def claim() -> None:
        moment = world.clock.now()
        assert world.store.claim(episode.id, "quick", moment, LEASE_SECONDS)

    perform = Meddling(Witness(world), at_call("episode"), claim)
    assert sweep(world, perform)
    assert perform.has_meddled
    assert world.store.episode(episode.id).owner == "quick"


def test_the_sweeper_asks_once_in_a_while_for_what_nobody_takes_up(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    world.clock.turn(61)
    for expected in (1, 0, 0):
        sweep(world, perform_directly)
        asked = world.queue.receive(messages.PLAY, 10, 900)
        assert len(asked) == expected
        world.queue.delete(asked)
        world.clock.turn(60)
    world.clock.turn(ASK_AGAIN_SECONDS)
    sweep(world, perform_directly)
    (message,) = world.queue.receive(messages.PLAY, 10, 900)
    assert message.body["play"] == [episode.id]


def test_an_answer_that_is_paid_for_is_not_asked_for_again(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)
    perform = DieAfterSettle(witness)
    assert not breaking.play(world, perform, [episode.id])
    go_on(world, witness)
    ending_of(world, episode.id)
    assert breaking.count_wasted(world, episode.id) == 0


class DieAfterSettle(Watched):
    """The worker dies as soon as one answer is paid for and kept."""

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        result = await super().__call__(call, *args)
        self._die_if(call.__name__ == "settle")
        return result


def test_queue_events_look_like_those_of_the_cloud(world: World) -> None:
    world.queue.send(messages.PLAY, [{"v": 1, "play": ["ep_ä"]}])
    (message,) = world.queue.receive(messages.PLAY, 1, 900)
    (record,) = queue_event("play", [message])["Records"]
    assert record["body"] == '{"play":["ep_ä"],"v":1}'
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
