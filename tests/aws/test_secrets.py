"""Secrets from Systems Manager: read at once, kept for five minutes, never guessed."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.aws.clients import Clients
from chalicelib.aws.secrets import FRESH_SECONDS, Secrets
from chalicelib.errors import StartError
from tests.world import TestClock

NAMES = ("openai-api-key", "anthropic-api-key", "compatible-api-key", "key-pepper")


class Counting:
    """A client that counts its calls, and fails when told."""

    def __init__(self, ssm: Any) -> None:
        self.ssm = ssm
        self.calls = 0
        self.fails = False

    def get_parameters_by_path(self, **asked: Any) -> Any:
        self.calls += 1
        if self.fails:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "Get")
        return self.ssm.get_parameters_by_path(**asked)


@pytest.fixture
def ssm() -> Iterator[Counting]:
    with mock_aws():
        yield Counting(Clients("eu-central-1").get("ssm"))


def put(ssm: Counting, name: str, value: str, stage: str = "dev") -> None:
    ssm.ssm.put_parameter(
        Name=f"/tilts/{stage}/{name}", Value=value, Type="SecureString", Overwrite=True
    )


def test_all_secrets_are_read_with_one_call_and_decrypted(ssm: Counting) -> None:
    for name in NAMES:
        put(ssm, name, f"value of {name}")
    put(ssm, "openai-api-key", "of prod", "prod")
    secrets = Secrets(ssm, "dev", TestClock())
    assert [secrets.get(name) for name in NAMES] == [f"value of {n}" for n in NAMES]
    assert ssm.calls == 1


def test_a_key_that_is_changed_is_in_use_five_minutes_later(ssm: Counting) -> None:
    put(ssm, "openai-api-key", "first")
    clock = TestClock()
    secrets = Secrets(ssm, "dev", clock)
    assert secrets.get("openai-api-key") == "first"
    put(ssm, "openai-api-key", "second")
    clock.turn(FRESH_SECONDS - 1)
    assert secrets.get("openai-api-key") == "first"
    clock.turn(1)
    assert secrets.get("openai-api-key") == "second"


def test_more_parameters_than_a_page_has_are_all_read(ssm: Counting) -> None:
    for number in range(12):
        put(ssm, f"other-{number:02}", "x")
    put(ssm, "zz-last", "found")
    assert Secrets(ssm, "dev", TestClock()).get("zz-last") == "found"


@pytest.mark.parametrize("value", ["unset", " ", " unset "])
def test_a_value_that_nobody_has_given_is_none(ssm: Counting, value: str) -> None:
    put(ssm, "key-pepper", value)
    secrets = Secrets(ssm, "dev", TestClock())
    assert secrets.get("key-pepper") is None
    with pytest.raises(StartError, match="/tilts/dev/key-pepper"):
        secrets.require("key-pepper")


def test_what_was_read_stays_in_use_when_it_cannot_be_read_again(
    ssm: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    put(ssm, "key-pepper", "a secret of the stage")
    clock = TestClock()
    secrets = Secrets(ssm, "dev", clock)
    assert secrets.require("key-pepper") == "a secret of the stage"
    ssm.fails = True
    clock.turn(FRESH_SECONDS)
    assert secrets.require("key-pepper") == "a secret of the stage"
    assert "cannot be read" in caplog.text
    assert "a secret of the stage" not in caplog.text


def test_without_any_secret_ever_read_it_says_where_they_are(ssm: Counting) -> None:
    ssm.fails = True
    secrets = Secrets(ssm, "dev", TestClock())
    with pytest.raises(StartError, match="/tilts/dev/"):
        secrets.get("openai-api-key")
