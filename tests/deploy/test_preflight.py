"""Whatever is in the way is said in one clear line, before anything is changed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from deploy.cloud import Cloud
from deploy.commands import DeployError
from deploy.package import known_stages
from deploy.preflight import check_cloud, check_machine, differences
from tests.deploy.stage import ROOT, make_what_terraform_makes, session

Json = dict[str, Any]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        made = Cloud("dev", session())
        make_what_terraform_makes(made)
        yield made


def findings(cloud: Cloud) -> list[str]:
    with pytest.raises(DeployError) as caught:
        check_cloud(cloud)
    return str(caught.value).splitlines()


def test_what_terraform_makes_is_all_that_is_needed(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    check_cloud(cloud)
    said = capsys.readouterr().out
    assert "Account 123456789012" in said
    assert "openai-api-key is not set: models that need it" in said


def test_everything_that_is_missing_is_told_at_once() -> None:
    with mock_aws():
        lines = findings(Cloud("dev", session()))
    assert len(lines) == 4 + 8 + 1 + 1
    assert "The table tilts-dev-episodes is missing: run `terraform apply`" in lines[1]
    assert any(line.startswith("The queue tilts-dev-play-dead is") for line in lines)
    assert any("bucket tilts-dev-123456789012 is missing" in line for line in lines)
    assert "key-pepper is not set" in lines[-1]


def test_a_pepper_that_nobody_has_set_is_in_the_way(cloud: Cloud) -> None:
    cloud.client("ssm").put_parameter(
        Name="/tilts/dev/key-pepper", Value="unset", Overwrite=True
    )
    (line,) = findings(cloud)
    assert "Parameter /tilts/dev/key-pepper is not set" in line


class Refused:
    """The body of a reply that has none."""

    def stream(self, **options: Any) -> Iterator[bytes]:
        yield b""


def test_a_bucket_of_another_account_is_told(cloud: Cloud) -> None:
    def refuse(request: Any, **known: Any) -> AWSResponse:
        return AWSResponse(request.url, 403, {}, Refused())

    client = cloud.client("s3")
    client.meta.events.register_first("before-send.s3.HeadBucket", refuse)
    (line,) = findings(cloud)
    assert line.startswith("The bucket tilts-dev-123456789012 belongs to another")


def change_ttl(wanted: Json) -> None:
    wanted["ttl"] = None


def change_index(wanted: Json) -> None:
    wanted["indexes"][0]["projection"] = "INCLUDE"


def change_key(wanted: Json) -> None:
    wanted["keys"][1]["name"] = "other"


@pytest.mark.parametrize(
    ("change", "table", "said"),
    [
        (change_ttl, "tilts-dev-live", "does not expire rows by None"),
        (change_index, "tilts-dev-episodes", "lacks the index"),
        (change_key, "tilts-dev-live", "has other keys"),
    ],
)
def test_a_table_that_differs_is_told(
    cloud: Cloud, change: Any, table: str, said: str
) -> None:
    wanted = deepcopy(cloud.tables[table])
    change(wanted)
    client = cloud.client("dynamodb")
    found = client.describe_table(TableName=table)["Table"]
    ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    (line,) = differences(table, wanted, found, ttl)
    assert said in line
    assert not list(differences(table, cloud.tables[table], found, ttl))


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "requirements-dev.txt").write_text("chalice==1.34.0\n")
    who = ["-c", "user.name=Tilts", "-c", "user.email=tilts@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "a state"]):
        subprocess.run(["git", *who, *words], cwd=folder, check=True)
    return folder


def test_a_tree_that_differs_from_its_commit_is_refused(tmp_path: Path) -> None:
    root = repository(tmp_path / "tilts")
    check_machine(root)
    (root / "app.py").write_text("")
    with pytest.raises(DeployError, match=r"1 files differ .*app.py.*--allow-dirty"):
        check_machine(root)
    check_machine(root, allow_dirty=True)


def test_a_tool_of_another_version_is_refused(tmp_path: Path) -> None:
    root = repository(tmp_path / "tilts")
    (root / "requirements-dev.txt").write_text("chalice==1.0.0\nboto3==1.0.0\n")
    with pytest.raises(
        DeployError, match=r"chalice .* is installed, 1\.0\.0 is wanted"
    ):
        check_machine(root, allow_dirty=True)


def test_without_a_repository_the_commit_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "requirements-dev.txt").write_text("")
    with pytest.raises(DeployError, match="git status failed: fatal: not a git"):
        check_machine(tmp_path)


# The script itself.


def script(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(ROOT / "deploy-lambda.sh"), *words],
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nowhere",
            "PYTHON": sys.executable,
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_stage_of_a_deployment() -> None:
    done = script("--help")
    assert done.returncode == 0
    for word in ("api", "workers", "rollback", "teardown", "--dry-run", "--with-data"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["all", "moon"], {}, "There is no stage moon: .chalice/config.json has dev"),
        (
            ["all", "dev"],
            {},
            "No AWS region: set AWS_DEFAULT_REGION.",
        ),
        (
            ["all", "dev", "--allow-dirty"],
            {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"},
            "No AWS credentials: set AWS_PROFILE",
        ),
        (["all"], {"PYTHON": "/no/python"}, "PYTHON=/no/python is not there."),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_1(
    words: list[str], environment: dict[str, str], said: str
) -> None:
    done = script(*words, **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)


def test_an_unknown_word_is_refused() -> None:
    done = script("everything")
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_stages_are_those_of_the_configuration() -> None:
    assert known_stages() == ["dev", "prod"]
