"""Fixtures: the server as a child process, once a session.

Name this module in `pytest_plugins`; what else tests need is in `child`.
"""

from collections.abc import Iterator

import pytest

from tests.modelserver.child import ModelServerHandle, model_server_process


@pytest.fixture(scope="session")
def model_server_session() -> Iterator[ModelServerHandle]:
    with model_server_process() as handle:
        yield handle


@pytest.fixture
def model_server(model_server_session: ModelServerHandle) -> ModelServerHandle:
    """The session's server, with an empty account."""
    model_server_session.reset()
    return model_server_session
