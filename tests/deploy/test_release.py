"""Parts, going back, the lock and the records, on AWS in process with tiny packages."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from deploy.__main__ import arguments, tear_down
from deploy.cloud import Cloud
from deploy.commands import DeployError
from deploy.functions import deployed_functions, sha_of
from deploy.package import Package
from deploy.records import CHALICE, KEPT, LOCK, Records, package_key
from deploy.release import RUNTIME, deploy_part, foretell, go_back, release_before
from deploy.teardown import confirm, forget_data
from tests.deploy.stage import make_what_terraform_makes, session

Json = dict[str, Any]

HANDLERS = ("api_handler", "websocket_connect", "play_episodes", "sweep")
ROLE = "arn:aws:iam::123456789012:role/tilts-dev"


def tiny_package(folder: Path, code: str, shape: str = "{}") -> Package:
    """A package of one file."""
    folder.mkdir(exist_ok=True)
    zipped = folder / f"{len(list(folder.iterdir()))}.zip"
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr(zipfile.ZipInfo("app.py"), code)
    template = zipped.with_suffix(".json")
    template.write_text(shape)
    return Package(folder, zipped, template)


def name_of(handler: str) -> str:
    return "tilts-dev" if handler == "api_handler" else f"tilts-dev-{handler}"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        made = Cloud("dev", session())
        make_what_terraform_makes(made)
        yield made


@pytest.fixture
def first(cloud: Cloud, tmp_path: Path) -> Package:
    """What `all` deployed."""
    made = tiny_package(tmp_path / "made", "one = 1")
    records = Records(cloud)
    records.keep(made)
    assume = {"Version": "2012-10-17", "Statement": []}
    cloud.client("iam").create_role(
        RoleName="tilts-dev", AssumeRolePolicyDocument=json.dumps(assume)
    )
    resources = []
    for handler in HANDLERS:
        answer = cloud.client("lambda").create_function(
            FunctionName=name_of(handler),
            Runtime=RUNTIME,
            Role=ROLE,
            Handler=f"app.{handler}",
            Code={"ZipFile": made.zip.read_bytes()},
        )
        resources.append(
            {
                "name": handler,
                "resource_type": "lambda_function",
                "lambda_arn": answer["FunctionArn"],
            }
        )
    records.write(CHALICE, {"resources": resources}, None)
    add(records, "all", made, [name_of(handler) for handler in HANDLERS])
    return made


def add(records: Records, target: str, package: Package, functions: list[str]) -> None:
    records.add_release(
        {
            "target": target,
            "commit": "0" * 40,
            "dirty": False,
            "functions": dict.fromkeys(functions, package.sha),
            "shape": package.shape,
            "socket": {},
        }
    )


def running(cloud: Cloud) -> dict[str, str]:
    return {handler: sha_of(cloud, name_of(handler)) for handler in HANDLERS}


def test_a_part_gets_new_code_and_the_rest_keeps_its_own(
    cloud: Cloud, first: Package, tmp_path: Path
) -> None:
    second = tiny_package(tmp_path / "made", "one = 2")
    deploy_part(cloud, second, "workers")
    assert running(cloud) == {
        "api_handler": first.sha,
        "websocket_connect": first.sha,
        "play_episodes": second.sha,
        "sweep": second.sha,
    }
    deploy_part(cloud, second, "api")
    assert set(running(cloud).values()) == {second.sha}
    newest = Records(cloud).releases()[-1]
    assert newest["functions"] == {name_of(one): second.sha for one in HANDLERS}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    cloud: Cloud, first: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = tiny_package(tmp_path / "made", "one = 2", '{"routes": 2}')
    foretell(cloud, "all", second)
    assert set(running(cloud).values()) == {first.sha}
    assert len(Records(cloud).releases()) == 1
    said = capsys.readouterr().out
    assert said.count("gets new code") == len(HANDLERS)
    assert "policies are brought up to date" in said
    foretell(cloud, "all", first)
    assert "policies are the same" in capsys.readouterr().out


def test_a_part_is_refused_where_more_than_code_changed(
    cloud: Cloud, first: Package, tmp_path: Path
) -> None:
    other = tiny_package(tmp_path / "made", "one = 2", '{"routes": 2}')
    with pytest.raises(DeployError, match=r"have changed: ./deploy-lambda.sh all dev"):
        deploy_part(cloud, other, "api")
    assert set(running(cloud).values()) == {first.sha}


def test_a_part_is_refused_before_anything_is_deployed(
    cloud: Cloud, tmp_path: Path
) -> None:
    made = tiny_package(tmp_path / "made", "one = 1")
    with pytest.raises(DeployError, match="Nothing is deployed at dev yet"):
        deploy_part(cloud, made, "api")


def test_a_package_for_another_python_is_refused(
    cloud: Cloud, first: Package, tmp_path: Path
) -> None:
    cloud.client("lambda").update_function_configuration(
        FunctionName="tilts-dev", Runtime="python3.10"
    )
    second = tiny_package(tmp_path / "made", "one = 2")
    with pytest.raises(DeployError, match=r"runs python3.10, this package is for"):
        deploy_part(cloud, second, "workers")


def test_going_back_goes_one_release_further_each_time(
    cloud: Cloud, first: Package, tmp_path: Path
) -> None:
    second = tiny_package(tmp_path / "made", "one = 2")
    third = tiny_package(tmp_path / "made", "one = 3")
    deploy_part(cloud, second, "workers")
    deploy_part(cloud, third, "api")
    go_back(cloud)
    assert running(cloud)["api_handler"] == first.sha
    assert running(cloud)["sweep"] == second.sha
    go_back(cloud)
    assert set(running(cloud).values()) == {first.sha}
    with pytest.raises(DeployError, match="no release before"):
        go_back(cloud)
    deploy_part(cloud, third, "workers")
    go_back(cloud)
    assert set(running(cloud).values()) == {first.sha}
    with pytest.raises(DeployError, match="no release before"):
        go_back(cloud)


def test_there_is_nothing_to_go_back_to_at_first(cloud: Cloud) -> None:
    with pytest.raises(DeployError, match="Nothing was deployed"):
        go_back(cloud)


def test_going_back_from_a_release_tells_that_routes_stay(
    cloud: Cloud, first: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tiny_package(tmp_path / "made", "one = 2", '{"routes": 2}')
    records = Records(cloud)
    records.keep(changed)
    add(records, "all", changed, [name_of(one) for one in HANDLERS])
    go_back(cloud)
    assert "stay as they are" in capsys.readouterr().out
    assert records.releases()[-1]["shape"] == changed.shape


def test_old_releases_and_their_packages_are_forgotten(
    cloud: Cloud, first: Package, tmp_path: Path
) -> None:
    packages = [tiny_package(tmp_path / "made", f"one = {n}") for n in range(2, 14)]
    deploy_part(cloud, packages[0], "workers")
    for package in packages:
        deploy_part(cloud, package, "api")
    found = cloud.client("s3").list_objects_v2(
        Bucket=cloud.bucket, Prefix="deployed/packages/"
    )["Contents"]
    names = {one["Key"] for one in found}
    kept = Records(cloud).releases()
    assert len(kept) == KEPT
    assert names == {
        package_key(sha) for one in kept for sha in one["functions"].values()
    }
    assert package_key(packages[-1].sha) in names
    assert package_key(first.sha) not in names


def test_a_release_is_found_by_when_it_was() -> None:
    one, two = {"at": "1", "n": 1}, {"at": "2", "n": 2}
    assert release_before([one, two]) == one
    back = {"at": "3", "restores": "1"}
    with pytest.raises(DeployError, match="no release before"):
        release_before([one, two, back])
    three = {"at": "4", "n": 4}
    assert release_before([one, two, back, three]) == back
    again = {"at": "5", "restores": "3"}
    with pytest.raises(DeployError, match="no release before"):
        release_before([one, two, back, three, again])
    with pytest.raises(DeployError, match="none is kept"):
        release_before([back, three, again])


# Two who deploy at once.


def test_only_one_deploys_at_a_time(cloud: Cloud) -> None:
    one, other = Records(cloud), Records(cloud)
    with (
        one.locked(),
        pytest.raises(DeployError, match=r"deploys dev since .* unlock dev"),
        other.locked(),
    ):
        pass
    with other.locked():
        pass


def test_a_lock_is_let_go_when_a_deployment_fails(cloud: Cloud) -> None:
    records = Records(cloud)
    with pytest.raises(DeployError, match="broke"), records.locked():
        raise DeployError("broke")
    assert records.read(LOCK).version is None


def test_a_record_that_was_changed_meanwhile_is_not_overwritten(cloud: Cloud) -> None:
    records = Records(cloud)
    records.write(CHALICE, {"n": 1}, None)
    was = records.read(CHALICE)
    records.write(CHALICE, {"n": 2}, was.version)
    for version in (was.version, None):
        with pytest.raises(DeployError, match="run this one again"):
            records.write(CHALICE, {"n": 3}, version)
    assert records.read(CHALICE).content == {"n": 2}


# The end of a stage.


def test_data_goes_only_when_told_so_and_a_second_time_is_harmless(
    cloud: Cloud, first: Package
) -> None:
    cloud.client("s3").put_bucket_versioning(
        Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    for body in (b"1", b"2"):
        cloud.client("s3").put_object(Bucket=cloud.bucket, Key="a", Body=body)
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key="a")
    for name in cloud.tables:
        cloud.client("dynamodb").update_table(
            TableName=name, DeletionProtectionEnabled=True
        )
    forget_data(cloud)
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert "QueueUrls" not in cloud.client("sqs").list_queues()
    forget_data(cloud)


def test_all_of_a_stage_is_taken_down_twice(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments().parse_args(["teardown", "dev", "--yes", "--with-data"])
    for _ in range(2):
        tear_down(cloud, asked)
        assert "Nothing of dev is deployed." in capsys.readouterr().out
    assert cloud.client("s3").list_buckets()["Buckets"] == []


def test_a_dry_run_takes_nothing_down(cloud: Cloud, first: Package) -> None:
    asked = arguments().parse_args(["teardown", "dev", "--with-data", "--dry-run"])
    tear_down(cloud, asked)
    assert len(cloud.client("lambda").list_functions()["Functions"]) == len(HANDLERS)
    assert cloud.client("s3").list_buckets()["Buckets"]


def test_a_stage_is_taken_down_only_by_its_name() -> None:
    confirm("dev", "dev\n")
    for answer in ("", "\n", "y\n", "prod\n"):
        with pytest.raises(DeployError, match="Nothing was taken down"):
            confirm("dev", answer)


def test_functions_are_of_the_api_or_workers(cloud: Cloud, first: Package) -> None:
    record = Records(cloud).read(CHALICE).content
    parts = [deployed_functions(record, part) for part in ("api", "workers")]
    assert parts == [
        ["tilts-dev", "tilts-dev-websocket_connect"],
        ["tilts-dev-play_episodes", "tilts-dev-sweep"],
    ]
