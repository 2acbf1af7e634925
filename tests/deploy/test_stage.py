"""A stage is deployed with `make deploy`, plays, is deployed again, and taken down."""

import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.cloud import QUEUES
from deploy.commands import DeployError
from deploy.functions import check_health, deployed_functions, sha_of, update_code
from deploy.gateway import publish_sockets
from deploy.package import Package
from deploy.records import CHALICE, LOCK, RELEASES, Records, package_key
from tests.deploy.stage import ROOT, Stage

Json = dict[str, Any]

SECONDS = 120
SCHEDULED = json.loads((ROOT / "tests/data/events/schedule.json").read_text("utf-8"))


def record_of(stage: Stage) -> Json:
    return Records(stage.cloud).read(CHALICE).content


def addresses(output: str) -> list[str]:
    return [
        line for line in output.splitlines() if line.startswith(("REST:", "Socket:"))
    ]


def wait_for(found: Callable[[], Any]) -> Any:
    """What is found at last."""
    ends = time.monotonic() + SECONDS
    while not (value := found()):
        assert time.monotonic() < ends, "nothing was found"
        time.sleep(1)
    return value


@pytest.fixture
def deployed(stage: Stage) -> Stage:
    """The stage, deployed, whatever was done to it before."""
    if not record_of(stage):
        done = stage.make("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(addresses(done.stdout)) == 2
    return stage


def test_what_is_deployed_runs_the_package(deployed: Stage, packaged: Package) -> None:
    record = record_of(deployed)
    functions = deployed_functions(record)
    assert len(functions) == 9
    assert {sha_of(deployed.cloud, name) for name in functions} == {packaged.sha}
    (release,) = Records(deployed.cloud).releases()[-1:]
    assert release["functions"] == dict.fromkeys(functions, packaged.sha)
    for one in record["resources"]:
        if one["resource_type"] == "iam_role":
            role = deployed.client("iam").get_role(RoleName=one["role_name"])["Role"]
            bounds = role["PermissionsBoundary"]["PermissionsBoundaryArn"]
            assert bounds.endswith(":policy/tilts-dev-boundary")


def test_api_gateways_own_replies_are_problems_and_requests_are_limited(
    deployed: Stage,
) -> None:
    (api,) = deployed.client("apigateway").get_rest_apis()["items"]
    client = deployed.client("apigateway")
    reply = client.get_gateway_response(restApiId=api["id"], responseType="THROTTLED")
    assert reply["statusCode"] == "429"
    body = json.loads(reply["responseTemplates"]["application/json"])
    assert (body["status"], body["type"]) == (429, "about:blank")
    limits = client.get_stage(restApiId=api["id"], stageName="v1")["methodSettings"]
    assert limits["*/*"]["throttlingRateLimit"] > 0


def test_an_evaluation_is_played_and_watched_through_what_was_deployed(
    deployed: Stage,
) -> None:
    before = len(deployed.noted("invocations"))
    made = deployed.ask("key", "dev")
    assert made.returncode == 0, made.stderr
    stage = replace(deployed, key=made.stdout.split()[0])
    assert stage.call("GET", "/me")["body"]["role"] == "admin"
    stage.tell_socket("connect")
    stage.tell_socket("message", {"action": "watch", "topic": "live"})
    asked = {"suite": "tiny-1", "players": ["baseline~random~1"]}
    made_evaluation = stage.call("POST", "/evaluations", asked)
    assert made_evaluation["status"] == 202, made_evaluation
    path = f"/evaluations/{made_evaluation['body']['id']}"

    def finished() -> Json | None:
        reply = stage.call("GET", path)
        assert reply["status"] == 200, reply
        body: Json = reply["body"]
        return body if body["status"] == "finished" else None

    evaluation = wait_for(finished)
    assert evaluation["end"] == "complete"
    results = stage.call("GET", f"{path}/results")["body"]["items"]
    assert len(results) == 8
    check_rows(stage, results[0]["episode"])
    check_frames(stage, results[0]["episode"])
    stage.invoke("tilts-dev-sweep", SCHEDULED)
    wrong = [one for one in stage.noted("invocations")[before:] if one["failed"]]
    assert not wrong


def check_rows(stage: Stage, episode: str) -> None:
    """The episode's events stand in the table as its log."""
    events = stage.call("GET", f"/episodes/{episode}/events")["body"]["items"]
    rows = stage.client("dynamodb").scan(TableName="tilts-dev-episodes")["Items"]
    logged = [
        row
        for row in rows
        if episode in json.dumps(row["pk"]) and row["sk"]["S"].startswith("E#")
    ]
    assert len(logged) == len(events) >= 3


def check_frames(stage: Stage, episode: str) -> None:
    """The spectator was told that games are on, and is sent every event on demand."""

    def kinds() -> list[str]:
        return [one["frame"]["type"] for one in stage.noted("frames")]

    wait_for(lambda: kinds().count("state") >= 2)
    stage.tell_socket(
        "message", {"action": "watch", "topic": f"episode:{episode}", "after": 0}
    )
    assert kinds().count("event") >= 3
    assert "caught-up" in kinds()
    stage.tell_socket("disconnect")


def test_code_that_does_not_run_is_told_and_replaced(
    deployed: Stage, packaged: Package, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(broken, "w") as zipped:
        zipped.writestr("app.py", "import a_package_that_was_forgotten\n")
    deployed.client("lambda").update_function_code(
        FunctionName="tilts-dev", ZipFile=broken.read_bytes()
    )
    with pytest.raises(DeployError, match=r"does not answer .* rollback dev"):
        check_health(deployed.cloud)
    update_code(deployed.cloud, {"tilts-dev": packaged.sha})
    check_health(deployed.cloud)


def test_deploying_again_mends_what_is_missing_and_changes_no_address(
    deployed: Stage,
) -> None:
    before = record_of(deployed)
    published = len(deployed.noted("deployments"))
    deployed.client("s3").delete_object(Bucket=deployed.cloud.bucket, Key=CHALICE)
    client = deployed.client("lambda")
    client.delete_function(FunctionName="tilts-dev-sweep")
    (trigger,) = (
        one["event_uuid"]
        for one in before["resources"]
        if one["name"] == "notify-sqs-event-source"
    )
    client.delete_event_source_mapping(UUID=trigger)
    done = deployed.ask("all", "dev")
    assert done.returncode == 0, done.stderr
    urls = {
        value
        for one in before["resources"]
        for name, value in one.items()
        if name.endswith("_url")
    }
    assert {line.split()[1] for line in addresses(done.stdout)} == urls
    assert len(deployed.client("apigateway").get_rest_apis()["items"]) == 1
    assert len(deployed.client("apigatewayv2").get_apis()["Items"]) == 1
    assert len(client.list_functions()["Functions"]) == 9
    mappings = client.list_event_source_mappings()["EventSourceMappings"]
    assert len(mappings) == len(QUEUES)
    assert len(deployed.noted("deployments")) == published


def test_routes_of_the_socket_are_published_once_they_differ(deployed: Stage) -> None:
    record = record_of(deployed)
    state = Records(deployed.cloud).releases()[-1]["socket"]
    assert set(state["routes"]) == {"$connect", "$default", "$disconnect"}
    before = len(deployed.noted("deployments"))
    assert publish_sockets(deployed.cloud, record, state) == state
    assert len(deployed.noted("deployments")) == before
    fewer = {**state, "routes": {"$connect": state["routes"]["$connect"]}}
    assert publish_sockets(deployed.cloud, record, fewer) == state
    published = deployed.noted("deployments")[before:]
    assert [(one["api"], one["stageName"]) for one in published] == [
        (state["api"], "v1")
    ]


def test_taking_down_keeps_data_and_can_be_repeated(
    deployed: Stage, packaged: Package
) -> None:
    done = deployed.ask("teardown", "dev", "--yes")
    assert done.returncode == 0, done.stderr
    assert deployed.client("lambda").list_functions()["Functions"] == []
    assert deployed.client("apigateway").get_rest_apis()["items"] == []
    assert deployed.client("apigatewayv2").get_apis()["Items"] == []
    assert deployed.client("iam").list_roles()["Roles"] == []
    assert deployed.client("events").list_rules()["Rules"] == []
    assert len(deployed.client("dynamodb").list_tables()["TableNames"]) == 4
    kept = deployed.client("s3").list_objects_v2(Bucket=deployed.cloud.bucket)
    names = {one["Key"] for one in kept["Contents"]}
    assert {RELEASES, package_key(packaged.sha)} <= names
    assert not {CHALICE, LOCK} & names
    again = deployed.ask("teardown", "dev", "--yes")
    assert again.returncode == 0, again.stderr
    assert "Nothing of dev is deployed." in again.stdout
