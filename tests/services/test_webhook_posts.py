"""Webhooks over a real connection: to the checked address only, and in time."""

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import RequestError
from chalicelib.models.addresses import Address, check_address
from chalicelib.services.access import Pepper
from chalicelib.services.webhooks import (
    REPLY_BYTES,
    SIGNATURE,
    Webhooks,
    post_pinned,
    sign,
    write_request,
)
from tests.world import World

NAME = "hooks.example"
BODY = b'{"id":"wh_1"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


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

    pepper = Pepper(world.store, world.ids)
    webhooks = Webhooks(world.store, world.queue, world.clock, pepper, check, send)
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
