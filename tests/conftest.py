"""Fixtures: a world over a fresh database, and a client of the app in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.test import Client
from hypothesis import settings

import app
from chalicelib import wiring
from tests.world import World

settings.register_profile("test", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("verify", max_examples=1_000, deadline=None)
settings.load_profile("test")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "tilts.db")
    wiring.install(made.tilts)
    yield made
    wiring.install(None)
    made.tilts.close()
    made.database.close()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with Client(app.app) as made:
        yield made
