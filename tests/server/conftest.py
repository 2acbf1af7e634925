"""A server that the tests of one file share."""

from collections.abc import Iterator

import pytest

from tests.server.running import Running, begin_server, let_rest, prepare


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("server")
    prepare(data)
    running = begin_server(data)
    let_rest(running)
    yield running
    running.stop()
