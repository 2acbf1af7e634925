"""What Chalice leaves open at API Gateway: socket deployments, its own errors, limits."""

import json
from pathlib import Path
from typing import Any, Final

from deploy.cloud import GATEWAY_STAGE, Cloud
from deploy.commands import say

SETTINGS: Final = Path(__file__).parent / "gateway.json"
"""Replies that API Gateway gives by itself, and how many requests a stage takes."""

Json = dict[str, Any]


def resource_of(record: Json, kind: str) -> Json:
    """The one resource of a kind in a record."""
    (found,) = (one for one in record["resources"] if one["resource_type"] == kind)
    return dict(found)


def socket_routes(cloud: Cloud, api: str) -> dict[str, str]:
    """What each route of a WebSocket API calls."""
    uris = {
        one["IntegrationId"]: one["IntegrationUri"]
        for one in cloud.pages("apigatewayv2", "get_integrations", "Items", ApiId=api)
    }
    return {
        one["RouteKey"]: uris[one["Target"].removeprefix("integrations/")]
        for one in cloud.pages("apigatewayv2", "get_routes", "Items", ApiId=api)
    }


def publish_sockets(cloud: Cloud, record: Json, published: Json | None) -> Json:
    """Publish the socket's routes if they differ from those published last; the routes.

    Chalice makes routes anew at each update and never publishes them.
    """
    api = resource_of(record, "websocket_api")["websocket_api_id"]
    routes = socket_routes(cloud, api)
    state = {"api": api, "routes": routes}
    if state != published:
        say("Publishing the routes of the socket ...")
        cloud.client("apigatewayv2").create_deployment(
            ApiId=api, StageName=GATEWAY_STAGE
        )
    return state


def problem_template(reply: Json) -> str:
    """A problem (RFC 9457) as API Gateway fills it in.

    It knows of its own replies what they are called; a status of ours stands in them.
    """
    problem = {"type": "about:blank", "title": reply["title"]}
    problem["detail"] = "$context.error.responseType"
    problem["request_id"] = "$context.requestId"
    if reply["status"]:
        return json.dumps({**problem, "status": reply["status"]})
    return json.dumps(problem)


def finish_rest(cloud: Cloud, record: Json) -> None:
    """Give the REST API its own error replies and its limits, and publish them.

    Chalice imports the whole API anew at each update, which takes them away.
    """
    api = resource_of(record, "rest_api")["rest_api_id"]
    settings = json.loads(SETTINGS.read_text("utf-8"))
    client = cloud.client("apigateway")
    say("Setting error replies and limits of the REST API ...")
    for kind, reply in settings["replies"].items():
        status = {"statusCode": str(reply["status"])} if reply["status"] else {}
        client.put_gateway_response(
            restApiId=api,
            responseType=kind,
            responseParameters=settings["headers"],
            responseTemplates={"application/json": problem_template(reply)},
            **status,
        )
    traced = client.get_stage(restApiId=api, stageName=GATEWAY_STAGE)
    client.create_deployment(
        restApiId=api,
        stageName=GATEWAY_STAGE,
        tracingEnabled=traced.get("tracingEnabled", False),
    )
    client.update_stage(
        restApiId=api,
        stageName=GATEWAY_STAGE,
        patchOperations=[
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(value)}
            for name, value in settings["throttling"].items()
        ],
    )
