"""A cloud over moto, its store, and what is asked of both."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.interfaces import Store
from chalicelib.records import Call
from tests.interfaces.rows import make_episode
from tests.moto_store import BUCKET, Cloud, moto_cloud
from tests.world import TestClock


class BrokenOffError(Exception):
    """Whoever was at work is gone."""


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def cloud(clock: TestClock) -> Iterator[Cloud]:
    with moto_cloud(clock) as made:
        yield made


@pytest.fixture
def store(cloud: Cloud) -> Store:
    return cloud.store


def keys_in_bucket(cloud: Cloud) -> list[str]:
    found = cloud.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return [item["Key"] for item in found]


def make_call(**changes: Any) -> Call:
    made = Call(make_episode().id, "2.1.1", "intent", 500, body={"request": "?"})
    return replace(made, **changes)
