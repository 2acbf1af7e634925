"""Sockets of API Gateway as the live feed."""

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from chalicelib.aws.clients import Clients
from chalicelib.aws.live_feed import FRAME_BYTES, GatewayFeed
from chalicelib.errors import ConnectionGoneError, StartError
from tests.meters import ListMeter

NAME = "a1b2c3d4e5/v1/VH5z/d5LliACEpA="


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "PostToConnection")


@dataclass
class Sockets:
    """A management API that keeps what is sent, or fails as told."""

    error: Exception | None = None
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803 - boto's name
        if self.error is not None:
            raise self.error
        self.sent.append((ConnectionId, Data))

    def delete_connection(self, *, ConnectionId: str) -> None:  # noqa: N803 - boto's name
        if self.error is not None:
            raise self.error
        self.closed.append(ConnectionId)


class OneClient(Clients):
    """Clients of which every one is the same, and that know what was asked for."""

    def __init__(self, client: Any, region: str = "eu-central-1") -> None:
        super().__init__(region)
        self.client = client
        self.asked: list[tuple[str, str | None]] = []

    def get(self, service: str, endpoint: str | None = None) -> Any:
        self.asked.append((service, endpoint))
        return self.client


def test_a_frame_goes_to_the_socket_at_the_api_that_its_name_tells() -> None:
    sockets, meter = Sockets(), ListMeter()
    clients = OneClient(sockets)
    GatewayFeed(clients, meter).send(NAME, '{"said":"☃"}')
    assert sockets.sent == [("VH5z/d5LliACEpA=", '{"said":"☃"}'.encode())]
    assert clients.asked == [
        (
            "apigatewaymanagementapi",
            "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1",
        )
    ]
    assert meter.total("FramesSent") == 1


@pytest.mark.parametrize("code", ["GoneException", "410", "BadRequestException"])
def test_a_socket_that_has_ended_is_gone(code: str) -> None:
    meter = ListMeter()
    feed = GatewayFeed(OneClient(Sockets(refusal(code))), meter)
    with pytest.raises(ConnectionGoneError):
        feed.send(NAME, "{}")
    feed.close(NAME)
    assert meter.total("SpectatorsGone") == 1


@pytest.mark.parametrize("name", ["c1", "", "api/id"])
def test_a_name_without_an_api_is_of_no_socket(name: str) -> None:
    with pytest.raises(ConnectionGoneError):
        GatewayFeed(OneClient(Sockets()), ListMeter()).send(name, "{}")


@pytest.mark.parametrize(
    "error",
    [
        refusal("LimitExceededException"),
        refusal("InternalServerError"),
        refusal("ForbiddenException"),
        ReadTimeoutError(endpoint_url="https://sockets"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_frame_that_cannot_be_sent_now_is_lost_and_keeps_nobody_waiting(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    meter = ListMeter()
    feed = GatewayFeed(OneClient(Sockets(error)), meter)
    feed.send(NAME, "{}")
    feed.close(NAME)
    assert meter.total("FramesLost") == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


def test_a_frame_that_is_too_large_never_leaves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sockets, meter = Sockets(), ListMeter()
    GatewayFeed(OneClient(sockets), meter).send(NAME, "☃" * (FRAME_BYTES // 3 + 1))
    assert sockets.sent == []
    assert meter.total("FramesLost") == 1
    assert "cannot be sent" in caplog.text


def test_closing_ends_the_connection() -> None:
    sockets = Sockets()
    GatewayFeed(OneClient(sockets), ListMeter()).close(NAME)
    assert sockets.closed == ["VH5z/d5LliACEpA="]


def test_real_clients_are_made_once_for_each_address_by_any_thread() -> None:
    with mock_aws():
        clients = Clients("eu-central-1")
        feed = GatewayFeed(clients, ListMeter())
        feed.send("a1b2c3d4e5/v1/one=", "{}")
        address = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
        found: list[Any] = []

        def get() -> None:
            found.append(clients.get("apigatewaymanagementapi", address))

        threads = [threading.Thread(target=get) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(client) for client in found}) == 1
        assert clients.account() == "123456789012"


def test_without_a_region_there_is_one_line_that_says_so() -> None:
    with pytest.raises(StartError, match="AWS_REGION"):
        Clients("")
