"""The API over a fresh world."""

from collections.abc import Iterator

import pytest
from chalice.test import Client

from tests.routes.api import Api, end_loop
from tests.world import World


@pytest.fixture
def api(client: Client, world: World) -> Iterator[Api]:
    yield Api(client, world)
    end_loop(world)
