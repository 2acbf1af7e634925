"""What is counted of evaluations that are played, and what a silent meter costs: nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.errors import StoreBusyError
from chalicelib.events import Event
from chalicelib.interfaces import Store
from chalicelib.records import Call, Episode, NewEvaluation
from chalicelib.services.metering import MeteredStore
from chalicelib.settings import Settings
from chalicelib.wiring import Tilts, plain_ways
from tests.meters import ListMeter
from tests.services.breaking import begin
from tests.world import World


class Counted:
    """A world's services over a metered store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.meter = ListMeter()
        self.store = cast(Store, MeteredStore(world.store, self.meter))
        ways = replace(plain_ways(Settings(Path())), meter=self.meter)
        world.tilts = Tilts(
            self.store,
            world.queue,
            world.feed,
            world.clock,
            world.ids,
            world.tilts.settings,
            world.suites,
            ways,
        )


@pytest.fixture
def counted(world: World) -> Counted:
    return Counted(world)


def play(counted: Counted, *players: str) -> str:
    wanted = NewEvaluation("tiny-1", players)
    made = counted.world.tilts.evaluations.create(wanted, "blue", None)
    counted.world.work()
    return made.id


def test_each_episode_is_counted_when_it_starts_and_when_it_ends(
    counted: Counted,
) -> None:
    evaluation = play(counted, "baseline~random~1")
    meter, rows = counted.meter, counted.store.results(evaluation, 100, None).items
    games = {row.game for row in rows}
    assert len(games) > 1
    for game in games:
        of_game = [row for row in rows if row.game == game]
        assert meter.total("EpisodesStarted", game=game) == len(of_game)
        assert meter.total("EpisodesFinished", game=game) == len(of_game)
        won = sum(row.end == "won" for row in of_game)
        assert meter.total("EpisodesWon", game=game) == won
    assert meter.total("EvaluationsFinished", end="complete") == 1
    assert meter.total("EpisodesForfeited") == 0


def test_forfeits_are_counted_by_what_the_last_attempt_was(counted: Counted) -> None:
    evaluation = play(counted, "mock~illegal~1", "mock~invalid~1")
    rows = counted.store.results(evaluation, 100, None).items
    for failure in ("illegal", "invalid"):
        count = sum(failure in row.entry and row.end == "forfeited" for row in rows)
        assert count > 0
        assert counted.meter.total("EpisodesForfeited", failure=failure) == count
        assert counted.meter.total("AttemptsFailed", failure=failure) == 3 * count


def test_an_episode_that_is_closed_twice_is_counted_once(counted: Counted) -> None:
    begin(counted.world, [("mock~random~1", "MM-I")])
    (episode,) = counted.world.store.episodes(None, None, 1, None).items
    for _ in range(2):
        counted.store.close(episode.id, "failed", "infra", "gone")
    assert counted.meter.total("EpisodesFailed", provider="mock") == 1


def test_what_stays_unplayed_is_counted_by_reason(counted: Counted) -> None:
    begin(counted.world, [("mock~random~1", "MM-I")])
    (episode,) = counted.world.store.episodes(None, None, 1, None).items
    counted.store.close(episode.id, "unplayed", "budget", None)
    assert counted.meter.total("EpisodesUnplayed", reason="budget") == 1


def test_a_call_is_counted_with_what_it_used_and_cost(counted: Counted) -> None:
    begin(counted.world, [("mock~random~1", "MM-I")])
    (episode,) = counted.world.store.episodes(None, None, 1, None).items
    asked = {"request": {"model": "openai~gpt-6-luna"}}
    call = Call(episode.id, "2.1.1", "intent", 900, body=asked)
    counted.store.intend(call)
    counted.store.settle(
        replace(
            call,
            status="settled",
            cost_microusd=250_000,
            tokens={"in": 1_000, "cached": 600, "out": 40, "reasoning": 30},
            body={**asked, "reply": {"seconds": 2.5}},
        )
    )
    other = replace(call, id="2.1.2")
    counted.store.intend(other)
    failed = {**asked, "reply": {"error": "timeout", "seconds": 120.0}}
    counted.store.settle(replace(other, status="failed", body=failed))
    expected = {
        "ModelCalls": 2, "ModelCallsFailed": 1, "TokensIn": 1_000, "TokensOut": 40,
        "Dollars": 0.25, "ModelCallSeconds": 122.5,
    }  # fmt: skip
    found = {n: counted.meter.total(n, provider="openai") for n in expected}
    assert found == expected


def test_a_sweep_says_how_much_is_due_and_how_many_watch(counted: Counted) -> None:
    for name in ("c1", "c2"):
        counted.world.tilts.spectators.connect(name)
    counted.world.tilts.sweep()
    levels = [c for c in counted.meter.counted if c[0] != "SliceSeconds"]
    assert levels == [("DueEpisodes", 0, {}), ("LiveSpectators", 2, {})]


def test_a_slice_says_how_long_it_took(counted: Counted) -> None:
    counted.world.tilts.play([], 60.0)
    assert [name for name, _, _ in counted.meter.counted] == ["SliceSeconds"]


class Forgetful:
    """A store whose reads fail once something was written."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.store, name)

    def episode(self, episode_id: str) -> Episode:
        raise StoreBusyError("not now")

    def events(self, episode_id: str, after: int, limit: int) -> list[Event]:
        raise StoreBusyError("not now")


def test_what_was_written_stands_though_it_cannot_be_counted(world: World) -> None:
    begin(world, [("mock~random~1", "MM-I")])
    (episode,) = world.store.episodes(None, None, 1, None).items
    meter = ListMeter()
    store = MeteredStore(cast(Store, Forgetful(world)), meter)
    store.append(Event(episode.id, 1, "attempted", {"failure": "empty"}))
    store.append(Event(episode.id, 2, "forfeited", {"step": 1, "reason": "x"}))
    assert store.close(episode.id, "finished", "forfeited", None)
    assert meter.total("EpisodesForfeited", failure="unknown") == 1
    assert meter.total("EpisodesFinished") == 0
