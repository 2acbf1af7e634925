"""A kill at any io point of paid calls: none is paid twice, and all are settled."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from chalicelib.games.chance import Chance
from chalicelib.records import Episode, Money
from chalicelib.services.accounts import counted
from chalicelib.services.budgets import episode_caps
from chalicelib.services.heartbeats import LEASE_SECONDS
from chalicelib.services.players import Players
from tests.services import breaking
from tests.services.breaking import (
    Watched,
    Witness,
    begin,
    ending_of,
    fresh_world,
    go_on,
    play_messages_once,
    sweep,
)
from tests.services.kills import SIDES
from tests.services.till import PAID, Till, TillPlayers
from tests.world import World

RICH = 10**9


def begin_paid(world: World, players: Players, budget: int = RICH) -> list[Episode]:
    entry = players.find(PAID).id
    return begin(world, [(entry, "MM-I"), (entry, "MM-I")], budget)


def played(world: World, episode: Episode) -> list[Any]:
    """The log without its calls and sums, which a kill may change."""
    assert ending_of(world, episode.id).status == "finished"
    events = world.store.events(episode.id, 0, 1_000)
    return [
        {k: v for k, v in e.to_json().items() if k not in ("call", "scores")}
        for e in events
    ]


@cache
def unbroken_paid() -> tuple[int, list[Any]]:
    """How many io points a paid run without a kill has, and what it leaves."""
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        players = TillPlayers(world)
        episodes = begin_paid(world, players)
        perform = Watched(Witness(world))
        play_messages_once(world, perform, players)
        check_money(world, players.till, 0)
        check_month(world)
        return perform.count, [played(world, episode) for episode in episodes]


def check_money(world: World, till: Till, kills: int) -> None:
    """Every bill has a row that covers it, and what is settled adds up."""
    episodes = breaking.open_and_closed(world)
    rows = {(e.id, row.id): row for e in episodes for row in world.store.calls(e.id)}
    for name, bill in till.bills.items():
        assert counted(rows[name]) >= bill
    for episode in episodes:
        events = world.store.events(episode.id, 0, 1_000)
        named = [e.body["call"] for e in events if e.body.get("call")]
        own = [row for (name, _), row in rows.items() if name == episode.id]
        assert named == [row.id for row in own if row.status == "settled"]
        assert sum(row.status == "intent" for row in own) <= kills
        scores = ending_of(world, episode.id).result.scores
        assert scores["cost_microusd"] == sum(map(counted, own))
    spent = sum(map(counted, rows.values()))
    assert world.store.money(breaking.EVALUATION) == Money(0, spent)
    evaluation = world.store.evaluation(breaking.EVALUATION)
    assert (evaluation.status, evaluation.end) == ("finished", "complete")


def check_month(world: World) -> None:
    """What was not spent has been given back."""
    spent = world.store.money(breaking.EVALUATION).spent_microusd
    assert world.store.month_total("tests", "2026-11") == spent


def test_a_model_is_asked_refused_and_paid_in_every_way_a_till_knows() -> None:
    points, logs = unbroken_paid()
    assert points > 30
    kinds = [event["type"] for log in logs for event in log]
    assert {"moved", "attempted"} <= set(kinds)


@pytest.mark.parametrize("side", SIDES)
def test_a_kill_at_any_io_point_pays_nothing_twice_and_settles_all(
    tmp_path: Path, side: str
) -> None:
    points, logs = unbroken_paid()
    for kill_at in range(1, points + 1):
        run_paid_with_kills(tmp_path / "world", [(kill_at, side)], logs)


def test_two_kills_pay_nothing_twice_and_settle_all(tmp_path: Path) -> None:
    points, logs = unbroken_paid()
    chance = Chance("paid kills")
    for _ in range(20):
        kills = [(1 + chance.below(points), chance.choice(SIDES)) for _ in range(2)]
        run_paid_with_kills(tmp_path / "world", kills, logs)


@pytest.mark.parametrize("side", SIDES)
def test_a_kill_in_the_last_moment_keeps_nothing_of_the_month(
    tmp_path: Path, side: str
) -> None:
    points, logs = unbroken_paid()
    for kill_at in range(points - 12, points + 1):
        run_paid_with_kills(tmp_path / "world", [(kill_at, side)], logs, check_month)


def run_paid_with_kills(
    path: Path,
    kills: list[tuple[int, str]],
    logs: list[Any],
    check: Callable[[World], None] = lambda world: None,
) -> None:
    with fresh_world(path) as world:
        players = TillPlayers(world)
        episodes = begin_paid(world, players)
        witness = Witness(world)
        killed = 0
        for kill_at, side in kills:
            perform = Watched(witness, kill_at, side)
            play_messages_once(world, perform, players)
            killed += perform.is_dead
            world.clock.turn(LEASE_SECONDS + 1)
            sweep(world, Watched(witness))
        go_on(world, witness, players=players)
        sweep(world, Watched(witness))
        check_money(world, players.till, killed)
        check(world)
        assert [played(world, episode) for episode in episodes] == logs


def test_a_budget_for_one_episode_at_a_time_is_kept_whatever_is_killed(
    tmp_path: Path,
) -> None:
    points, _ = unbroken_paid()
    ends: set[str | None] = set()
    for kill_at in range(1, points + 1, 4):
        with fresh_world(tmp_path / "world") as world:
            players = TillPlayers(world)
            suite = world.suites.suite("tiny-1")
            cap = episode_caps(players.find(PAID), suite, None).microusd
            assert cap is not None
            budget = cap + 10_000
            episodes = begin_paid(world, players, budget)
            witness = Witness(world)
            play_messages_once(world, Watched(witness, kill_at, "after"), players)
            held = world.store.money(breaking.EVALUATION)
            assert held.held_microusd + held.spent_microusd <= budget
            go_on(world, witness, 30, players)
            money = world.store.money(breaking.EVALUATION)
            assert money.held_microusd == 0
            assert sum(players.till.bills.values()) <= money.spent_microusd <= budget
            states = [world.store.episode(episode.id) for episode in episodes]
            assert "finished" in {state.status for state in states}
            ends |= {state.end for state in states}
    assert "budget" in ends
