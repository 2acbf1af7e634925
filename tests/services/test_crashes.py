"""A worker may die or freeze at any io point: what is left is as if it had not.

A kill falls before or after the k-th io point, for every k there is; then time goes
by, the sweeper sweeps and another worker plays on. The `Witness` checks at every io
point that committed events stay as they are, that nothing is told too early, that
calls have intents and that an episode is closed once.
"""

import asyncio
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from chalicelib.games.chance import Chance
from chalicelib.services import messages
from chalicelib.services.heartbeats import LEASE_SECONDS
from tests.services import breaking
from tests.services.breaking import (
    Ending,
    Freezing,
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
from tests.services.kills import SIDES
from tests.world import World

Plan = tuple[tuple[str, str], ...]

PLANS: dict[str, Plan] = {
    "a scripted Minesweeper episode": (("baseline~safest~1", "MS-I"),),
    "a scripted Mastermind episode": (("baseline~entropy~1", "MM-I"),),
    "a Minesweeper episode with calls": (("mock~random~1", "MS-I"),),
    "a Mastermind episode with calls": (("mock~random~1", "MM-I"),),
    "an episode of failing attempts": (("mock~stumbling~1", "MS-I"),),
    "a forfeit": (("mock~illegal~1", "MM-I"),),
    "several episodes at once": (
        ("baseline~safest~1", "MS-I"),
        ("mock~random~1", "MM-I"),
        ("mock~invalid~1", "MS-I"),
    ),
}


def check_endings(world: World, witness: Witness, plan: Plan) -> None:
    """Everything is over once, and equal to what an unbroken run leaves."""
    episodes = breaking.open_and_closed(world)
    endings = {episode.id: ending_of(world, episode.id) for episode in episodes}
    assert endings == unbroken(plan)[1]
    assert len(breaking.results_of(world)) == len(episodes)
    for episode in episodes:
        assert witness.closed[episode.id] == [(episode.status, episode.end)]
    evaluation = world.store.evaluation(breaking.EVALUATION)
    sweep(world, Watched(witness))
    evaluation = world.store.evaluation(breaking.EVALUATION)
    assert (evaluation.status, evaluation.end) == ("finished", "complete")


@cache
def unbroken(plan: Plan) -> tuple[int, dict[str, Ending]]:
    """How many io points a run without a kill has, and what it leaves."""
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        episodes = begin(world, list(plan))
        perform = Watched(Witness(world))
        play_messages_once(world, perform)
        return perform.count, {e.id: ending_of(world, e.id) for e in episodes}


def run_with_kills(path: Path, plan: Plan, kills: list[tuple[int, str]]) -> None:
    """Kill successive workers, each at its io point; then let others finish."""
    with fresh_world(path) as world:
        begin(world, list(plan))
        witness = Witness(world)
        killed = 0
        for kill_at, side in kills:
            perform = Watched(witness, kill_at, side)
            play_messages_once(world, perform)
            killed += perform.is_dead
            world.clock.turn(LEASE_SECONDS + 1)
            sweep(world, Watched(witness))
        go_on(world, witness)
        check_endings(world, witness, plan)
        for episode in breaking.open_and_closed(world):
            assert breaking.count_wasted(world, episode.id) <= killed


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PLANS)
def test_a_kill_at_any_io_point_leaves_what_an_unbroken_run_leaves(
    tmp_path: Path, name: str, side: str
) -> None:
    points, _ = unbroken(PLANS[name])
    assert points > 12
    for kill_at in range(1, points + 1):
        run_with_kills(tmp_path / "world", PLANS[name], [(kill_at, side)])


def sample_pairs(plan: Plan, count: int) -> list[list[tuple[int, str]]]:
    chance = Chance("pairs of kills", str(plan))
    points, _ = unbroken(plan)
    return [
        [(1 + chance.below(points), chance.choice(SIDES)) for _ in range(2)]
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", PLANS)
def test_two_kills_leave_what_an_unbroken_run_leaves(tmp_path: Path, name: str) -> None:
    for kills in sample_pairs(PLANS[name], 12):
        run_with_kills(tmp_path / "world", PLANS[name], kills)


@pytest.mark.verify
@pytest.mark.parametrize("name", PLANS)
def test_thousands_of_pairs_of_kills_leave_what_an_unbroken_run_leaves(
    tmp_path: Path, name: str
) -> None:
    for kills in sample_pairs(PLANS[name], 1_000):
        run_with_kills(tmp_path / "world", PLANS[name], kills)


@pytest.mark.parametrize("side", SIDES)
def test_a_kill_of_the_sweeper_at_any_io_point_loses_nothing(
    tmp_path: Path, side: str
) -> None:
    plan = PLANS["several episodes at once"]
    for kill_at in range(1, 100):
        with fresh_world(tmp_path / "world") as world:
            begin(world, list(plan))
            world.queue.receive(messages.PLAY, 100, 900)  # and the worker is gone
            witness = Witness(world)
            world.clock.turn(LEASE_SECONDS + 1)
            perform = Watched(witness, kill_at, side)
            survived = sweep(world, perform)
            go_on(world, witness)
            check_endings(world, witness, plan)
        if survived:
            assert kill_at > 20
            return
    pytest.fail("the sweeper never came to an end")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PLANS)
def test_a_worker_frozen_beyond_its_lease_doubles_nothing_when_it_wakes(
    tmp_path: Path, name: str, side: str
) -> None:
    points, _ = unbroken(PLANS[name])
    for freeze_at in range(1, points + 1):
        for is_late in (False, True):
            run_with_freeze(tmp_path, PLANS[name], freeze_at, side, is_late)


def run_with_freeze(
    tmp_path: Path, plan: Plan, freeze_at: int, side: str, is_late: bool
) -> None:
    """Freeze a worker; another takes over. The first wakes meanwhile, or later."""
    with fresh_world(tmp_path / "world") as world:
        ids = [episode.id for episode in begin(world, list(plan))]
        witness = Witness(world)

        async def run() -> None:
            frozen = Freezing(witness, freeze_at, side)
            second = Freezing(witness, 0, "")
            stop_at = world.clock.now() + 1e6
            first = asyncio.create_task(make_worker(world, frozen).play(ids, stop_at))
            await frozen.frozen.wait()
            world.clock.turn(LEASE_SECONDS + 1)
            other = asyncio.create_task(make_worker(world, second).play(ids, stop_at))
            if is_late:
                await other
            frozen.thawed.set()
            await asyncio.gather(first, other)

        asyncio.run(run())
        go_on(world, witness)
        check_endings(world, witness, plan)
        for episode in ids:
            assert breaking.count_wasted(world, episode) <= 2
