"""Webhooks: what is told, signed, where to, and again if need be."""

import asyncio
import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.errors import RequestError
from chalicelib.local.store import SqliteStore
from chalicelib.models.addresses import Address, AddressError, check_address
from chalicelib.records import Money, NewEvaluation
from chalicelib.services.access import Pepper
from chalicelib.services.webhooks import (
    DELAYS,
    SIGNATURE,
    TRIES,
    WEBHOOK,
    Webhooks,
    look_up,
    payload,
    sign,
    webhook_message,
)
from chalicelib.wiring import RandomIds
from tests.world import World

Json = dict[str, Any]

URL = "https://hooks.example/services/T000/very-secret-path?a=1"
BODY = b'{"id":"wh_1"}'


def test_a_receiver_can_check_the_signature() -> None:
    header = sign("whsec_1", BODY, 1_795_000_000)
    parts = dict(part.split("=") for part in header.split(","))
    assert parts["t"] == "1795000000"
    signed = hmac.new(b"whsec_1", b"1795000000." + BODY, sha256).hexdigest()
    assert hmac.compare_digest(parts["v1"], signed)
    assert sign("whsec_1", BODY, 1_795_000_001) != header
    assert sign("whsec_2", BODY, 1_795_000_000) != header
    assert sign("whsec_1", BODY + b" ", 1_795_000_000) != header


def finished(world: World, webhook: str | None = URL) -> str:
    """An evaluation that is over and names a webhook."""
    made = world.tilts.evaluations.create(
        NewEvaluation("tiny-1", ("baseline~random~1",), webhook=webhook), "blue", None
    )
    world.work()
    while world.queue.receive(WEBHOOK, 10, 9e9):
        continue
    assert world.store.evaluation(made.id).status == "finished"
    return made.id


def test_what_is_told_counts_and_names_no_winner_nor_url(world: World) -> None:
    evaluation = world.store.evaluation(finished(world))
    tally = {"finished.won": 3, "finished.lost": 2, "failed.infra": 1}
    told = payload(evaluation, tally, Money(0, 70))
    assert told["type"] == "evaluation.finished"
    assert told["evaluation"]["id"] == evaluation.id
    assert told["evaluation"]["end"] == "complete"
    assert told["episodes"] == {"failed": 1, "finished": 5}
    assert told["money"]["spent_microusd"] == 70
    assert told["results"] == f"/v1/evaluations/{evaluation.id}/results"
    text = json.dumps(told)
    assert "won" not in text
    assert "secret" not in text
    assert payload(evaluation, dict(reversed(tally.items())), Money(0, 70)) == told
    changed = payload(evaluation, {**tally, "failed.infra": 0}, Money(0, 70))
    assert changed["id"] != told["id"]
    assert payload(replace(evaluation, end="capped"), tally, Money(0, 70)) != told


def test_each_evaluation_has_a_secret_of_its_own(world: World) -> None:
    webhooks = make_webhooks(world)
    assert webhooks.secret("ev_1") == webhooks.secret("ev_1")
    assert webhooks.secret("ev_1") != webhooks.secret("ev_2")
    assert webhooks.secret("ev_1").startswith("whsec_")
    assert make_webhooks(world, pepper="another pepper...").secret("ev_1") != (
        webhooks.secret("ev_1")
    )


# Tries.


class Receiver:
    """Answers with given statuses in turn; None: not reached."""

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = list(statuses)
        self.bodies: list[Json] = []
        self.signatures: list[str] = []

    def __call__(
        self, to: Address, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> int:
        assert to.ip == "93.184.215.14"
        self.bodies.append(json.loads(body))
        self.signatures.append(headers[SIGNATURE])
        status = self.statuses.pop(0)
        if status is None:
            raise ConnectionRefusedError(f"could not reach {to.url}")
        return status


def to_public(url: str) -> Address:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    return asyncio.run(check_address(url, resolve=resolve))


def make_webhooks(
    world: World, check: Any = to_public, send: Any = None, pepper: str = "p" * 16
) -> Webhooks:
    peppered = Pepper(world.store, RandomIds(), pepper)
    return Webhooks(world.store, world.queue, world.clock, peppered, check, send)


def drain(world: World, webhooks: Webhooks) -> list[float]:
    """Do what the queue asks for, as soon as it may be; when each try was."""
    began = world.clock.now()
    moments = []
    for _ in range(3 * 3600 // 5):
        for message in world.queue.receive(WEBHOOK, 10, 900):
            assert message.body["v"] == 1
            webhooks.notify(message.body["webhook"], message.body["try"])
            world.queue.delete([message])
            moments.append(world.clock.now() - began)
        world.clock.turn(5)
    return moments


class DyingError(BaseException):
    """The worker is gone."""


class DyingStore(SqliteStore):
    """The store of a worker that dies before it notes anything."""

    def change_document(self, kind: str, key: str, was: Json | None, to: Json) -> bool:
        raise DyingError


def begin(world: World, evaluation: str) -> None:
    world.queue.send(WEBHOOK, [webhook_message(evaluation)])


def test_a_notice_that_arrives_is_sent_once(world: World) -> None:
    evaluation = finished(world)
    receiver = Receiver(204, 204)
    webhooks = make_webhooks(world, send=receiver)
    assert webhooks.state(evaluation) is None
    for _ in range(3):
        begin(world, evaluation)
    assert len(drain(world, webhooks)) == 3
    webhooks.notify(evaluation, 2)
    (told,) = receiver.bodies
    assert told["episodes"] == {"finished": 8}
    assert webhooks.state(evaluation) == {"tries": 1, "delivered": True, "status": 204}


def test_what_does_not_arrive_is_tried_five_times_later_each_time(
    world: World,
) -> None:
    evaluation = finished(world)
    receiver = Receiver(None, 500, 302, 404, None)
    webhooks = make_webhooks(world, send=receiver)
    begin(world, evaluation)
    moments = drain(world, webhooks)
    assert len(moments) == TRIES == 5
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps == list(DELAYS) == sorted(gaps)
    assert max(DELAYS) <= 900, "what SQS can wait"
    assert len({told["id"] for told in receiver.bodies}) == 1
    assert len(set(receiver.signatures)) == 5, "each is signed at its own time"
    assert webhooks.state(evaluation) == {
        "tries": 5,
        "delivered": False,
        "status": None,
    }
    begin(world, evaluation)
    assert len(drain(world, webhooks)) == 1
    assert len(receiver.bodies) == 5, "given up"


def test_tries_end_when_one_arrives(world: World) -> None:
    evaluation = finished(world)
    receiver = Receiver(None, 503, 200)
    webhooks = make_webhooks(world, send=receiver)
    begin(world, evaluation)
    assert len(drain(world, webhooks)) == 3
    assert webhooks.state(evaluation) == {"tries": 3, "delivered": True, "status": 200}


def test_doubled_messages_do_not_double_the_tries(world: World) -> None:
    evaluation = finished(world)
    receiver = Receiver(*[500] * 20)
    webhooks = make_webhooks(world, send=receiver)
    for _ in range(4):
        begin(world, evaluation)
    drain(world, webhooks)
    assert len(receiver.bodies) == TRIES


def test_a_worker_that_dies_after_asking_for_the_next_try_loses_nothing(
    world: World,
) -> None:
    evaluation = finished(world)
    receiver = Receiver(500, 500, 200)
    webhooks = make_webhooks(world, send=receiver)
    dying = Webhooks(
        DyingStore(world.database),
        world.queue,
        world.clock,
        Pepper(world.store, RandomIds(), "p" * 16),
        to_public,
        receiver,
    )
    with pytest.raises(DyingError):
        dying.notify(evaluation, 1)
    webhooks.notify(evaluation, 1)
    drain(world, webhooks)
    assert len(receiver.bodies) == 3
    assert (webhooks.state(evaluation) or {})["delivered"]


def test_what_has_changed_is_told_anew(world: World) -> None:
    evaluation = finished(world)
    receiver = Receiver(200, 200)
    webhooks = make_webhooks(world, send=receiver)
    webhooks.notify(evaluation, 1)
    store = world.store
    assert store.change_evaluation(evaluation, ["finished"], "queued")
    assert store.change_evaluation(evaluation, ["queued"], "finished", "capped")
    webhooks.notify(evaluation, 1)
    assert [told["evaluation"]["end"] for told in receiver.bodies] == [
        "complete",
        "capped",
    ]
    assert receiver.bodies[0]["id"] != receiver.bodies[1]["id"]


def test_an_evaluation_about_to_finish_is_asked_about_again(world: World) -> None:
    evaluation = finished(world)
    receiver = Receiver(200)
    webhooks = make_webhooks(world, send=receiver)
    assert world.store.change_evaluation(evaluation, ["finished"], "queued")
    webhooks.notify(evaluation, 1)
    assert receiver.bodies == []
    assert world.store.change_evaluation(evaluation, ["queued"], "finished", "complete")
    drain(world, webhooks)
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("status", ["paused", "expanding"])
def test_what_is_not_over_is_not_told(world: World, status: Any) -> None:
    evaluation = finished(world)
    webhooks = make_webhooks(world, send=Receiver())
    assert world.store.change_evaluation(evaluation, ["finished"], status)
    webhooks.notify(evaluation, 1)
    assert not world.queue.has_message(WEBHOOK)
    assert webhooks.state(evaluation) is None


def test_open_episodes_and_no_webhook_tell_nothing(world: World) -> None:
    webhooks = make_webhooks(world, send=Receiver())
    webhooks.notify(finished(world, webhook=None), 1)
    open_one = world.tilts.evaluations.create(
        NewEvaluation("tiny-1", ("baseline~random~1",), webhook=URL), "blue", None
    )
    world.expand()
    world.store.change_evaluation(open_one.id, ["queued"], "finished", "cancelled")
    webhooks.notify(open_one.id, 1)
    world.clock.turn(3600)
    assert not world.queue.has_message(WEBHOOK)


# Addresses.


def test_a_url_is_checked_when_it_is_named_and_at_each_try(world: World) -> None:
    answers = [["93.184.215.14"], ["10.0.0.1"], ["93.184.215.14"]]

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    def check(url: str) -> Address:
        return asyncio.run(check_address(url, resolve=resolve))

    evaluation = finished(world)
    receiver = Receiver(200)
    webhooks = make_webhooks(world, check, receiver)
    webhooks.check_url(URL)
    webhooks.notify(evaluation, 1)
    assert receiver.bodies == [], "a name that has moved inside is not called"
    drain(world, webhooks)
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f.1/x",
        "https://2130706433/",
        "https://user:secret@93.184.215.14/",
        "https://93.184.215.14:8443/",
        "https://93.184.215.14/#part",
        "https://93.184.215.14/\r\nX: 1",
        "http://93.184.215.14/",
        "HTTP://93.184.215.14/",
        "ftp://93.184.215.14/",
        "file:///etc/passwd",
        "//93.184.215.14/",
        "",
    ],
)
def test_hostile_urls_are_refused_before_anything_is_sent(
    world: World, url: str
) -> None:
    receiver = Receiver()
    webhooks = make_webhooks(world, lambda given: asyncio.run(look_up(given)), receiver)
    with pytest.raises(RequestError) as refusal:
        webhooks.check_url(url)
    assert refusal.value.status == 400
    with pytest.raises(RequestError):
        webhooks.deliver(url, "secret", BODY)
    assert receiver.bodies == []
    if url.startswith("https"):
        assert isinstance(refusal.value, AddressError)


def test_neither_the_url_nor_a_secret_is_logged_or_kept(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    evaluation = finished(world)
    webhooks = make_webhooks(world, send=Receiver(None, 200))
    begin(world, evaluation)
    drain(world, webhooks)
    assert evaluation in caplog.text
    kept = json.dumps(world.store.document(WEBHOOK, evaluation))
    secret = webhooks.secret(evaluation)
    for hidden in ("very-secret-path", secret, secret.removeprefix("whsec_")):
        assert hidden not in caplog.text
        assert hidden not in kept
        assert hidden not in repr(webhooks)
    dump = "\n".join(world.database.connection().iterdump())
    assert secret.removeprefix("whsec_") not in dump
