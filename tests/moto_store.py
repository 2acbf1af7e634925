"""The store of the cloud over moto, in this process, through a client that tests hold.

moto's transactions are not safe beside other writes: a lock lets one request in at a
time, as DynamoDB itself would order them. Races between requests remain.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto import mock_aws

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.aws.tables import create_tables
from chalicelib.interfaces import Clock
from tests.world import TestClock

PREFIX = "tilts-test"
BUCKET = "tilts-test-123456789012"

Around = Callable[[str, dict[str, Any], Callable[[], Any]], Any]
"""(operation, arguments, carry it out) -> what the caller gets."""


def carry_out(
    operation: str, arguments: dict[str, Any], call: Callable[[], Any]
) -> Any:
    """Nothing special happens."""
    return call()


class HeldClient:
    """A boto3 client, each call of which goes through `around`, one at a time."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.around: Around = carry_out
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            def locked() -> Any:
                with self._lock:
                    return operation(**arguments)

            return self.around(name, arguments, locked)

        return call


@dataclass
class Cloud:
    """A fresh store, and the clients it was handed."""

    store: DynamoStore
    dynamodb: HeldClient
    s3: HeldClient


@contextmanager
def moto_cloud(clock: Clock | None = None) -> Iterator[Cloud]:
    """Fresh tables, a fresh bucket, and the store over them."""
    with mock_aws():
        dynamodb, s3 = clients().get("dynamodb"), clients().get("s3")
        create_tables(dynamodb, PREFIX)
        s3.create_bucket(Bucket=BUCKET)
        held, bucket = HeldClient(dynamodb), HeldClient(s3)
        store = DynamoStore(held, bucket, PREFIX, lambda: BUCKET, clock or TestClock())
        yield Cloud(store, held, bucket)


@cache
def clients() -> Clients:
    """Made once: reading what AWS's services take is slow."""
    return Clients("us-east-1")
