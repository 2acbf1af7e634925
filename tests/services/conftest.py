"""The world of these tests lets go of its event loop, too."""

from collections.abc import Iterator

import pytest

from tests.services.breaking import close_world
from tests.world import World


@pytest.fixture
def world(world: World) -> Iterator[World]:
    yield world
    close_world(world)
