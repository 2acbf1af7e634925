"""What of this stage is in AWS, in the words of Chalice's record.

Chalice writes its record last: a deployment that broke off leaves functions, APIs and
triggers that no record names, and the next one would make a second API beside them.
Its own lookups find functions and roles by name; the rest is found here.
"""

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from deploy.cloud import GATEWAY_STAGE, GONE, Cloud, code_of

Json = dict[str, Any]

UNSEEN: Final = ("domain_name",)
"""Kinds that are known from the record alone."""


def find_all(cloud: Cloud, record: Json) -> Json:
    """Everything of this stage, as a record, in the order in which it is deployed."""
    recorded = record.get("resources", [])
    functions = list(find_functions(cloud))
    return as_record(
        [
            *find_roles(cloud, functions, recorded),
            *({k: v for k, v in one.items() if k != "role"} for one in functions),
            *find_triggers(cloud, functions),
            *find_rules(cloud),
            *find_rest_apis(cloud),
            *find_socket_apis(cloud),
            *(one for one in recorded if one["resource_type"] in UNSEEN),
        ]
    )


def complete(cloud: Cloud, record: Json) -> Json:
    """The record with what it does not name, so that it is updated, not made twice."""
    recorded = record.get("resources", [])
    named = {one["name"] for one in recorded}
    adopted = [
        *find_triggers(cloud, list(find_functions(cloud))),
        *find_rest_apis(cloud),
        *find_socket_apis(cloud, finished=True),
    ]
    return as_record([*(one for one in adopted if one["name"] not in named), *recorded])


def as_record(resources: list[Json]) -> Json:
    """Resources as Chalice writes them down."""
    return {"resources": resources, "schema_version": "2.0", "backend": "api"}


def find_functions(cloud: Cloud) -> Iterator[Json]:
    """The stage's functions, each with its role."""
    for one in cloud.pages("lambda", "list_functions", "Functions"):
        name = one["FunctionName"]
        if name == cloud.prefix or name.startswith(f"{cloud.prefix}-"):
            yield {
                "name": name.removeprefix(cloud.prefix).lstrip("-") or "api_handler",
                "resource_type": "lambda_function",
                "lambda_arn": one["FunctionArn"],
                "role": one["Role"],
            }


def find_roles(
    cloud: Cloud, functions: list[Json], recorded: list[Json]
) -> Iterator[Json]:
    """The roles of the stage's functions, and those that the record names."""
    names = {one["role"].rpartition("/")[2] for one in functions}
    names |= {one["role_name"] for one in recorded if "role_name" in one}
    for name in sorted(names):
        try:
            found = cloud.client("iam").get_role(RoleName=name)["Role"]
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            continue
        yield {
            "name": f"{name}_role",
            "resource_type": "iam_role",
            "role_arn": found["Arn"],
            "role_name": name,
        }


def find_triggers(cloud: Cloud, functions: list[Json]) -> Iterator[Json]:
    """Which queue wakes which function."""
    for function in functions:
        arn = function["lambda_arn"]
        for one in cloud.pages(
            "lambda",
            "list_event_source_mappings",
            "EventSourceMappings",
            FunctionName=arn,
        ):
            if one.get("State") != "Deleting":
                yield {
                    "name": f"{function['name']}-sqs-event-source",
                    "resource_type": "sqs_event",
                    "queue_arn": one["EventSourceArn"],
                    "event_uuid": one["UUID"],
                    "queue": one["EventSourceArn"].rpartition(":")[2],
                    "lambda_arn": arn,
                }


def find_rules(cloud: Cloud) -> Iterator[Json]:
    """The schedules that wake the stage's functions."""
    prefix = f"{cloud.prefix}-"
    for one in cloud.pages("events", "list_rules", "Rules", NamePrefix=prefix):
        targets = cloud.client("events").list_targets_by_rule(Rule=one["Name"])
        if any(f":function:{prefix}" in target["Arn"] for target in targets["Targets"]):
            yield {
                "name": one["Name"].removeprefix(prefix),
                "resource_type": "cloudwatch_event",
                "rule_name": one["Name"],
            }


def find_rest_apis(cloud: Cloud) -> Iterator[Json]:
    """APIs whose methods call the stage's function: those of all stages bear one name."""
    found = [
        one["id"]
        for one in cloud.pages("apigateway", "get_rest_apis", "items")
        if one["name"] == "tilts" and calls_stage(cloud, one["id"])
    ]
    for number, api in enumerate(found):
        yield {
            "name": numbered("rest_api", number),
            "resource_type": "rest_api",
            "rest_api_id": api,
            "rest_api_url": f"https://{address(cloud, api)}",
        }


def numbered(name: str, number: int) -> str:
    """The name of the first of its kind, and of others that should not be there."""
    return f"{name}-{number + 1}" if number else name


def calls_stage(cloud: Cloud, api: str) -> bool:
    """Whether an API calls this stage's function."""
    target = f":function:{cloud.prefix}/invocations"
    asked = {"restApiId": api, "embed": ["methods"]}
    return any(
        target in str(method.get("methodIntegration", {}).get("uri"))
        for resource in cloud.pages("apigateway", "get_resources", "items", **asked)
        for method in resource.get("resourceMethods", {}).values()
    )


def find_socket_apis(cloud: Cloud, *, finished: bool = False) -> Iterator[Json]:
    """The stage's WebSocket APIs; on demand only those that were given their stage.

    Chalice makes the stage with the API alone and never later: one without it cannot
    be mended, only made anew.
    """
    name = f"{cloud.prefix}-websocket-api"
    found = [
        one["ApiId"]
        for one in cloud.pages("apigatewayv2", "get_apis", "Items")
        if one["Name"] == name and (not finished or has_stage(cloud, one["ApiId"]))
    ]
    for number, api in enumerate(found):
        yield {
            "name": numbered("websocket_api", number),
            "resource_type": "websocket_api",
            "websocket_api_id": api,
            "websocket_api_url": f"wss://{address(cloud, api)}",
        }


def has_stage(cloud: Cloud, api: str) -> bool:
    """Whether a WebSocket API can be reached."""
    stages = cloud.client("apigatewayv2").get_stages(ApiId=api)["Items"]
    return any(one["StageName"] == GATEWAY_STAGE for one in stages)


def address(cloud: Cloud, api: str) -> str:
    """Where an API is reached, as Chalice writes it."""
    region = cloud.session.region_name
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{api}.execute-api.{region}.{domain}/{GATEWAY_STAGE}/"
