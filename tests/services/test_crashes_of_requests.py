"""A process may die at any call while it creates, expands or serves a visit."""

from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.errors import ConflictError, StepError
from chalicelib.interfaces import Queue, Store
from chalicelib.records import VISITS, Episode, NewEvaluation
from chalicelib.services import messages
from chalicelib.services.evaluations import Evaluations
from chalicelib.services.perform import perform_directly
from chalicelib.services.plans import Plans
from chalicelib.services.quotes import Quotes
from chalicelib.services.visits import VISIT_SECONDS, Visits
from tests.services import breaking
from tests.services.breaking import Killed, ending_of, fresh_world, sweep
from tests.services.kills import Dying, Fuse
from tests.world import World


def dying_evaluations(world: World, fuse: Fuse) -> Evaluations:
    plans = Plans(world.tilts.players)
    return Evaluations(
        cast(Store, Dying(world.store, fuse)),
        cast(Queue, Dying(world.queue, fuse)),
        world.clock,
        world.ids,
        world.suites,
        plans,
        Quotes(world.store, plans),
        0,
    )


def expand_once(world: World, evaluations: Evaluations) -> bool:
    """Handle what the expand queue holds; whether the worker survived it."""
    for message in world.queue.receive(messages.EXPAND, 100, 900):
        try:
            evaluations.tend(message.body["expand"], message.body["start"])
        except Killed:
            return False
        world.queue.delete([message])
    return True


def test_a_kill_anywhere_in_the_expansion_leaves_every_episode_once(
    tmp_path: Path,
) -> None:
    wanted = NewEvaluation("tiny-1", ("baseline~random~1",), repeats=70)
    for length in range(100):
        with fresh_world(tmp_path / "world") as world:
            evaluation = world.tilts.evaluations.create(wanted, "tests", None)
            dying = dying_evaluations(world, Fuse(length))
            survived = expand_once(world, dying) and expand_once(world, dying)
            world.clock.turn(1_000)
            sweep(world, perform_directly)
            while world.expand():
                pass
            check_expansion(world, evaluation.id)
        if survived:
            assert length > 10
            return
    pytest.fail("the expansion never came to an end")


def check_expansion(world: World, evaluation_id: str) -> None:
    evaluation = world.store.evaluation(evaluation_id)
    assert evaluation.status == "queued"
    planned = {
        (entry, task.id, repeat)
        for entry, task, repeat in Plans(world.tilts.players).episodes(
            world.suites.suite("tiny-1"), evaluation
        )
    }
    there = breaking.open_and_closed(world)
    assert len(planned) == len(there) == 560
    assert {(e.entry, e.task, e.repeat) for e in there} == planned
    asked = {
        episode
        for message in world.queue.receive(messages.PLAY, 1_000, 900)
        for episode in message.body["play"]
    }
    assert asked == {episode.id for episode in there}


def test_a_kill_while_an_evaluation_is_created_leaves_none_or_one_that_goes_on(
    tmp_path: Path,
) -> None:
    wanted = NewEvaluation("tiny-1", ("mock~random~1",))
    for length in range(20):
        with fresh_world(tmp_path / "world") as world:
            survived = True
            try:
                dying_evaluations(world, Fuse(length)).create(wanted, "tests", "key")
            except Killed:
                survived = False
            world.clock.turn(61)
            again = world.tilts.evaluations.create(wanted, "tests", "key")
            world.tilts.sweep()
            world.work()
            world.tilts.sweep()
            (only,) = world.store.evaluations({}, 10, None).items
            assert only.id == again.id
            assert (only.status, only.end) == ("finished", "complete")
            assert len(breaking.results_of(world, only.id)) == 8
        if survived:
            assert length >= 4
            return
    pytest.fail("the creation never came to an end")


def dying_visits(world: World, fuse: Fuse) -> Visits:
    return Visits(
        cast(Store, Dying(world.store, fuse)),
        cast(Queue, Dying(world.queue, fuse)),
        world.clock,
        world.ids,
        world.suites,
    )


def first_move(world: World, episode: Episode) -> Any:
    transcript = world.tilts.visits.read(episode)
    return transcript.game.write(transcript.game.legal_moves(transcript.state)[0])


def visit(world: World, visits: Visits, game: str) -> tuple[str, int]:
    """Play a visit with the first legal move each time, as a client that asks again.

    The episode's id, and how often the server died.
    """
    calm = world.tilts.visits
    started = calm.start(breaking.task_of(world, game).id, "bot", "127.0.0.1")
    step, kills = 1, 0
    while not world.store.episode(started["id"]).is_over:
        episode = world.store.episode(started["id"])
        move = {} if calm.read(episode).is_decided else first_move(world, episode)
        try:
            step = visits.move(episode.id, step, move, started["token"])["step"]
        except Killed:
            kills, visits = kills + 1, calm
        except StepError as error:
            step = error.details["step"]
        except ConflictError:
            assert world.store.episode(episode.id).is_over
    return started["id"], kills


@pytest.mark.parametrize("game", ["MS-I", "MM-I"])
def test_a_kill_anywhere_in_a_visitors_moves_changes_nothing(
    tmp_path: Path, game: str
) -> None:
    with fresh_world(tmp_path / "calm") as world:
        calm = ending_of(world, visit(world, world.tilts.visits, game)[0])
    for length in range(1_000):
        with fresh_world(tmp_path / "world") as world:
            episode, kills = visit(world, dying_visits(world, Fuse(length)), game)
            assert ending_of(world, episode) == calm
            assert len(breaking.results_of(world, VISITS)) == 1
        if not kills:
            assert length > 20
            return
    pytest.fail("the visit never came to an end")


def test_a_kill_anywhere_in_the_start_of_a_visit_leaves_nothing_open_for_ever(
    tmp_path: Path,
) -> None:
    for length in range(30):
        with fresh_world(tmp_path / "world") as world:
            task = breaking.task_of(world, "MM-I").id
            survived = True
            try:
                dying_visits(world, Fuse(length)).start(task, "human", "somewhere")
            except Killed:
                survived = False
            second = world.tilts.visits.start(task, "human", "somewhere")
            assert second["step"] == 1
            world.clock.turn(VISIT_SECONDS + 1)
            world.tilts.sweep()
            assert all(e.is_over for e in breaking.open_and_closed(world))
            assert len(breaking.results_of(world, VISITS)) <= 2
        if survived:
            assert length >= 10
            return
    pytest.fail("the start never came to an end")
