"""A process of the cloud from its very beginning: settings, logs, clients, services."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from chalicelib import wiring
from chalicelib.aws.clients import Clients
from chalicelib.aws.live_feed import GatewayFeed
from chalicelib.aws.logs import RedactingFormatter
from chalicelib.aws.queue import SqsQueue
from chalicelib.aws.tables import create_tables
from chalicelib.settings import Settings
from tests.handlers.cloud import PREFIX, REGION, STAGE, make_client

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "PATH": "",
    "TILTS_STAGE": "dev",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}
COLD = """
import json, logging
from moto import mock_aws
with mock_aws():
    from chalicelib.aws.clients import Clients
    from chalicelib.aws.tables import create_tables
    create_tables(Clients("us-east-1").get("dynamodb"), "tilts-dev")
    import app
    from tests.handlers.cloud import Context, captured
    event = captured("rest")
    event["requestContext"] |= {"resourcePath": "/me", "httpMethod": "GET"}
    event["headers"]["Authorization"] = "Bearer tilts_0a1b2c3d_" + "x" * 43
    logging.getLogger("tilts.test").warning("sk-0123456789abcdef is a key")
    reply = app.app(event, Context("tilts-dev", 29.0))
    print(json.dumps({"status": reply["statusCode"], "body": reply["body"]}))
"""


def test_the_first_request_of_a_fresh_process_is_answered_and_logged_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLD],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *logged, reply = [json.loads(line) for line in done.stdout.splitlines()]
    # No pepper is set: the reply hides where it belongs, the log says so.
    assert reply["status"] == 500
    assert "/tilts/" not in reply["body"]
    (said,) = [line for line in logged if "key-pepper" in str(line)]
    assert said["level"] == "ERROR"
    assert (said["stage"], said["function"]) == ("dev", "tilts-dev")
    assert "tilts_0a1b2c3d" not in done.stdout + done.stderr


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, given back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_services_are_wired_once_and_kept_warm(
    monkeypatch: pytest.MonkeyPatch, root_logger: logging.Logger
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        wiring.install(None)
        first = wiring.tilts()
        assert wiring.tilts() is first
        assert isinstance(first.queue, SqsQueue)
        assert isinstance(first.feed, GatewayFeed)
        wiring.install(None)
        first.close()
    (handler,) = root_logger.handlers
    assert isinstance(handler.formatter, RedactingFormatter)


class CountingClients(Clients):
    """Clients that know which were made."""

    def __init__(self) -> None:
        super().__init__(REGION)
        self.made: list[str] = []

    def _make(self, service: str, endpoint: str | None) -> Any:
        self.made.append(service)
        return super()._make(service, endpoint)


def test_no_client_is_made_before_it_is_needed() -> None:
    with mock_aws():
        clients = CountingClients()
        create_tables(make_client("dynamodb"), PREFIX)
        made = wiring.wire_cloud(Settings(Path(), STAGE, REGION), clients)
        assert clients.made == []
        made.spectators.connect("a1b2c3d4e5/v1/c1=")
        made.spectators.connect("a1b2c3d4e5/v1/c2=")
        assert clients.made == ["dynamodb"]
        made.close()
