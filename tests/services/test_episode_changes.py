"""Pause, resume and cancel, at every point."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chalicelib.errors import ConflictError
from chalicelib.records import TERMINAL
from chalicelib.services import messages
from chalicelib.services.heartbeats import LEASE_SECONDS
from chalicelib.services.sweeps import ASK_AGAIN_SECONDS
from tests.services import breaking
from tests.services.breaking import (
    EVALUATION,
    Meddling,
    Watched,
    Witness,
    begin,
    ending_of,
    fresh_world,
    go_on,
    play_messages_once,
    sweep,
)
from tests.services.points import PLAN, at_call, at_point
from tests.world import World

T = TypeVar("T")


def points_of(plan: list[tuple[str, str]], tmp_path: Path) -> int:
    with fresh_world(tmp_path / "count") as world:
        begin(world, plan)
        perform = Meddling(Witness(world), lambda *_: False, lambda: None, turn=1.0)
        play_messages_once(world, perform)
        return perform.count


def every_point(
    plan: list[tuple[str, str]], tmp_path: Path, meddle: Callable[[World], object]
) -> Iterator[tuple[World, Witness]]:
    """A world for each io point, in which something else happened just before it."""
    for number in range(1, points_of(plan, tmp_path) + 1):
        with fresh_world(tmp_path / "world") as world:
            begin(world, plan)
            witness = Witness(world)

            def act(world: World = world) -> object:
                return meddle(world)

            perform = Meddling(witness, at_point(number), act, turn=1.0)
            play_messages_once(world, perform)
            assert perform.has_meddled
            world.expand()
            yield world, witness


def is_running(world: World) -> bool:
    return world.store.evaluation(EVALUATION).status in ("queued", "running")


def pause(world: World) -> None:
    if is_running(world):
        world.tilts.evaluations.pause(EVALUATION)


def unbroken_endings(tmp_path: Path) -> dict[str, breaking.Ending]:
    with fresh_world(tmp_path / "calm") as world:
        episodes = begin(world, PLAN)
        play_messages_once(world, Watched(Witness(world)))
        return {e.id: ending_of(world, e.id) for e in episodes}


def test_a_pause_at_any_point_stops_play_and_a_resume_goes_on_as_if_there_was_none(
    tmp_path: Path,
) -> None:
    endings = unbroken_endings(tmp_path)
    parked = 0
    for world, witness in every_point(PLAN, tmp_path, pause):
        logs = {e: breaking.lines_of(world, e) for e in endings}
        for _ in range(3):
            world.clock.turn(ASK_AGAIN_SECONDS + 1)
            sweep(world, Watched(witness))
            play_messages_once(world, Watched(witness))
            world.expand()
        assert logs == {e: breaking.lines_of(world, e) for e in endings}
        left = [e for e in breaking.open_and_closed(world) if not e.is_over]
        assert all((e.owner, e.due_at) == (None, None) for e in left)
        parked += len(left)
        if world.store.evaluation(EVALUATION).status == "paused":
            world.tilts.evaluations.resume(EVALUATION)
            world.expand()
            play_messages_once(world, Watched(witness))
        assert {e: ending_of(world, e) for e in endings} == endings
        sweep(world, Watched(witness))
        assert world.store.evaluation(EVALUATION).end == "complete"
    assert parked > 10


def test_a_pause_and_a_resume_soon_after_leave_nothing_behind(tmp_path: Path) -> None:
    def pause_and_resume(world: World) -> None:
        if is_running(world):
            world.tilts.evaluations.pause(EVALUATION)
            breaking.tend(world)
            world.tilts.evaluations.resume(EVALUATION)
            breaking.tend(world)

    endings = unbroken_endings(tmp_path)
    for world, witness in every_point(PLAN, tmp_path, pause_and_resume):
        go_on(world, witness)
        assert {e: ending_of(world, e) for e in endings} == endings


def test_a_resume_while_a_worker_is_parking_leaves_nothing_parked(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    def resume() -> None:
        world.tilts.evaluations.resume(EVALUATION)
        breaking.tend(world)

    pausing = Meddling(witness, at_call("append", 3), lambda: pause(world), turn=1.0)
    parking = Meddling(witness, at_call("release"), resume)

    async def perform(call: Callable[..., T], *args: Any) -> T:
        return await (parking if pausing.has_meddled else pausing)(call, *args)

    play_messages_once(world, perform)
    assert parking.has_meddled
    go_on(world, witness)
    assert ending_of(world, episode.id).status == "finished"


def check_cancelled(world: World, witness: Witness) -> None:
    for episode in breaking.open_and_closed(world):
        events = world.store.events(episode.id, 0, 1_000)
        has_row = episode.id in {row.episode for row in breaking.results_of(world)}
        assert episode.status in TERMINAL
        assert len(witness.closed.get(episode.id, [1])) == 1
        if episode.status == "finished":
            ending_of(world, episode.id)
        else:
            assert (episode.status, episode.end) == ("unplayed", "cancelled")
            assert not has_row
            assert not events or events[-1].type != "ended"
            assert world.store.transcript(episode.id) is None


def test_a_cancel_at_any_point_ends_everything_and_keeps_what_was_finished(
    tmp_path: Path,
) -> None:
    def cancel(world: World) -> None:
        if world.store.evaluation(EVALUATION).status != "finished":
            world.tilts.evaluations.cancel(EVALUATION)

    ends: Counter[str | None] = Counter()
    for world, witness in every_point(PLAN, tmp_path, cancel):
        go_on(world, witness)
        check_cancelled(world, witness)
        ends.update(e.status for e in breaking.open_and_closed(world))
    assert ends["finished"] > 10
    assert ends["unplayed"] > 10


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_cancel_after_a_kill_at_any_point_agrees_with_the_log(
    tmp_path: Path, side: str
) -> None:
    for number in range(1, points_of(PLAN, tmp_path) + 1):
        with fresh_world(tmp_path / "world") as world:
            begin(world, PLAN)
            witness = Witness(world)
            play_messages_once(world, Watched(witness, number, side))
            world.clock.turn(LEASE_SECONDS + 1)
            world.store.release_all(world.clock.now())  # what a restart does
            if is_running(world):
                world.tilts.evaluations.cancel(EVALUATION)
            world.expand()
            go_on(world, witness)
            check_cancelled(world, witness)


def test_a_cancel_of_a_paused_evaluation_ends_what_was_parked(world: World) -> None:
    begin(world, PLAN)
    pause(world)
    world.expand()
    world.tilts.evaluations.cancel(EVALUATION)
    world.expand()
    ends = {(e.status, e.end) for e in breaking.open_and_closed(world)}
    assert ends == {("unplayed", "cancelled")}
    with pytest.raises(ConflictError):
        world.tilts.evaluations.resume(EVALUATION)


@pytest.mark.parametrize("change", ["resume", "cancel"])
def test_a_lost_message_of_a_change_does_not_leave_parked_episodes_for_ever(
    world: World, change: str
) -> None:
    begin(world, PLAN)
    pause(world)
    world.expand()
    getattr(world.tilts.evaluations, change)(EVALUATION)
    world.queue.delete(world.queue.receive(messages.EXPAND, 10, 900))
    for _ in range(5):
        world.clock.turn(ASK_AGAIN_SECONDS + 1)
        world.tilts.sweep()
        world.work()
    assert all(e.is_over for e in breaking.open_and_closed(world))
