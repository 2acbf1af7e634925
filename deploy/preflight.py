"""What must be true before anything is changed: each finding is one clear line."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from deploy.cloud import GONE, SECRETS, Cloud, code_of, in_one_line
from deploy.commands import ROOT, DeployError, say

OLDEST: Final = (3, 11)
NEWEST: Final = (3, 14)
"""The Pythons that Lambda and Chalice both have."""

NEEDED_SECRET: Final = "key-pepper"
UNSET: Final = ("", "unset")
"""What Terraform puts into a parameter counts as no value."""

TOOLS: Final = ("chalice", "boto3")


def check_machine(root: Path = ROOT, *, allow_dirty: bool = False) -> None:
    """Tools, versions and the tree. DeployError with every finding."""
    stop_at(find_wrong_tools(root))
    stop_at(find_wrong_tree(root, allow_dirty=allow_dirty))


def check_cloud(cloud: Cloud) -> None:
    """Credentials, then all that Terraform makes. DeployError with every finding."""
    with in_one_line():
        say(f"Account {cloud.identity['account']} as {cloud.identity['arn']}")
        unset = list(find_unset_secrets(cloud))
        stop_at(
            [
                *find_wrong_tables(cloud),
                *find_missing_queues(cloud),
                *find_wrong_bucket(cloud),
                *(line for line, needed in unset if needed),
            ]
        )
        for line, _ in unset:
            say(f"Note: {line}")


def stop_at(findings: Iterator[str] | list[str]) -> None:
    """DeployError with one line for each finding, if there are any."""
    if lines := list(findings):
        raise DeployError("\n".join(lines))


def find_wrong_tools(root: Path) -> Iterator[str]:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        yield f"Python {sys.version.split()[0]} is not one of Lambda's: use 3.11 to 3.14."
    if shutil.which("git") is None:
        yield "git is missing: install it, the commit is recorded with each deployment."
    wanted = pins(root / "requirements-dev.txt")
    for name in TOOLS:
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield f"{name} is missing: pip install -r requirements-dev.txt"
            continue
        if installed != wanted.get(name, installed):
            yield (
                f"{name} {installed} is installed, {wanted[name]} is wanted: "
                "pip install -r requirements-dev.txt"
            )


def pins(path: Path) -> dict[str, str]:
    """The versions that a file of requirements pins, and those that it includes."""
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith("-r "):
            found |= pins(path.parent / line.removeprefix("-r ").strip())
        elif "==" in line:
            name, _, wanted = line.partition("==")
            found[name.partition("[")[0]] = wanted
    return found


def git(root: Path, *words: str) -> str:
    """What git answers; DeployError where there is no repository."""
    done = subprocess.run(
        ["git", *words], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DeployError(
            f"git {words[0]} failed: {done.stderr.strip().splitlines()[-1]}"
        )
    return done.stdout.strip()


def find_wrong_tree(root: Path, *, allow_dirty: bool) -> Iterator[str]:
    changed = git(root, "status", "--porcelain").splitlines()
    if changed and not allow_dirty:
        yield (
            f"{len(changed)} files differ from the last commit ({changed[0].strip()}): "
            "commit them, or deploy with --allow-dirty."
        )


def find_wrong_tables(cloud: Cloud) -> Iterator[str]:
    for name, wanted in cloud.tables.items():
        try:
            found = cloud.client("dynamodb").describe_table(TableName=name)["Table"]
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            yield f"The table {name} is missing: {terraform(cloud)}."
            continue
        ttl = cloud.client("dynamodb").describe_time_to_live(TableName=name)
        yield from differences(name, wanted, found, ttl["TimeToLiveDescription"])


def differences(
    name: str, wanted: dict[str, Any], found: dict[str, Any], ttl: dict[str, Any]
) -> Iterator[str]:
    """How a table differs from its definition, a line for each."""
    types = {
        one["AttributeName"]: one["AttributeType"]
        for one in found["AttributeDefinitions"]
    }

    def shape(schema: list[dict[str, str]]) -> list[tuple[str, str]]:
        order = sorted(schema, key=lambda key: key["KeyType"] != "HASH")
        return [(one["AttributeName"], types[one["AttributeName"]]) for one in order]

    def asked(keys: list[dict[str, str]]) -> list[tuple[str, str]]:
        return [(one["name"], one["type"]) for one in keys]

    if shape(found["KeySchema"]) != asked(wanted["keys"]):
        yield f"The table {name} has other keys than tables.json says."
    indexes = {
        one["IndexName"]: (shape(one["KeySchema"]), one["Projection"]["ProjectionType"])
        for one in found.get("GlobalSecondaryIndexes", ())
    }
    for index in wanted["indexes"]:
        expected = (asked(index["keys"]), index["projection"])
        if indexes.get(index["name"]) != expected:
            yield f"The table {name} lacks the index {index['name']} of tables.json, or has another."
    on = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    if (ttl.get("AttributeName") if on else None) != wanted["ttl"]:
        yield f"The table {name} does not expire rows by {wanted['ttl']} as tables.json says."


def find_missing_queues(cloud: Cloud) -> Iterator[str]:
    for name in cloud.queues:
        try:
            cloud.client("sqs").get_queue_url(QueueName=name)
        except ClientError as error:
            if "NonExistentQueue" not in code_of(error) + str(error):
                raise
            yield f"The queue {name} is missing: {terraform(cloud)}."


def find_wrong_bucket(cloud: Cloud) -> Iterator[str]:
    try:
        cloud.client("s3").head_bucket(
            Bucket=cloud.bucket, ExpectedBucketOwner=cloud.identity["account"]
        )
    except ClientError as error:
        if code_of(error) == "403":
            yield f"The bucket {cloud.bucket} belongs to another account, or may not be used."
        elif code_of(error) in ("404", "NoSuchBucket"):
            yield f"The bucket {cloud.bucket} is missing: {terraform(cloud)}."
        else:
            raise


def find_unset_secrets(cloud: Cloud) -> Iterator[tuple[str, bool]]:
    """Parameters without a value, and whether nothing works without it."""
    path = f"/tilts/{cloud.stage}"
    asked = {"Path": path, "WithDecryption": True}
    found = {
        one["Name"].rpartition("/")[2]: one["Value"].strip()
        for one in cloud.pages("ssm", "get_parameters_by_path", "Parameters", **asked)
    }
    for name in SECRETS:
        if found.get(name, "") in UNSET:
            line = f"Parameter {path}/{name} is not set"
            if name == NEEDED_SECRET:
                yield (
                    f"{line}: `aws ssm put-parameter --overwrite` gives it a value.",
                    True,
                )
            else:
                yield f"{line}: models that need it are listed as not usable.", False


def terraform(cloud: Cloud) -> str:
    """The command that makes what is missing."""
    return f"run `terraform apply` in infrastructure/ for the stage {cloud.stage}"
