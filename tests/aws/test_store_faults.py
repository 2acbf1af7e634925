"""Faults of the store in the cloud: kills, lost replies, throttling, conflicts.

Faults are raised by the client that is handed in, before or after a request has been
carried out.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.aws import items
from chalicelib.aws.clients import ATTEMPTS, Clients
from chalicelib.aws.items import Table
from chalicelib.aws.store import DynamoStore
from chalicelib.errors import EventExistsError, StoreBusyError
from chalicelib.interfaces import Store
from chalicelib.records import Call
from tests.interfaces.rows import (
    LEASE,
    NOW,
    at_once,
    create,
    make_episode,
    make_evaluation,
    make_event,
    make_result,
)
from tests.moto_store import BUCKET, PREFIX, Cloud, carry_out, moto_cloud
from tests.world import TestClock

Json = dict[str, Any]
Step = Callable[[Store], object]

NAME = make_episode().id
PAID = make_evaluation(budget_microusd=60)
FINISHED = make_evaluation(budget_microusd=60, status="finished", end="complete")
CALL = Call(NAME, "2.1.1", "intent", 500, body={"request": "?"})
SETTLED = Call(
    NAME, "2.1.1", "settled", 500, 7, {"in": 1}, "r", {"reply": "!" * 40_000}
)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with moto_cloud() as made:
        yield made


def append(store: Store) -> None:
    try:
        store.append(make_event(1))
    except EventExistsError as refusal:
        # As a worker does: it is its own, so it goes on.
        if refusal.existing != make_event(1):
            raise


def add_budget(store: Store) -> None:
    was = store.evaluation("ev_1")
    if was.status == "finished":
        to = make_evaluation(budget_microusd=90)
        store.replace_evaluation(was, to, 100)


WRITES: dict[str, tuple[list[Step], Step]] = {
    "create an evaluation": ([], lambda s: s.create_evaluation(PAID, "key", "h", 100)),
    "create one without a key": (
        [],
        lambda s: s.create_evaluation(PAID, None, "h", 100),
    ),
    "change an evaluation": (
        [lambda s: create(s, make_evaluation(), None, "h")],
        lambda s: s.change_evaluation("ev_1", ["expanding"], "queued"),
    ),
    "add to a budget": (
        [lambda s: s.create_evaluation(FINISHED, None, "h", 100)],
        add_budget,
    ),
    "settle a reservation": (
        [lambda s: s.create_evaluation(FINISHED, None, "h", 100)],
        lambda s: s.settle_reservation("ev_1", 20),
    ),
    "create episodes": (
        [],
        lambda s: s.create_episodes([make_episode(0), make_episode(1)]),
    ),
    "claim": (
        [lambda s: s.create_episodes([make_episode()])],
        lambda s: s.claim(NAME, "w1", NOW, LEASE),
    ),
    "renew": (
        [
            lambda s: s.create_episodes([make_episode()]),
            lambda s: s.claim(NAME, "w1", NOW, LEASE),
        ],
        lambda s: s.renew(NAME, 1, NOW + 500),
    ),
    "note progress": (
        [lambda s: s.create_episodes([make_episode()])],
        lambda s: s.note_progress(NAME, 0, 5),
    ),
    "release": (
        [lambda s: s.create_episodes([make_episode()])],
        lambda s: s.release(NAME, 0, None),
    ),
    "close": (
        [lambda s: s.create_episodes([make_episode()])],
        lambda s: s.close(NAME, "unplayed", "budget", "why"),
    ),
    "reopen": (
        [
            lambda s: s.create_episodes([make_episode()]),
            lambda s: s.close(NAME, "failed", "infra", None),
        ],
        lambda s: s.reopen(NAME, NOW),
    ),
    "hold": ([], lambda s: s.hold("ev_1", NAME, 60, 100)),
    "hold again": (
        [lambda s: s.hold("ev_1", NAME, 60, 100), lambda s: s.settle_hold(NAME, 5)],
        lambda s: s.hold("ev_1", NAME, 70, 100),
    ),
    "settle a hold": (
        [lambda s: s.hold("ev_1", NAME, 60, 100)],
        lambda s: s.settle_hold(NAME, 20),
    ),
    "append": ([], append),
    "intend": ([], lambda s: s.intend(CALL)),
    "settle a call": ([lambda s: s.intend(CALL)], lambda s: s.settle(SETTLED)),
    "finish": (
        [lambda s: s.create_episodes([make_episode()])],
        lambda s: s.finish(make_result()),
    ),
    "put a transcript": ([], lambda s: s.put_transcript(NAME, b"text")),
    "connect": ([], lambda s: s.connect("c1", NOW + 9)),
    "watch": ([], lambda s: s.watch("c1", "live", NOW + 9)),
    "unwatch": (
        [lambda s: s.watch("c1", "live", NOW + 9)],
        lambda s: s.unwatch("c1", "live"),
    ),
    "forget": (
        [
            lambda s: s.watch("c1", "live", NOW + 9),
            lambda s: s.watch("c1", "episode:x", NOW + 9),
        ],
        lambda s: s.forget("c1"),
    ),
    "put a document": ([], lambda s: s.put_document("kind", "key", {"n": 1})),
    "change a document": (
        [lambda s: s.put_document("kind", "key", {"n": 1})],
        lambda s: s.change_document("kind", "key", {"n": 1}, {"n": 2}),
    ),
}


def all_there_is(store: Store) -> Json:
    """What a store says of everything that these steps touch, but for who claimed."""
    claimless = {"epoch": 0, "barren": 0}
    return {
        "evaluations": store.evaluations({}, 10, None).items,
        "by key": store.evaluation_of_key("key", "h"),
        "episodes": [
            {**{n: getattr(e, n) for n in e.__dataclass_fields__}, **claimless}
            for e in store.episodes("ev_1", None, 10, None).items
        ],
        "tally": store.tally("ev_1"),
        "open": store.has_open("ev_1"),
        "due": [store.due(NOW + 1e6, shard, 10) for shard in range(16)],
        "money": (store.money("ev_1"), store.month_total("red", "2026-11")),
        "log": (store.events(NAME, 0, 10), store.calls(NAME)),
        "results": store.results("ev_1", 10, None).items,
        "transcript": store.transcript(NAME),
        "live": (
            store.watchers("live"),
            store.topics("c1"),
            store.note_bad_frame("c1"),
        ),
        "document": store.document("kind", "key"),
    }


def act(
    name: str, around: Callable[[str, Json, Callable[[], Any]], Any] = carry_out
) -> tuple[Json, bool]:
    """What there is after a write with faults, and once more without; were there any."""
    before, write = WRITES[name]
    with moto_cloud() as cloud:
        for step in before:
            step(cloud.store)
        cloud.dynamodb.around = cloud.s3.around = around
        hit = False
        try:
            write(cloud.store)
        except StoreBusyError:
            hit = True
        cloud.dynamodb.around = cloud.s3.around = carry_out
        if hit:
            write(cloud.store)
        return all_there_is(cloud.store), hit


class LostReply:
    """Write number n is carried out, and its reply is lost."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        self.left -= operation.startswith(("put", "update", "delete", "transact"))
        reply = call()
        if not self.left:
            raise LOST
        return reply


LOST = ReadTimeoutError(endpoint_url="https://dynamodb")


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_breaks_off_anywhere_is_done_again_without_harm(name: str) -> None:
    wanted, _ = act(name)
    for number in range(1, 30):
        found, hit = act(name, LostReply(number))
        assert found == wanted, number
        if not hit:
            assert number > 1
            return
    raise AssertionError("more requests than any write makes")


# Throttling.


def refused(code: str, operation: str = "PutItem") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "slower"}}, operation)


@pytest.mark.parametrize(
    "error",
    [
        refused("ProvisionedThroughputExceededException"),
        refused("ThrottlingException"),
        refused("RequestLimitExceeded"),
        refused("InternalServerError"),
        refused("SlowDown"),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
        LOST,
    ],
    ids=str,
)
def test_what_goes_away_by_itself_is_one_clear_error(
    cloud: Cloud, error: Exception
) -> None:
    def refuse(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        raise error

    cloud.dynamodb.around = cloud.s3.around = refuse
    store = cloud.store
    for ask in (
        lambda: store.append(make_event(1)),
        lambda: store.events(NAME, 0, 10),
        lambda: store.claim(NAME, "w1", NOW, LEASE),
        lambda: store.hold("ev_1", NAME, 1, 2),
        lambda: store.tally("ev_1"),
        lambda: store.put_transcript(NAME, b""),
        lambda: store.create_episodes([make_episode(n) for n in range(30)]),
    ):
        with pytest.raises(StoreBusyError) as caught:
            ask()
        assert caught.value.status == 503


def test_what_does_not_go_away_is_not_disguised(cloud: Cloud) -> None:
    def refuse(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        raise refused("AccessDeniedException")

    cloud.dynamodb.around = refuse
    with pytest.raises(ClientError):
        cloud.store.append(make_event(1))


class Unreachable:
    """A network that lets nothing through, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.requests = 0

    def __call__(self, **_: Any) -> None:
        self.requests += 1
        if self.requests <= self.times:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")


@pytest.mark.parametrize(("times", "passes"), [(2, True), (ATTEMPTS, False)])
def test_the_client_itself_tries_a_few_times(times: int, passes: bool) -> None:
    with moto_cloud():
        clients = Clients("us-east-1")
        network = Unreachable(times)
        client = clients.get("dynamodb")
        client.meta.events.register_first("before-send.dynamodb.*", network)
        store = DynamoStore(
            client, clients.get("s3"), PREFIX, lambda: BUCKET, TestClock()
        )
        if passes:
            store.append(make_event(1))
            assert network.requests == times + 1
        else:
            with pytest.raises(StoreBusyError):
                store.append(make_event(1))
            assert network.requests == ATTEMPTS


# Conflicts and partial replies.


def conflict(codes: list[str]) -> ClientError:
    reasons = [{"Code": code} for code in codes]
    return ClientError(
        {
            "Error": {"Code": "TransactionCanceledException", "Message": "conflict"},
            "CancellationReasons": reasons,
        },
        "TransactWriteItems",
    )


class Conflicts:
    """So many transactions meet others on the same rows, or all of them."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if operation == "transact_write_items" and self.left:
            self.left -= 1
            raise conflict(["None", "TransactionConflict"])
        return call()


def test_a_transaction_that_meets_another_waits_its_turn(cloud: Cloud) -> None:
    cloud.dynamodb.around = Conflicts(4)
    assert cloud.store.hold("ev_1", NAME, 60, 100) == "held"
    assert cloud.store.money("ev_1").held_microusd == 60


def test_transactions_that_always_meet_others_are_given_up(cloud: Cloud) -> None:
    cloud.dynamodb.around = Conflicts(items.TRIES)
    with pytest.raises(StoreBusyError):
        cloud.store.hold("ev_1", NAME, 60, 100)
    assert cloud.store.hold("ev_1", NAME, 60, 100) == "held"
    assert cloud.store.money("ev_1").held_microusd == 60


def test_money_is_right_when_many_hold_and_settle_at_once(cloud: Cloud) -> None:
    cloud.dynamodb.around = Conflicts(25)

    def play(number: int) -> int:
        name = f"ep_{number}"
        if cloud.store.hold("ev_1", name, 30, 400) != "held":
            return 0
        cloud.store.settle_hold(name, number)
        return number

    spent = sum(at_once(12, play))
    money = cloud.store.money("ev_1")
    assert (money.held_microusd, money.spent_microusd) == (0, spent)
    assert spent == sum(range(12))


def test_what_a_batch_leaves_out_is_asked_for_again(cloud: Cloud) -> None:
    made = [make_episode(number) for number in range(7)]
    cloud.store.create_episodes(made)

    def halve(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if operation != "batch_get_item":
            return call()
        (table,) = arguments["RequestItems"]
        keys = arguments["RequestItems"][table]["Keys"]
        arguments["RequestItems"][table]["Keys"] = keys[: max(1, len(keys) // 2)]
        reply = call()
        if len(keys) > 1:
            left = keys[max(1, len(keys) // 2) :]
            reply["UnprocessedKeys"] = {table: {"Keys": left}}
        return reply

    cloud.dynamodb.around = halve
    assert list(cloud.store.episodes("ev_1", None, 10, None).items) == made


def test_batches_that_never_end_are_given_up(cloud: Cloud) -> None:
    def nothing(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        return {"Responses": {}, "UnprocessedKeys": arguments["RequestItems"]}

    cloud.dynamodb.around = nothing
    with pytest.raises(StoreBusyError):
        Table(cloud.dynamodb, f"{PREFIX}-episodes").get_many([(NAME, "META")])
