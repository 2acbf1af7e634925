"""What is kept in the bucket of each deployment: Chalice's record, releases, packages.

`deployed/chalice.json`     what Chalice deployed, so that every machine updates the same APIs
`deployed/releases.json`    who deployed which package when, newest last
`deployed/packages/<sha>.zip`   the packages of those releases
`deployed/lock.json`        who deploys at this moment
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from deploy.cloud import GONE, Cloud, code_of
from deploy.commands import DeployError
from deploy.package import Package

CHALICE: Final = "deployed/chalice.json"
RELEASES: Final = "deployed/releases.json"
LOCK: Final = "deployed/lock.json"
KEPT: Final = 10
"""Releases that can be gone back to."""

REFUSED: Final = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")

Json = dict[str, Any]


def package_key(sha: str) -> str:
    """Where a package is kept."""
    return f"deployed/packages/{sha}.zip"


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object of the bucket, and the version it was read at."""

    content: Json
    version: str | None


class Records:
    """The bucket's side of deployments. Nothing overwrites what it has not read."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._s3 = cloud.client("s3")

    def read(self, key: str) -> Document:
        """An object, empty if it is not there yet."""
        try:
            found = self._s3.get_object(Bucket=self._cloud.bucket, Key=key)
        except ClientError as error:
            if code_of(error) not in (*GONE, "NoSuchBucket"):
                raise
            return Document({}, None)
        return Document(json.loads(found["Body"].read()), found["ETag"])

    def write(self, key: str, content: Json, version: str | None) -> None:
        """Put an object in place of the version that was read. DeployError."""
        condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        text = json.dumps(content, indent=2) + "\n"
        try:
            self._put(key, text.encode(), **condition)
        except ClientError as error:
            if code_of(error) not in REFUSED:
                raise
            raise DeployError(
                f"Another deployment changed {key} meanwhile: run this one again."
            ) from error

    def releases(self) -> list[Json]:
        """All releases that are kept, oldest first."""
        found: list[Json] = self.read(RELEASES).content.get("releases", [])
        return found

    def add_release(self, release: Json) -> None:
        """Note a release; forget the oldest and their packages. DeployError."""
        before = self.read(RELEASES)
        noted = [*before.content.get("releases", []), {"at": now(), **release}]
        self.write(RELEASES, {"releases": noted[-KEPT:]}, before.version)
        needed = {sha for one in noted[-KEPT:] for sha in one["functions"].values()}
        known = {sha for one in noted for sha in one["functions"].values()}
        for sha in known - needed:
            self._s3.delete_object(Bucket=self._cloud.bucket, Key=package_key(sha))

    def keep(self, package: Package) -> None:
        """Put a package where functions and a later rollback find it."""
        key = package_key(package.sha)
        try:
            self._s3.head_object(Bucket=self._cloud.bucket, Key=key)
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            self._put(key, package.zip.read_bytes())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Deploy alone. DeployError while someone else does.

        Without a bucket there is nothing to lock, nor anything that could be deployed.
        """
        mine = {"by": self._cloud.identity["arn"], "at": now()}
        try:
            self._put(LOCK, json.dumps(mine).encode(), IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                yield
                return
            if code_of(error) not in REFUSED:
                raise
            held = self.read(LOCK).content
            raise DeployError(
                f"{held.get('by', 'Someone')} deploys {self._cloud.stage} since "
                f"{held.get('at', 'a moment')}; if that has ended: "
                f"./deploy-lambda.sh unlock {self._cloud.stage}"
            ) from error
        try:
            yield
        finally:
            self.unlock()

    def unlock(self) -> None:
        """Let others deploy."""
        self._s3.delete_object(Bucket=self._cloud.bucket, Key=LOCK)

    def _put(self, key: str, content: bytes, **condition: str) -> None:
        self._s3.put_object(
            Bucket=self._cloud.bucket, Key=key, Body=content, **condition
        )


def now() -> str:
    """This moment, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
