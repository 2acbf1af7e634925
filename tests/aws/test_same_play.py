"""The same evaluation, played over SQLite and in the cloud, ends the same, byte for byte.

Both worlds have the same clock and the same ids; in the cloud every log, ledger, lease
and total is in DynamoDB, and the transcripts in S3.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.events import hash_log
from chalicelib.local.store import SqliteStore
from chalicelib.records import Evaluation, NewEvaluation, Result
from tests.interfaces.rows import all_pages
from tests.modelserver.child import ModelServerHandle
from tests.moto_store import moto_cloud
from tests.services.bank import STRONG, WEAK, settings_for
from tests.services.breaking import close_world
from tests.world import World

pytest_plugins = ("tests.modelserver.fixture",)

Json = dict[str, Any]
Played = tuple[Evaluation, dict[str, bytes], list[Result], Json, Json]
SCRIPTED = (
    "baseline~random~1", "baseline~safest~1", "baseline~entropy~1", "mock~stumbling~1",
    "mock~illegal~1",
)  # fmt: skip


def play(world: World, *players: str, **changes: Any) -> Played:
    """All that is left of an evaluation that has been played to its end."""
    wanted = NewEvaluation(**{"suite": "tiny-1", "players": players, **changes})
    made = world.tilts.evaluations.create(wanted, "team", "key")
    for _ in range(100):
        world.work()
        if world.store.evaluation(made.id).status == "finished":
            break
        world.clock.turn(6.0)
        world.tilts.sweep()
    world.work()
    store, evaluation = world.store, world.store.evaluation(made.id)
    assert evaluation.status == "finished"
    episodes = all_pages(lambda cursor: store.episodes(made.id, None, 7, cursor))
    transcripts = {one.id: store.transcript(one.id) or b"" for one in episodes}
    results = all_pages(lambda cursor: store.results(made.id, 5, cursor))
    ledger = {one.id: [call.id for call in store.calls(one.id)] for one in episodes}
    money = {
        "tally": store.tally(made.id),
        "money": store.money(made.id),
        "month": store.month_total("team", evaluation.created_at[:7]),
        "boards": [
            world.tilts.leaderboards.board(f"tiny-1~{game}")
            for game in ("MS-I", "MM-I")
        ],
    }
    return evaluation, transcripts, results, ledger, money


@contextmanager
def both_worlds(
    path: Path, server: ModelServerHandle | None = None
) -> Iterator[tuple[World, World]]:
    settings = settings_for(server, path) if server else None
    with moto_cloud() as cloud:
        local = World(path / "local.db", settings)
        remote = World(
            path / "queue.db", settings, store=cast(SqliteStore, cloud.store)
        )
        yield local, remote
        close_world(local)
        close_world(remote)


def check_same(ours: Played, theirs: Played) -> None:
    assert theirs[0] == ours[0]
    assert list(theirs[1]) == list(ours[1]), "order of creation"
    assert theirs[1] == ours[1]
    assert theirs[2:] == ours[2:]
    assert all(ours[1].values())


def test_scripted_players_leave_the_same_behind(tmp_path: Path) -> None:
    with both_worlds(tmp_path) as (local, remote):
        ours, theirs = play(local, *SCRIPTED), play(remote, *SCRIPTED)
    check_same(ours, theirs)
    transcripts, results = ours[1], ours[2]
    assert len(results) == len(transcripts) >= 14
    for row in results:
        assert row.log_hash == hash_log(transcripts[row.episode])


@pytest.mark.parametrize("budget", [50_000_000, 1_100_000])
def test_models_leave_the_same_behind(
    tmp_path: Path, model_server: ModelServerHandle, budget: int
) -> None:
    money = {"budget_microusd": budget, "episode_cap_microusd": 500_000}
    with both_worlds(tmp_path, model_server) as (local, remote):
        ours = play(local, STRONG, WEAK, **money)
        model_server.reset()
        theirs = play(remote, STRONG, WEAK, **money)
    check_same(ours, theirs)
    assert ours[4]["month"] > 0
