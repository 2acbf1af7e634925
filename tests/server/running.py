"""A server that runs in a process of its own, and ways to reach it."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from chalicelib.events import Event
from chalicelib.local.database import Database
from chalicelib.local.store import SqliteStore
from chalicelib.records import VISITS, Episode
from chalicelib.services.suites import Suites
from tests.routes.api import Reply as Checked
from tests.routes.api import check_problem

Json = dict[str, Any]

ROOT = Path(__file__).parent.parent.parent
LONG_LOG = "ep_long"
LONG_EVENTS = 230
START_SECONDS = 30.0


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass
class Running:
    """A server that runs, and how to reach it."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> Reply:
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            data,
            {**kind, **(headers or {})},
            method=method,
        )
        try:
            with urlopen(request, timeout=20) as got:
                return Reply(got.status, lower(got.headers), got.read())
        except HTTPError as refusal:
            with refusal:
                return Reply(refusal.code, lower(refusal.headers), refusal.read())

    def talk(self, raw: bytes) -> tuple[int, bytes]:
        """Status and all bytes that come back for raw bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            line.sendall(raw)
            answer = b""
            while part := line.recv(65536):
                answer += part
        return int(answer.split(b" ", 2)[1]), answer

    def get_raw(self, target: bytes, *lines: bytes) -> tuple[int, bytes]:
        """GET of a target, byte for byte."""
        host = f"Host: localhost:{self.port}".encode()
        head = [b"GET " + target + b" HTTP/1.1", host, b"Connection: close", *lines]
        return self.talk(b"\r\n".join(head) + b"\r\n\r\n")

    def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """Exit status, output and errors."""
        self.process.send_signal(how)
        try:
            out, errors = self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, errors = self.process.communicate()
        return self.process.returncode, out, errors


def lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def problem_of(reply: Reply) -> Json:
    """The problem in a refusal; it is checked as those of the app are."""
    text = reply.content.decode()
    headers = {"Content-Type": reply.headers.get("content-type", "")}
    return check_problem(Checked(reply.status, headers, text))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def begin(*command: str, port: int, **settings: str) -> Running:
    """Start a server under these settings and wait until it answers."""
    process = subprocess.Popen(
        ("env", *(f"{name}={value}" for name, value in settings.items()), *command),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Running(process, port)
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return running
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"it did not start: {process.communicate()}")


def begin_server(data: Path, **settings: str) -> Running:
    port = free_port()
    return begin(
        *(sys.executable, "run.py", "--port", str(port), "--data", str(data)),
        port=port,
        **settings,
    )


def prepare(data: Path) -> None:
    """A database with one long log."""
    database = Database(data / "tilts.db")
    store = SqliteStore(database)
    task = Suites().suite("core-1").tasks[0]
    store.create_episodes(
        [
            Episode(
                LONG_LOG, VISITS, "mock~random~1", task.id, task.game, task.variant,
                "core-1", 0, "finished", "2026-01-01T00:00:00.000Z", ("mock~random~1",),
                end="won",
            )
        ]
    )  # fmt: skip
    for n in range(1, LONG_EVENTS + 1):
        store.append(Event(LONG_LOG, n, "attempted", {"step": 1, "try": n}))
    database.close()


def let_rest(running: Running) -> str:
    """End what the baselines began by themselves; the id of that evaluation."""
    (first,) = running.ask("/v1/evaluations").body["items"]
    assert running.ask(f"/v1/evaluations/{first['id']}/cancel", {}).status == 200
    evaluation: str = first["id"]
    return evaluation
