"""Webhooks: signed, sent to the checked address only, in time, and again if need be."""

import asyncio
import hmac
import json
import logging
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import RequestError
from chalicelib.local.store import SqliteStore
from chalicelib.models.addresses import Address, AddressError, check_address
from chalicelib.records import Money
from chalicelib.services.access import Pepper
from chalicelib.records import NewEvaluation
from chalicelib.services.webhooks import (
    DELAYS,
    REPLY_BYTES,
    SIGNATURE,
    TRIES,
    WEBHOOK,
    Webhooks,
    look_up,
    payload,
    post_pinned,
    sign,
    webhook_message,
    write_request,
)
from chalicelib.wiring import RandomIds
from tests.world import World

Json = dict[str, Any]

NAME = "hooks.example"
URL = "https://hooks.example/services/T000/very-secret-path?a=1"
BODY = b'{"id":"wh_1"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# Over a real connection.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for NAME that it has signed itself, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
         "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", folder / "key.pem",
         "-out", folder / "certificate.pem"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return folder


class TlsServer:
    """Keeps what it is sent, and answers with given pieces, a pause before each."""

    def __init__(self, certificate: Path) -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self.pieces: list[bytes] = [OK]
        self.pause = 0.0
        self.sent = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(
            certificate / "certificate.pem", certificate / "key.pem"
        )
        self._context.sni_callback = self._keep_name
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        # What accept waits for.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listening.close()

    def _keep_name(self, channel: object, name: str | None, context: object) -> None:
        self.names.append(name)

    def _serve(self) -> None:
        while not self._ended.is_set():
            raw, _ = self._listening.accept()
            raw.settimeout(5)
            with raw:
                try:
                    with self._context.wrap_socket(raw, server_side=True) as channel:
                        self._answer(channel)
                except OSError:
                    continue

    def _answer(self, channel: ssl.SSLSocket) -> None:
        request = b""
        while b"\r\n\r\n" not in request or not request.endswith(BODY):
            piece = channel.recv(65_536)
            if not piece:
                return
            request += piece
        self.requests.append(request)
        for piece in self.pieces:
            self._ended.wait(self.pause)
            channel.sendall(piece)
            self.sent += 1


@pytest.fixture
def server(certificate: Path) -> Iterator[TlsServer]:
    made = TlsServer(certificate)
    yield made
    made.close()


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate / "certificate.pem"))


def post(
    server: TlsServer, context: ssl.SSLContext | None, name: str = NAME, **changes: Any
) -> int:
    url = f"https://{name}:{server.port}/in?a=1"
    address = Address(url, "https", name, server.port, "127.0.0.1")
    values = {"headers": {"X-A": "b"}, "body": BODY, "seconds": 5.0, **changes}
    return post_pinned(address, **values, context=context)


def test_the_name_is_said_and_the_checked_ip_called(
    server: TlsServer, trusting: ssl.SSLContext
) -> None:
    assert post(server, trusting) == 200
    assert server.names == [NAME]
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == BODY
    assert head.decode().split("\r\n") == [
        "POST /in?a=1 HTTP/1.1",
        f"Host: {NAME}:{server.port}",
        "X-A: b",
        f"Content-Length: {len(BODY)}",
        "Connection: close",
    ]


def test_proxies_of_the_environment_are_not_asked(
    server: TlsServer, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(server, trusting) == 200


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(
    server: TlsServer, trusting: ssl.SSLContext, status: int
) -> None:
    place = f"Location: https://{NAME}:{server.port}/other\r\n\r\n"
    server.pieces = [f"HTTP/1.1 {status} Moved\r\n{place}".encode()]
    assert post(server, trusting) == status
    assert len(server.requests) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(server: TlsServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        post(server, None)
    assert server.requests == []


def test_a_certificate_of_another_name_is_refused(
    server: TlsServer, trusting: ssl.SSLContext
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        post(server, trusting, name="other.example")
    assert server.requests == []


@pytest.mark.parametrize(
    "pieces",
    [
        [OK],
        [OK[n : n + 1] for n in range(len(OK))],
        [b"HTTP/1.0 200\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 100_000],
        [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK],
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", OK],
    ],
)
def test_a_status_is_read_however_it_comes(
    server: TlsServer, trusting: ssl.SSLContext, pieces: list[bytes]
) -> None:
    server.pieces = pieces
    assert post(server, trusting) == 200


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 "],
        [b"HTTP/2 200\r\n\r\n"],
        [b"HTTP/1.1 20\r\n\r\n"],
        [b"HTTP/1.1 2000\r\n\r\n"],
        [b"HTTP/1.1 999 Odd\r\n\r\n"],
        [b"SSH-2.0-OpenSSH_9.9\r\n"],
        [b"\x00" * 100_000],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000],
        [b"HTTP/1.1 103 Early\r\nX: " + b"x" * REPLY_BYTES + b"\r\n\r\n" + OK],
    ],
)
def test_what_is_no_reply_is_none(
    server: TlsServer, trusting: ssl.SSLContext, pieces: list[bytes]
) -> None:
    server.pieces = pieces
    with pytest.raises(OSError, match="reply"):
        post(server, trusting)


def test_of_a_reply_without_end_little_is_read(
    server: TlsServer, trusting: ssl.SSLContext
) -> None:
    server.pieces = [b"x" * 100_000] * 100_000
    with pytest.raises(OSError, match="reply"):
        post(server, trusting)
    assert server.sent < len(server.pieces)


def test_a_reply_that_trickles_does_not_stretch_the_time(
    server: TlsServer, trusting: ssl.SSLContext
) -> None:
    server.pieces = [b"x"] * 1_000
    server.pause = 0.05
    with pytest.raises(TimeoutError):
        post(server, trusting, seconds=0.5)
    assert server.sent < len(server.pieces), "it was left in the middle"


def test_a_server_that_says_nothing_is_left(trusting: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = Address(f"https://{NAME}:{port}/", "https", NAME, port, "127.0.0.1")
        with pytest.raises(TimeoutError):
            post_pinned(address, {}, BODY, 0.2, trusting)


@pytest.mark.parametrize("name", [".", ".x.example", "a..b", "x" * 64 + ".example"])
def test_a_name_that_tls_does_not_take_is_an_error_like_others(
    server: TlsServer, trusting: ssl.SSLContext, name: str
) -> None:
    with pytest.raises(OSError, match="does not take"):
        post(server, trusting, name=name)


@pytest.mark.parametrize(
    ("url", "first", "host"),
    [
        ("https://a.example", "POST / HTTP/1.1", "Host: a.example"),
        ("https://a.example?q=/x", "POST /?q=/x HTTP/1.1", "Host: a.example"),
        ("https://a.example:443/b//c", "POST /b//c HTTP/1.1", "Host: a.example:443"),
        ("https://[2606:2800::1]/b", "POST /b HTTP/1.1", "Host: [2606:2800::1]"),
    ],
)
def test_the_first_lines_of_a_request(url: str, first: str, host: str) -> None:
    lines = write_request(url, {}, b"").decode().split("\r\n")
    assert lines[:2] == [first, host]


def test_deliver_checks_signs_and_sends(
    world: World, server: TlsServer, trusting: ssl.SSLContext
) -> None:
    def check(url: str) -> Address:
        return asyncio.run(check_address(url, allow_local=True, resolve=to_here))

    def send(to: Address, head: Mapping[str, str], body: bytes, seconds: float) -> int:
        assert 0 < seconds <= 5
        return post_pinned(to, head, body, seconds, trusting)

    webhooks = make_webhooks(world, check, send)
    url = f"https://{NAME}:{server.port}/in"
    assert webhooks.deliver(url, "the secret", BODY) == 200
    head = server.requests[0].partition(b"\r\n\r\n")[0].decode()
    signature = sign("the secret", BODY, int(world.clock.now()))
    assert f"\r\n{SIGNATURE}: {signature}\r\n" in head + "\r\n"
    assert "Content-Type: application/json" in head
    with pytest.raises(RequestError, match="https"):
        webhooks.deliver(f"http://{NAME}:{server.port}/in", "the secret", BODY)
    assert len(server.requests) == 1


async def to_here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


# Signatures and what is told.


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
    if world.tilts._runner is not None:
        world.tilts._runner.close()
        world.tilts._runner = None
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
