"""The server as a child process on a free port, and a handle on it."""

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.modelserver.wire import KEY

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
STOP_SECONDS = 5.0
PACE = 0.2
LATE = 0.6


@dataclass(frozen=True)
class ModelServerHandle:
    """A running server: where it is, its key, and its control."""

    port: int
    key: str = KEY

    @property
    def origin(self) -> str:
        """What the Anthropic SDK wants as its base URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def openai_url(self) -> str:
        """What the OpenAI SDK wants as its base URL."""
        return f"{self.origin}/v1"

    def order(self, scenario: str, count: int = 1) -> None:
        """The next calls meet this scenario."""
        self._ask("", {"scenario": scenario, "next": count})

    def account(self) -> Any:
        """Rows and totals of what was billed."""
        return self._ask("account")

    def request(self, number: int) -> Any:
        """A request as it came: path, headers, body, sha256."""
        return self._ask(f"requests/{number}")

    def foreign(self) -> Any:
        """What reached the other origin."""
        return self._ask("foreign")

    def reset(self) -> None:
        """Forget calls, caches, orders and what reached the other origin."""
        self._ask("reset", {})

    def _ask(self, path: str, order: Any = None) -> Any:
        body = None if order is None else json.dumps(order).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.origin}/control/{path}", body, headers)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)


def free_port() -> int:
    """A port that is free, and the next one too."""
    for _ in range(50):
        with socket.socket() as one, socket.socket() as two:
            one.bind((HOST, 0))
            port: int = one.getsockname()[1]
            try:
                two.bind((HOST, port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise OSError("No two ports in a row are free.")


@contextmanager
def model_server_process(*settings: str) -> Iterator[ModelServerHandle]:
    """A server in a child process; other settings as on the command line."""
    port = free_port()
    command: Sequence[str] = (
        *(sys.executable, "-m", "tests.modelserver", "--port", str(port)),
        *("--pace", str(PACE), "--late", str(LATE), "--child", *settings),
    )
    # The child ends with its standard input, so it cannot outlive a killed test run.
    child = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        line = child.stdout.readline() if child.stdout else ""
        if not line.startswith("ready "):
            raise RuntimeError(f"The model server did not start: {line!r}")
        yield ModelServerHandle(port)
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()
