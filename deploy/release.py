"""Deploying all or a part, going back, and what each run leaves on record."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from deploy.adoption import complete
from deploy.boundary import bound_roles
from deploy.cloud import Cloud
from deploy.commands import CHALICE as CHALICE_COMMAND
from deploy.commands import ROOT, DeployError, run, say
from deploy.functions import (
    check_health,
    check_runtime,
    deployed_functions,
    sha_of,
    update_code,
)
from deploy.gateway import finish_rest, publish_sockets
from deploy.package import Package
from deploy.preflight import git
from deploy.records import CHALICE, Records

UPLOAD_SECONDS: Final = "300"
RUNTIME: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"

Json = dict[str, Any]


def record_file(folder: Path, stage: str) -> Path:
    """Where Chalice keeps its record of a stage."""
    return folder / ".chalice" / "deployed" / f"{stage}.json"


def place_record(folder: Path, stage: str, record: Json) -> None:
    """Let Chalice find a record."""
    path = record_file(folder, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def deploy_all(cloud: Cloud, package: Package) -> Json:
    """`chalice deploy` with the record of the bucket; the record afterwards. DeployError."""
    records = Records(cloud)
    records.keep(package)
    before = records.read(CHALICE)
    record = complete(cloud, before.content)
    place_record(package.source, cloud.stage, record)
    say("chalice deploy ...")
    command = [*CHALICE_COMMAND, "deploy", "--stage", cloud.stage]
    run([*command, "--connection-timeout", UPLOAD_SECONDS], package.source)
    path = record_file(package.source, cloud.stage)
    record = dict(json.loads(path.read_text("utf-8")))
    records.write(CHALICE, record, before.version)
    keep_here(path, cloud.stage)
    bound_roles(cloud, record)
    finish_rest(cloud, record)
    last = last_release(records)
    socket = publish_sockets(cloud, record, last.get("socket"))
    functions = dict.fromkeys(deployed_functions(record), package.sha)
    update_code(cloud, functions)
    note(records, package, "all", functions, {"shape": package.shape, "socket": socket})
    return record


def keep_here(path: Path, stage: str) -> None:
    """Copy the record to where `chalice url` and the like look for it."""
    target = record_file(ROOT, stage)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


def deploy_part(cloud: Cloud, package: Package, target: str) -> Json:
    """Update the code of `api` or `workers` alone; the record. DeployError."""
    records = Records(cloud)
    record = records.read(CHALICE).content
    last = last_release(records)
    check_part(cloud, record, last, package)
    records.keep(package)
    chosen = dict.fromkeys(deployed_functions(record, target), package.sha)
    update_code(cloud, chosen)
    note(records, package, target, {**last["functions"], **chosen}, kept_state(last))
    return record


def check_part(cloud: Cloud, record: Json, last: Json, package: Package) -> None:
    """DeployError where new code alone would not do."""
    whole = f"./deploy-lambda.sh all {cloud.stage}"
    if not record or not last:
        raise DeployError(f"Nothing is deployed at {cloud.stage} yet: {whole}")
    if last.get("shape") != package.shape:
        raise DeployError(
            f"Routes, triggers, configuration or policies have changed: {whole}"
        )
    for function in deployed_functions(record):
        check_runtime(cloud, function, RUNTIME)


def go_back(cloud: Cloud) -> Json:
    """Give functions the packages of the release before; the record. DeployError."""
    records = Records(cloud)
    releases = records.releases()
    wanted = release_before(releases)
    record = records.read(CHALICE).content
    here = set(deployed_functions(record))
    functions = {k: v for k, v in wanted["functions"].items() if k in here}
    say(f"Going back to {describe(wanted)}")
    update_code(cloud, functions)
    now = releases[-1]
    if wanted.get("shape") != now.get("shape"):
        say(
            "Note: routes, triggers, configuration and policies stay as they are; to "
            f"take those back too, check out {wanted['commit'][:12]} and deploy all."
        )
    records.add_release(
        {
            "target": "rollback",
            "restores": wanted["at"],
            "commit": wanted["commit"],
            "functions": {**now["functions"], **functions},
            **kept_state(now),
        }
    )
    return record


def release_before(releases: list[Json]) -> Json:
    """What ran before the newest release; after a rollback, one further. DeployError."""
    if not releases:
        raise DeployError("Nothing was deployed that could be gone back to.")
    places = {one["at"]: place for place, one in enumerate(releases)}
    place = len(releases) - 1
    while place >= 0 and "restores" in releases[place]:
        place = places.get(releases[place]["restores"], -1)
    if place < 1:
        raise DeployError("There is no release before this one, or none is kept.")
    return releases[place - 1]


def describe(release: Json) -> str:
    """A release in one line."""
    dirty = " with changes" if release.get("dirty") else ""
    return f"{release['at']} {release['target']} {release['commit'][:12]}{dirty}"


def last_release(records: Records) -> Json:
    """The newest release; empty if there was none."""
    releases = records.releases()
    return releases[-1] if releases else {}


def kept_state(release: Json) -> Json:
    """What new code does not change: the deployed shape and the published routes."""
    return {key: release.get(key) for key in ("shape", "socket")}


def note(
    records: Records, package: Package, target: str, functions: Json, state: Json
) -> None:
    """Put a release on record."""
    records.add_release(
        {
            "target": target,
            "commit": git(ROOT, "rev-parse", "HEAD"),
            "dirty": bool(git(ROOT, "status", "--porcelain")),
            "package": package.sha,
            "functions": functions,
            **state,
        }
    )


def show(cloud: Cloud, record: Json) -> None:
    """Check that the API answers, and say where it is. DeployError."""
    check_health(cloud)
    for one in record["resources"]:
        for key in ("rest_api_url", "websocket_api_url"):
            if key in one:
                say(f"{'REST' if key == 'rest_api_url' else 'Socket'}: {one[key]}")


def foretell(cloud: Cloud, target: str, package: Package) -> None:
    """Say what a deployment would do, and change nothing. DeployError."""
    records = Records(cloud)
    record = records.read(CHALICE).content
    last = last_release(records)
    if target != "all":
        check_part(cloud, record, last, package)
    for function in deployed_functions(record, target):
        same = sha_of(cloud, function) == package.sha
        say(f"{function}: {'stays as it is' if same else 'gets new code'}")
    if target == "all":
        say(first_line(record, last, package))


def first_line(record: Json, last: Json, package: Package) -> str:
    """What `all` would do besides the code."""
    if not record:
        return "All functions, the REST API, the socket and their roles are made."
    if last.get("shape") != package.shape:
        return "Routes, triggers, configuration and policies are brought up to date."
    return "Routes, triggers, configuration and policies are the same."
