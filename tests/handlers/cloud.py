"""A stage of the cloud in this process: the app's handlers over moto.

What each function asks of AWS is written down, to be held against its policy.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from botocore.session import get_session
from moto import mock_aws

import app
from chalicelib import wiring
from chalicelib.aws.clients import Clients
from chalicelib.aws.live_feed import GatewayFeed
from chalicelib.aws.tables import create_tables
from chalicelib.services.suites import Suites
from chalicelib.settings import Settings
from tests.meters import ListMeter
from tests.world import START, SUITES, ListFeed

Json = dict[str, Any]
Asked = tuple[str, str, str, Json]
"""Which function asked which service for which operation, with what arguments."""

EVENTS = Path(__file__).parents[1] / "data" / "events"
STAGE = "dev"
PREFIX = f"tilts-{STAGE}"
REGION = "us-east-1"
JSON_TYPES = ("application/json", "application/problem+json")
ACCOUNT = "123456789012"
QUEUES = {
    "expand": "expand_evaluation",
    "play": "play_episodes",
    "broadcast": "broadcast",
    "webhook": "notify",
}
PEPPER = "the pepper of the stage dev"
MONTH_CAP = 10**12
TICK_SECONDS = 0.02
ONE_AT_A_TIME = threading.Lock()


class TickingClock:
    """A clock that goes on a little whenever it is looked at."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> float:
        self.moment += TICK_SECONDS
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += seconds

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(min(seconds, 0.05))


@dataclass(frozen=True)
class Context:
    """What Lambda hands to a function besides its event."""

    function_name: str
    seconds: float
    aws_request_id: str = "d3b07384-d9a0-4c9b-8f0b-1a2b3c4d5e6f"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * self.seconds)


class HeldClient:
    """A client of moto's, each call of which is noted; one at a time, as moto needs."""

    def __init__(self, client: Any, note: Callable[[str, Json], None]) -> None:
        self._client = client
        self._note = note

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._client, name)

        def call(**arguments: Any) -> Any:
            self._note(name, arguments)
            with ONE_AT_A_TIME:
                return operation(**arguments)

        return call


class HeldClients(Clients):
    """Clients that note which function asked what."""

    def __init__(self, note: Callable[[str, str, Json], None]) -> None:
        super().__init__(REGION)
        self._note = note

    def _make(self, service: str, endpoint: str | None) -> Any:
        return HeldClient(make_client(service), partial(self._note, service))


def make_client(service: str) -> Any:
    """A client of one session for all tests, since reading its models takes long."""
    return _session().create_client(service, region_name=REGION)


@cache
def _session() -> Any:
    return get_session()


class BothFeeds(ListFeed):
    """Keeps what is sent, and sends it to moto's sockets too."""

    def __init__(self, clients: Clients) -> None:
        super().__init__()
        self._gateway = GatewayFeed(clients, ListMeter())

    def send(self, connection: str, frame: str) -> None:
        super().send(connection, frame)
        self._gateway.send(connection, frame)

    def close(self, connection: str) -> None:
        super().close(connection)
        self._gateway.close(connection)


class Stage:
    """The stage, and what stands around it: requests, messages, sockets, time."""

    def __init__(
        self,
        secrets: Mapping[str, str] | None = None,
        base_urls: Mapping[str, str] | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        self._base_urls = base_urls or {}
        self.running = "nothing"
        self.clock = TickingClock()
        self.clients = HeldClients(self._note)
        self.feed = BothFeeds(self.clients)
        self._sqs = make_client("sqs")
        create_tables(make_client("dynamodb"), PREFIX)
        make_client("s3").create_bucket(Bucket=f"{PREFIX}-{ACCOUNT}")
        self.urls = {
            name: self._sqs.create_queue(QueueName=f"{PREFIX}-{name}")["QueueUrl"]
            for name in QUEUES
        }
        ssm = make_client("ssm")
        kept = {"key-pepper": PEPPER, "openai-api-key": "unset", **(secrets or {})}
        for name, value in kept.items():
            ssm.put_parameter(
                Name=f"/tilts/{STAGE}/{name}", Value=value, Type="SecureString"
            )
        self.tilts = self.wire()

    def wire(self) -> wiring.Tilts:
        """The services of a fresh process."""
        return wiring.wire_cloud(
            Settings(
                Path(),
                STAGE,
                REGION,
                base_urls=self._base_urls,
                month_cap_microusd=MONTH_CAP,
                require_keys=True,
            ),
            clients=self.clients,
            feed=self.feed,
            clock=self.clock,
            suites=Suites(SUITES),
        )

    def call(self, function: str, event: Json, seconds: float = 900.0) -> Any:
        """Call a function as Lambda does, with so much time left."""
        self.running = function
        handler = app.app if function == "api_handler" else getattr(app, function)
        try:
            return handler(event, Context(f"{PREFIX}-{function}", seconds))
        finally:
            self.running = "nothing"

    def request(
        self,
        method: str,
        resource: str,
        body: Any = None,
        key: str | None = None,
        **parts: str,
    ) -> tuple[int, Any]:
        """A request as API Gateway hands it over: status and body of the reply."""
        event = captured("rest")
        text = json.dumps(body)
        headers = dict(event["headers"])
        if key is not None:
            headers |= {"Authorization": f"Bearer {key}", "Idempotency-Key": text}
        event |= {
            "resource": resource,
            "httpMethod": method,
            "path": "/v1" + resource.format(**parts),
            "body": None if body is None else text,
            "pathParameters": parts or None,
            "headers": headers,
            "multiValueHeaders": {name: [one] for name, one in headers.items()},
        }
        event["requestContext"] |= {"resourcePath": resource, "httpMethod": method}
        reply = self.call("api_handler", event, 29.0)
        kind = reply["headers"].get("Content-Type", "").partition(";")[0]
        said = reply["body"]
        return reply["statusCode"], json.loads(said) if kind in JSON_TYPES else said

    def say(self, kind: str, frame: Any = None, connection: str = "c1=") -> list[Json]:
        """Something happens on a socket: the frames that were sent meanwhile."""
        event = captured(f"socket-{kind}")
        event["requestContext"]["connectionId"] = connection
        if frame is not None:
            event["body"] = json.dumps(frame)
        before = len(self.feed.sent)
        assert self.call(f"websocket_{kind}", event, 29.0) == {"statusCode": 200}
        return [json.loads(text) for _, text in self.feed.sent[before:]]

    def deliver(self, queue: str, seconds: float = 900.0) -> int:
        """Hand the next message of a queue to its function; how many there were."""
        reply = self._sqs.receive_message(
            QueueUrl=self.urls[queue], AttributeNames=["All"], VisibilityTimeout=0
        )
        found = reply.get("Messages", [])
        for message in found:
            self.call(QUEUES[queue], queue_event(queue, message), seconds)
            self._sqs.delete_message(
                QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"]
            )
        return len(found)

    def lose(self, queue: str) -> None:
        """Every message of a queue is lost."""
        url = self.urls[queue]
        while found := self._sqs.receive_message(QueueUrl=url).get("Messages"):
            for message in found:
                handle = message["ReceiptHandle"]
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)

    def work(self) -> None:
        """Deliver all there is, until nothing is."""
        while sum(self.deliver(queue) for queue in QUEUES):
            pass

    def _note(self, service: str, operation: str, arguments: Json) -> None:
        self.asked.append((self.running, service, operation, arguments))


def captured(name: str) -> Json:
    """An event as AWS sent it."""
    event: Json = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def queue_event(queue: str, message: Json) -> Json:
    """The event in which SQS hands a message over."""
    event = captured("sqs-play")
    (record,) = event["Records"]
    record |= {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{PREFIX}-{queue}",
    }
    return event


@contextmanager
def stage_over_moto(
    secrets: Mapping[str, str] | None = None,
    base_urls: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """A fresh stage, whose services are those of this process."""
    with mock_aws():
        stage = Stage(secrets, base_urls)
        wiring.install(stage.tilts)
        try:
            yield stage
        finally:
            wiring.install(None)
            stage.tilts.close()
