"""The code of deployed functions: which there are, what they run, giving them other code."""

import base64
import json
from typing import Any, Final

from deploy.cloud import Cloud
from deploy.commands import DeployError, say
from deploy.records import package_key

API: Final = (
    "api_handler",
    "websocket_connect",
    "websocket_message",
    "websocket_disconnect",
)
"""Handlers that answer requests and sockets; all others are workers."""

Json = dict[str, Any]


def deployed_functions(record: Json, target: str = "all") -> list[str]:
    """The names of the functions that a record holds: `api`, `workers` or `all`."""
    wanted = {"api": (True,), "workers": (False,), "all": (True, False)}[target]
    return [
        one["lambda_arn"].rpartition(":")[2]
        for one in record.get("resources", ())
        if one["resource_type"] == "lambda_function" and (one["name"] in API) in wanted
    ]


def sha_of(cloud: Cloud, function: str) -> str:
    """SHA-256 of the package that a function runs."""
    found = cloud.client("lambda").get_function_configuration(FunctionName=function)
    return base64.b64decode(found["CodeSha256"]).hex()


def check_runtime(cloud: Cloud, function: str, wanted: str) -> None:
    """DeployError if a function runs another Python than a package was made with."""
    found = cloud.client("lambda").get_function_configuration(FunctionName=function)
    if found["Runtime"] != wanted:
        raise DeployError(
            f"{function} runs {found['Runtime']}, this package is for {wanted}: "
            f"./deploy-lambda.sh all {cloud.stage}"
        )


def update_code(cloud: Cloud, packages: dict[str, str]) -> list[str]:
    """Give each function the package it should run; those that had another one."""
    client = cloud.client("lambda")
    changed = []
    for function, sha in packages.items():
        if sha_of(cloud, function) == sha:
            continue
        say(f"Updating the code of {function} ...")
        client.update_function_code(
            FunctionName=function, S3Bucket=cloud.bucket, S3Key=package_key(sha)
        )
        changed.append(function)
    for function in changed:
        client.get_waiter("function_updated_v2").wait(FunctionName=function)
    return changed


HEALTH: Final = {
    "resource": "/health",
    "path": "/health",
    "httpMethod": "GET",
    "headers": {},
    "multiValueHeaders": {},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "requestContext": {
        "resourcePath": "/health",
        "httpMethod": "GET",
        "requestId": "deploy",
        "identity": {"sourceIp": "127.0.0.1"},
    },
    "body": None,
    "isBase64Encoded": False,
}


def check_health(cloud: Cloud) -> None:
    """Ask the API whether it works. DeployError."""
    answer = cloud.client("lambda").invoke(
        FunctionName=cloud.prefix, Payload=json.dumps(HEALTH)
    )
    reply = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError") or reply.get("statusCode") != 200:
        why = (
            reply.get("errorMessage")
            or reply.get("body")
            or answer.get("FunctionError")
        )
        raise DeployError(
            f"What was deployed does not answer /health: {str(why).splitlines()[0][:300]}; "
            f"go back: ./deploy-lambda.sh rollback {cloud.stage}"
        )
