"""The page in a real browser, against a real server; the driver is browser/page.mjs."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT: Final = Path(__file__).parent.parent
DRIVER: Final = ROOT / "tests" / "browser" / "page.mjs"
PATIENCE_SECONDS: Final = 240.0
TRIES: Final = 300
CHECKS: Final = 8


class Server:
    """`run.py` on a port and a data folder; may be killed and started again."""

    def __init__(self, port: int, data: Path) -> None:
        self._command = [
            sys.executable,
            str(ROOT / "run.py"),
            *("--port", str(port), "--data", str(data)),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://localhost:{port}"

    def start(self) -> None:
        """Start it, and return once it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        for _ in range(TRIES):
            assert self._process.poll() is None, "the server has ended"
            with (
                contextlib.suppress(URLError),
                urlopen(f"{self.address}/v1/health", timeout=20) as reply,
            ):
                assert reply.status == 200
                return
            time.sleep(0.1)
        pytest.fail("The server does not answer.")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(port, tmp_path)
    server.start()
    yield server
    server.kill()


def drive(server: Server) -> tuple[int, list[str]]:
    """Run the driver, restarting the server when it asks; its status and its lines."""
    command = ["node", str(DRIVER), server.address]
    pipe = subprocess.PIPE
    lines = []
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        timer = threading.Timer(PATIENCE_SECONDS, driver.kill)
        timer.start()
        for line in driver.stdout:
            lines.append(line.rstrip())
            if lines[-1] == "restart":
                server.kill()
                server.start()
                driver.stdin.write("restarted\n")
                driver.stdin.flush()
        timer.cancel()
        status = driver.wait()
    return status, lines


def test_page_in_a_browser(server: Server) -> None:
    ready = DRIVER.parent / "node_modules" / ".ready"
    assert ready.exists(), "Run this first: bash tests/browser/prepare.sh"
    status, lines = drive(server)
    assert status == 0, "\n".join(lines)
    assert sum(line.startswith("ok: ") for line in lines) == CHECKS, "\n".join(lines)
