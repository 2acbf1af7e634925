"""The API over a fresh world."""

import pytest
from chalice.test import Client

from tests.routes.api import Api
from tests.world import World


@pytest.fixture
def api(client: Client, world: World) -> Api:
    return Api(client, world)
