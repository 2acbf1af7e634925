"""What play asks of DynamoDB, counted from the calls themselves, and how it is counted."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pytest

from bench.aws_costs import PRICES, price
from bench.aws_units import Meter, Write, entry_units, size_of, value_size
from chalicelib.aws.tables import read_tables
from chalicelib.local.store import SqliteStore
from chalicelib.records import NewEvaluation
from tests.interfaces.rows import NOW, make_episode, make_event
from tests.moto_store import Cloud, moto_cloud
from tests.services.breaking import close_world
from tests.world import World

PLAYERS = ("baseline~safest~1", "mock~random~1", "mock~stumbling~1")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with moto_cloud() as made:
        yield made


@pytest.fixture
def meter(cloud: Cloud) -> Meter:
    made = Meter(cloud.dynamodb.client)
    cloud.dynamodb.around = made
    return made


def play_all(cloud: Cloud, path: Path, *players: str) -> World:
    world = World(path / "queue.db", store=cast(SqliteStore, cloud.store))
    world.tilts.evaluations.create(NewEvaluation("tiny-1", players), "team", None)
    world.work()
    return world


def writes_of_steps(meter: Meter) -> Iterator[tuple[str, list[Write]]]:
    """For each event after an episode's first, the writes since the one before it."""
    own = sorted(
        (write for write in meter.writes if write.pk.startswith("ep_")),
        key=lambda write: write.pk,
    )
    for episode, writes in groupby(own, key=lambda write: write.pk):
        since: list[Write] = []
        for write in writes:
            since.append(write)
            if write.sk.startswith("E#"):
                if write.sk > "E#00001":
                    yield episode, since
                since = []


def test_a_step_is_at_most_three_writes_and_none_of_them_transactional(
    cloud: Cloud, meter: Meter, tmp_path: Path
) -> None:
    world = play_all(cloud, tmp_path, *PLAYERS)
    kinds: dict[tuple[str, ...], int] = {}
    for episode, writes in writes_of_steps(meter):
        assert [
            write.operation for write in writes if "transact" in write.operation
        ] == []
        kept = tuple(w.sk[:2] for w in writes if not w.is_renewal)
        assert len(kept) <= 3, (episode, writes)
        kinds[kept] = kinds.get(kept, 0) + 1
    close_world(world)
    assert set(kinds) == {("E#",), ("C#", "C#", "E#")}
    assert min(kinds.values()) > 20
    assert meter.requests["scan"] == 0


def test_an_episode_costs_few_writes_besides_its_steps(
    cloud: Cloud, meter: Meter, tmp_path: Path
) -> None:
    world = play_all(cloud, tmp_path, "baseline~safest~1")
    episodes = len({w.pk for w in meter.writes if w.sk.startswith("E#")})
    besides = [w for w in meter.writes if w.sk[:2] not in ("E#", "C#")]
    close_world(world)
    assert episodes == 6
    assert len(besides) <= 13 * episodes
    assert meter.requests["transact_write_items"] == 1, "the evaluation itself"


# How units are counted.


def test_sizes_are_those_that_dynamodb_charges_for() -> None:
    assert value_size({"S": "ä☃"}) == 5
    assert value_size({"N": "123"}) == 3
    assert value_size({"N": "-12.5"}) == 3
    assert value_size({"B": b"xyz"}) == 3
    assert size_of({"pk": {"S": "a"}, "n": {"N": "1"}}) == 3 + 3
    assert size_of({}) == 0


def test_a_write_costs_a_unit_for_each_begun_kilobyte(
    cloud: Cloud, meter: Meter
) -> None:
    cloud.store.append(make_event(1))
    cloud.store.append(make_event(2, said="x" * 2_500))
    with pytest.raises(Exception, match="committed"):
        cloud.store.append(make_event(2))
    assert [write.units for write in meter.writes] == [1, 3, 3]
    assert meter.requests == {"put_item": 3, "query": 1}
    assert meter.read_units == 1


def test_reads_cost_by_four_kilobytes_also_of_what_is_filtered(
    cloud: Cloud, meter: Meter
) -> None:
    cloud.store.create_episodes([make_episode(n) for n in range(60)])
    meter.read_units = 0
    assert list(cloud.store.episodes("ev_1", "finished", 10, None).items) == []
    assert meter.requests["batch_get_item"] == 1, "that of the creation"
    assert meter.read_units in (2, 3), "the plan's rows alone"


def test_transactions_cost_twice(cloud: Cloud, meter: Meter) -> None:
    cloud.store.hold("ev_1", "ep_1", 5, 10)
    assert [(w.sk, w.units) for w in meter.writes] == [("HOLD", 2), ("MONEY", 2)]


def test_an_index_costs_when_its_entry_changes() -> None:
    (due,) = [i for i in read_tables()["episodes"]["indexes"] if i["name"] == "due"]
    keys = {"pk": {"S": "a"}, "sk": {"S": "META"}}
    one: dict[str, Any] = {**keys, "due_shard": {"N": "1"}, "due_at": {"N": "5"}}
    assert entry_units(due, {}, one) == 1
    assert entry_units(due, one, {**one, "reached": {"N": "7"}}) == 0
    assert entry_units(due, one, {**one, "due_at": {"N": "6"}}) == 2
    assert entry_units(due, one, keys) == 1
    assert entry_units(due, keys, {}) == 0


def test_a_renewal_is_seen_as_one(cloud: Cloud, meter: Meter) -> None:
    cloud.store.create_episodes([make_episode()])
    cloud.store.claim(make_episode().id, "w1", NOW, 90)
    assert cloud.store.renew(make_episode().id, 1, NOW + 500)
    assert [write.is_renewal for write in meter.writes][-2:] == [False, True]


def test_every_price_says_where_it_is_from() -> None:
    table = json.loads(PRICES.read_text("utf-8"))
    assert table["as_of"]
    assert table["region"]
    for name, row in table["prices"].items():
        assert row["source"].startswith("aws.amazon.com/")
        assert 0 < price(name) < 1
