"""The store in the cloud beyond the contract: sizes, expiry, packs, tables that lag."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.aws.items import Table, name_attributes, read_item, write_item
from chalicelib.aws.tables import read_tables
from chalicelib.errors import ConflictError, NotFoundError, RequestError
from chalicelib.events import canonical_json
from chalicelib.interfaces import Store
from tests.aws.clouds import (
    BrokenOffError,
    clock,
    cloud,
    keys_in_bucket,
    make_call,
    store,
)
from tests.interfaces.rows import (
    LEASE,
    NOW,
    all_pages,
    create,
    make_episode,
    make_evaluation,
    make_event,
    make_result,
)
from tests.moto_store import BUCKET, PREFIX, Cloud
from tests.world import TestClock

Json = dict[str, Any]

__all__ = ["clock", "cloud", "store"]

LARGE = "☃ large " * 60_000
"""More than an item may hold."""

SURROGATES = "a\ud83db\udc00"


@pytest.mark.parametrize("text", [LARGE, LARGE + SURROGATES, SURROGATES])
def test_what_is_larger_than_an_item_comes_back_whole(store: Store, text: str) -> None:
    event = make_event(1, said=text)
    store.append(event)
    assert list(store.events(event.episode, 0, 10)) == [event]
    store.intend(make_call(body={"request": text}))
    settled = make_call(status="settled", body={"request": text, "reply": [text]})
    store.settle(settled)
    assert list(store.calls(event.episode)) == [settled]
    evaluation = make_evaluation(pinned={"text": text})
    create(store, evaluation, None, "hash")
    assert store.evaluation("ev_1") == evaluation
    assert store.change_evaluation("ev_1", ["expanding"], "queued")
    store.create_episodes([make_episode()])
    row = make_result(scores={"text": text})
    store.finish(row)
    assert list(store.results("ev_1", 10, None).items) == [row]
    assert list(store.suite_results("tiny-1", "MS-I")) == [row]
    store.put_document("suite", "s", {"text": text})
    assert store.change_document("suite", "s", {"text": text}, {"text": text + "!"})
    assert store.document("suite", "s") == {"text": text + "!"}


def test_only_what_is_too_large_is_put_aside(cloud: Cloud) -> None:
    cloud.store.append(make_event(1, said="x" * 24_000))
    cloud.store.intend(make_call())
    assert keys_in_bucket(cloud) == []
    cloud.store.settle(make_call(status="settled", body={"reply": "x" * 33_000}))
    (key,) = keys_in_bucket(cloud)
    assert key.startswith(f"texts/{make_episode().id}/")


def test_a_text_that_was_taken_away_is_missed_and_nothing_else(cloud: Cloud) -> None:
    cloud.store.put_document("suite", "s", {"text": LARGE})
    cloud.store.put_document("suite", "t", {"text": "here"})
    cloud.s3.delete_object(Bucket=BUCKET, Key=keys_in_bucket(cloud)[0])
    with pytest.raises(NotFoundError):
        cloud.store.document("suite", "s")
    assert cloud.store.document("suite", "t") == {"text": "here"}


def test_more_rows_than_one_reply_holds_are_read_whole(store: Store) -> None:
    made = [make_event(n, said="x" * 23_000) for n in range(1, 101)]
    for event in made:
        store.append(event)
    assert list(store.events(made[0].episode, 0, 10_000)) == made
    assert list(store.events(made[0].episode, 3, 60)) == made[3:63]


# Order, ids and cursors.


def test_calls_are_in_order_of_their_numbers(store: Store) -> None:
    names = ["2.1.1", "2.1.2", "2.1.10", "2.2.1", "2.10.1", "9.1.1", "10.1.1"]
    for name in reversed(names):
        store.intend(make_call(id=name))
    assert [call.id for call in store.calls(make_episode().id)] == names


def test_events_after_any_number_are_those_that_follow(store: Store) -> None:
    store.append(make_event(1))
    for after, count in ((-5, 1), (0, 1), (1, 0), (99_999, 0), (10**12, 0)):
        assert len(store.events(make_event(1).episode, after, 10)) == count


def test_a_batch_created_again_from_the_middle_keeps_the_order_of_the_plan(
    cloud: Cloud,
) -> None:
    made = [make_episode(number) for number in range(12)]
    puts = 0

    def lose_some(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        nonlocal puts
        puts += operation == "put_item"
        if operation == "put_item" and puts % 5 == 0:
            raise BrokenOffError
        return call()

    cloud.dynamodb.around = lose_some
    with pytest.raises(BrokenOffError):
        cloud.store.create_episodes(made)
    cloud.dynamodb.around = lambda operation, arguments, call: call()
    there = list(cloud.store.episodes("ev_1", None, 100, None).items)
    assert there == [episode for episode in made if episode in there] != made
    cloud.store.create_episodes(made)
    assert list(cloud.store.episodes("ev_1", None, 100, None).items) == made
    assert cloud.store.tally("ev_1") == {"waiting": 12}


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "²", "a#b", "7 OR 1=1"])
def test_a_cursor_that_was_not_given_is_refused(store: Store, cursor: str) -> None:
    lists: list[Callable[[], object]] = [
        lambda: store.evaluations({}, 10, cursor),
        lambda: store.episodes("ev_1", None, 10, cursor),
        lambda: store.episodes(None, "playing", 10, cursor),
        lambda: store.results("ev_1", 10, cursor),
    ]
    for ask in lists:
        with pytest.raises(RequestError):
            ask()


def test_an_id_that_is_taken_by_another_evaluation_is_refused(store: Store) -> None:
    first = create(store, make_evaluation(), None, "hash")
    assert create(store, make_evaluation(), None, "hash") == first
    with pytest.raises(ConflictError):
        create(store, make_evaluation(note="other"), None, "hash")


# Expiry.


def test_whoever_left_without_a_word_is_forgotten_when_the_time_is_over(
    store: Store, clock: TestClock
) -> None:
    store.connect("c1", NOW + 100)
    store.watch("c1", "live", NOW + 100)
    store.watch("c2", "live", NOW + 500)
    clock.turn(101)
    assert list(store.watchers("live")) == ["c2"]
    assert list(store.topics("c1")) == []
    store.watch("c1", "live", NOW + 900)
    assert sorted(store.watchers("live")) == ["c1", "c2"]


def test_an_idempotency_key_counts_for_thirty_days(
    store: Store, clock: TestClock
) -> None:
    create(store, make_evaluation("ev_1"), "key", "hash")
    clock.turn(30 * 86_400 - 1)
    assert create(store, make_evaluation("ev_2"), "key", "hash").id == "ev_1"
    clock.turn(2)
    assert store.evaluation_of_key("key", "hash") is None
    assert create(store, make_evaluation("ev_3"), "key", "other").id == "ev_3"
    assert create(store, make_evaluation("ev_4"), "key", "other").id == "ev_3"


def test_every_row_that_expires_does_so_where_the_table_has_it_expire(
    cloud: Cloud,
) -> None:
    cloud.store.connect("c1", NOW + 0.5)
    cloud.store.watch("c1", "live", NOW + 0.5)
    create(cloud.store, make_evaluation(), "key", "hash")
    for name, table in read_tables().items():
        rows = cloud.dynamodb.scan(TableName=f"{PREFIX}-{name}")["Items"]
        expiring = [row for row in rows if "expires_at" in row]
        assert bool(expiring) == bool(table["ttl"])
        for row in expiring:
            assert table["ttl"] == "expires_at"
            assert row["expires_at"]["N"].isdigit()


# Indexes lag behind their table.


def test_nothing_that_play_depends_on_is_read_from_an_index_that_lags(
    cloud: Cloud,
) -> None:
    """Indexes serve the sweeper and lists for people, which ask again."""

    def nothing_yet(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if operation == "query" and "IndexName" in arguments:
            return {"Items": []}
        return call()

    cloud.dynamodb.around = nothing_yet
    store = cloud.store
    create(store, make_evaluation(budget_microusd=0), "key", "hash")
    made = [make_episode(n, entry="openai~x~low~p1~a") for n in range(3)]
    store.create_episodes(made)
    assert list(store.episodes("ev_1", "waiting", 10, None).items) == made
    assert store.hold("ev_1", made[1].id, 10, 100, in_order=True) == "wait"
    assert store.hold("ev_1", made[0].id, 10, 100, in_order=True) == "held"
    for number, episode in enumerate(made):
        assert store.claim(episode.id, "w1", NOW, LEASE)
        assert store.has_open("ev_1")
        assert store.tally("ev_1")["playing"] == 1
        store.finish(make_result(number))
        assert store.close(episode.id, "finished", "won", None)
    assert not store.has_open("ev_1")
    assert store.tally("ev_1") == {"finished.won": 3}
    assert len(store.results("ev_1", 10, None).items) == 3
    assert len(store.episodes("ev_1", "finished", 10, None).items) == 3


# The rows of a plan lag behind its episodes, never the other way round.


def test_a_worker_that_dies_between_closing_and_noting_it_holds_nothing_up(
    cloud: Cloud,
) -> None:
    store = cloud.store
    made = [make_episode(number) for number in range(130)]
    store.create_episodes(made)

    def die_after_closing(o: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if o == "update_item" and arguments["TableName"].endswith("evaluations"):
            raise BrokenOffError
        return call()

    cloud.dynamodb.around = die_after_closing
    for episode in made:
        with pytest.raises(BrokenOffError):
            store.close(episode.id, "finished", "won", None)
    cloud.dynamodb.around = lambda o, a, call: call()
    assert list(store.episodes("ev_1", "waiting", 200, None).items) == []
    assert not store.has_open("ev_1")
    assert len(list(store.episodes("ev_1", "finished", 200, None).items)) == 130
    assert store.tally("ev_1") == {"finished.won": 130}


def test_a_worker_that_dies_between_claiming_and_noting_it_is_noted_by_the_next(
    cloud: Cloud,
) -> None:
    store = cloud.store
    store.create_episodes([make_episode()])
    name = make_episode().id

    def die(o: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if o == "update_item" and arguments["TableName"].endswith("evaluations"):
            raise BrokenOffError
        return call()

    cloud.dynamodb.around = die
    with pytest.raises(BrokenOffError):
        store.claim(name, "w1", NOW, LEASE)
    cloud.dynamodb.around = lambda o, a, call: call()
    assert store.tally("ev_1") == {"playing": 1}, "looked after"
    assert store.has_open("ev_1")
    held = store.claim(name, "w2", NOW + LEASE + 1, LEASE)
    assert held is not None
    assert list(store.episodes("ev_1", "playing", 10, None).items) == [held]


def test_what_is_noted_late_of_an_earlier_end_changes_nothing(cloud: Cloud) -> None:
    store, late = cloud.store, list[Callable[[], Any]]()
    store.create_episodes([make_episode()])
    name = make_episode().id

    def hold_back(o: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if o == "update_item" and arguments["TableName"].endswith("evaluations"):
            late.append(call)
            return {"Attributes": {}}
        return call()

    cloud.dynamodb.around = hold_back
    store.close(name, "failed", "infra", "why")
    cloud.dynamodb.around = lambda o, a, call: call()
    assert store.reopen(name, NOW)
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        late[0]()
    assert store.has_open("ev_1")
    assert store.tally("ev_1") == {"waiting": 1}


def test_opening_again_that_breaks_off_is_open_and_is_done_again(cloud: Cloud) -> None:
    store = cloud.store
    store.create_episodes([make_episode()])
    name = make_episode().id
    store.close(name, "failed", "infra", "why")

    def die(o: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if o == "update_item" and arguments["TableName"].endswith("episodes"):
            raise BrokenOffError
        return call()

    cloud.dynamodb.around = die
    with pytest.raises(BrokenOffError):
        store.reopen(name, NOW)
    cloud.dynamodb.around = lambda o, a, call: call()
    assert store.has_open("ev_1")
    (failed,) = store.episodes("ev_1", "failed", 10, None).items
    assert store.reopen(failed.id, NOW)
    assert store.tally("ev_1") == {"waiting": 1}


def test_lists_page_over_what_has_another_status_by_now(store: Store) -> None:
    made = [make_episode(number) for number in range(20)]
    store.create_episodes(made)
    for episode in made[::2]:
        store.claim(episode.id, "w1", NOW, LEASE)
    for limit in (1, 3, 50):
        listed = all_pages(
            lambda cursor, limit=limit: store.episodes(  # type: ignore[misc]  # a default in a lambda has no type
                "ev_1", "waiting", limit, cursor
            )
        )
        assert listed == made[1::2]


# Items.


def test_names_in_conditions_are_those_of_attributes() -> None:
    texts, names = name_attributes(
        "SET status = :status, x2 = x2 + :one REMOVE end",
        "attribute_exists(pk) AND NOT a_b IN (:x, :y) OR begins_with(sk, :z)",
    )
    assert texts == [
        "SET #status = :status, #x2 = #x2 + :one REMOVE #end",
        "attribute_exists(#pk) AND NOT #a_b IN (:x, :y) OR begins_with(#sk, :z)",
    ]
    assert sorted(names.values()) == ["a_b", "end", "pk", "sk", "status", "x2"]


@pytest.mark.parametrize(
    "value", [0, -1, 2**60, 0.1 + 0.2, 1_795_000_000.25, "", "ä☃", b"\x00\xff"]
)
def test_values_come_back_as_they_were(value: Any) -> None:
    assert read_item(write_item({"x": value, "none": None})) == {"x": value}


def test_bodies_are_canonical_json(cloud: Cloud) -> None:
    event = make_event(1, said="ä")
    cloud.store.append(event)
    rows = Table(cloud.dynamodb, f"{PREFIX}-episodes")
    row = rows.get(event.episode, "E#00001") or {}
    assert row["body"] == event.line() == canonical_json(event.to_json())
