"""Logs of the cloud: JSON, told apart by request, and without secrets."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.aws.logs import Observer, redact
from chalicelib.aws.metrics import EmfMeter

KEY = "tilts_0a1b2c3d_" + "A-_9" * 10 + "abc"
PROVIDER_KEY = "sk-proj-0123456789abcdefghijklmnop"


@dataclass(frozen=True)
class Context:
    """What Lambda says of an invocation."""

    function_name: str = "tilts-dev-play_episodes"
    aws_request_id: str = "d3b07384-d9a0"


class Logged:
    """A logger that writes through an observer, and what it has written."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.metrics: list[str] = []
        self.meter = EmfMeter("dev", self.metrics.append)
        self.observer = Observer("dev", self.meter, self.stream)
        self.log = logging.getLogger("test.of.logs")
        self.log.propagate = False
        self.observer.take_over(self.log)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def logged() -> Iterator[Logged]:
    made = Logged()
    yield made
    made.log.handlers.clear()


def test_a_line_says_which_function_request_and_stage_it_is_of(logged: Logged) -> None:
    with logged.observer.around(Context()):
        logged.log.warning("%d ☃", 7)
    logged.log.warning("afterwards")
    first, second = logged.lines
    assert first["message"] == "7 ☃"
    assert first["level"] == "WARNING"
    assert first["stage"] == second["stage"] == "dev"
    assert first["function"] == "tilts-dev-play_episodes"
    assert first["request_id"] == "d3b07384-d9a0"
    assert "request_id" not in second


def test_metrics_are_written_when_an_invocation_ends_even_badly(logged: Logged) -> None:
    def fail() -> None:
        with logged.observer.around(Context()):
            logged.meter.count("FramesSent")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail()
    assert len(logged.metrics) == 1


def test_an_exception_is_one_line_with_its_trace(logged: Logged) -> None:
    try:
        raise ValueError("what went wrong")
    except ValueError:
        logged.log.exception("it failed")
    (line,) = logged.lines
    assert line["exception_name"] == "ValueError"
    assert "what went wrong" in line["exception"]


SECRETS = [KEY, PROVIDER_KEY, "whsec_" + "0a" * 32, "move_" + "0b" * 16]
FORMS = [
    "{}",
    "key {}, and more",
    "Authorization: Bearer {}",
    "{{'authorization': 'Bearer {}'}}",
    '{{"x-api-key": "{}"}}',
    "headers={{'X-Api-Key': b'{}'}}",
    "https://host/path?key={}&x=1",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_logged_in_whatever_form(
    logged: Logged, form: str, secret: str
) -> None:
    text = form.format(secret)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        logged.log.exception("%s", text, extra={"headers": {"authorization": text}})
    assert secret not in logged.stream.getvalue()
    assert secret[-12:] not in logged.stream.getvalue()
    assert len(logged.lines) == 1


@pytest.mark.parametrize(
    "text",
    [
        'Authorization: Bearer opaque-token-of-a-provider"',
        "x-api-key=0123456789abcdef",
        "('authorization', 'Basic dXNlcjpwYXNz')",
    ],
)
def test_what_a_header_holds_is_struck_out_even_if_its_form_is_unknown(
    text: str,
) -> None:
    found = redact(text)
    assert "***" in found
    for word in ("opaque", "0123456789abcdef", "dXNlcjpwYXNz"):
        assert word not in found


@pytest.mark.parametrize(
    "text",
    [
        "ep_0123456789abcdef0123 was taken over",
        "tilts-dev-play is empty",
        "task-1, disk-usage: 12",
        "the authorization of ev_1 is missing",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
