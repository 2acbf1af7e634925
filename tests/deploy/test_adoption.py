"""What a deployment that broke off left behind is found, and nothing else is."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from deploy.adoption import complete, find_all
from deploy.cloud import Cloud
from tests.deploy.stage import make_what_terraform_makes, session

Json = dict[str, Any]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        made = Cloud("dev", session())
        make_what_terraform_makes(made)
        yield made


def make_function(cloud: Cloud, name: str) -> str:
    """A function with a role of its name, as Chalice makes it; its ARN."""
    role = cloud.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument='{"Version": "2012-10-17"}'
    )["Role"]["Arn"]
    made = cloud.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="app.one",
        Code={"ZipFile": b"PK\5\6" + bytes(18)},
    )
    return str(made["FunctionArn"])


def make_rest_api(cloud: Cloud, function: str) -> str:
    """An API with one method that calls a function; its id."""
    client = cloud.client("apigateway")
    api: str = client.create_rest_api(name="tilts")["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    client.put_method(**method, authorizationType="NONE")
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    client.put_integration(
        **method,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:us-east-1:lambda:path/functions/{arn}/invocations",
    )
    return api


def make_socket_api(cloud: Cloud, *, staged: bool) -> str:
    """The stage's WebSocket API, given its stage or broken off before; its id."""
    client = cloud.client("apigatewayv2")
    api: str = client.create_api(
        Name=f"{cloud.prefix}-websocket-api", ProtocolType="WEBSOCKET"
    )["ApiId"]
    if staged:
        client.create_stage(ApiId=api, StageName="v1")
    return api


def kinds(record: Json) -> list[str]:
    return sorted(one["resource_type"] for one in record["resources"])


def test_nothing_is_found_where_nothing_is(cloud: Cloud) -> None:
    assert find_all(cloud, {})["resources"] == []
    assert complete(cloud, {})["resources"] == []


def test_what_no_record_names_is_added_to_it(cloud: Cloud) -> None:
    arn = make_function(cloud, "tilts-dev-play_episodes")
    queue = "arn:aws:sqs:us-east-1:123456789012:tilts-dev-play"
    made = cloud.client("lambda").create_event_source_mapping(
        FunctionName=arn, EventSourceArn=queue
    )
    api, socket = make_rest_api(cloud, "tilts-dev"), make_socket_api(cloud, staged=True)
    found = {one["name"]: one for one in complete(cloud, {})["resources"]}
    assert found["play_episodes-sqs-event-source"] == {
        "name": "play_episodes-sqs-event-source",
        "resource_type": "sqs_event",
        "queue_arn": queue,
        "event_uuid": made["UUID"],
        "queue": "tilts-dev-play",
        "lambda_arn": arn,
    }
    assert found["rest_api"]["rest_api_id"] == api
    assert found["rest_api"]["rest_api_url"] == (
        f"https://{api}.execute-api.us-east-1.amazonaws.com/v1/"
    )
    assert found["websocket_api"]["websocket_api_id"] == socket
    assert complete(cloud, {"resources": list(found.values())}) == complete(cloud, {})


def test_what_the_record_names_stands(cloud: Cloud) -> None:
    make_rest_api(cloud, "tilts-dev")
    known = {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "mine"}
    assert complete(cloud, {"resources": [known]})["resources"] == [known]


def test_another_stages_are_left_alone(cloud: Cloud) -> None:
    make_function(cloud, "tilts-prod-sweep")
    make_function(cloud, "tilts-prod")
    make_rest_api(cloud, "tilts-prod")
    make_socket_api(Cloud("prod", session()), staged=True)
    cloud.client("events").put_rule(
        Name="tilts-dev-alarm-event", ScheduleExpression="rate(1 day)"
    )
    assert find_all(cloud, {})["resources"] == []
    assert complete(cloud, {})["resources"] == []


def test_a_socket_without_its_stage_is_not_updated_but_is_taken_down(
    cloud: Cloud,
) -> None:
    make_socket_api(cloud, staged=False)
    assert complete(cloud, {})["resources"] == []
    assert kinds(find_all(cloud, {})) == ["websocket_api"]


def test_everything_is_found_when_a_stage_is_taken_down(cloud: Cloud) -> None:
    arn = make_function(cloud, "tilts-dev-sweep")
    events = cloud.client("events")
    events.put_rule(Name="tilts-dev-sweep-event", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="tilts-dev-sweep-event", Targets=[{"Id": "1", "Arn": arn}])
    make_rest_api(cloud, "tilts-dev")
    make_rest_api(cloud, "tilts-dev")
    left = cloud.client("iam").create_role(
        RoleName="tilts-dev-notify",
        AssumeRolePolicyDocument='{"Version": "2012-10-17"}',
    )["Role"]["Arn"]
    recorded = [
        {
            "name": "notify_role",
            "resource_type": "iam_role",
            "role_arn": left,
            "role_name": "tilts-dev-notify",
        },
        {
            "name": "api_gateway_custom_domain",
            "resource_type": "domain_name",
            "domain_name": "api.example.org",
        },
    ]
    found = find_all(cloud, {"resources": recorded})
    assert kinds(found) == [
        "cloudwatch_event",
        "domain_name",
        "iam_role",
        "iam_role",
        "lambda_function",
        "rest_api",
        "rest_api",
    ]
    names = [one["name"] for one in found["resources"]]
    assert len(names) == len(set(names))
