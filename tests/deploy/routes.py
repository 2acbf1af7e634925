"""What API Gateway hands to functions: requests and sockets."""

import json
from typing import Any
from urllib.parse import parse_qsl

import app

Json = dict[str, Any]

SOCKET_KEYS = {
    "connect": "$connect",
    "message": "$default",
    "disconnect": "$disconnect",
}


def find_route(path: str) -> tuple[str, dict[str, str]]:
    """The route of the app that a path leads to, and what its names stand for."""
    parts = path.split("/")
    for route in app.app.routes:
        names = route.split("/")
        pairs = list(zip(names, parts, strict=False))
        if len(names) == len(parts) and all(
            name == part or name.startswith("{") for name, part in pairs
        ):
            return route, {n.strip("{}"): p for n, p in pairs if n.startswith("{")}
    raise AssertionError(f"no route of the app is {path}")


def rest_event(key: str, method: str, path: str, body: Any = None) -> Json:
    """A request for one of the deployed API's routes, with an access key."""
    bare, _, query = path.partition("?")
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query):
        values.setdefault(name, []).append(value)
    route, parameters = find_route(bare)
    headers = {"host": "api.example.org", "content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    return {
        "resource": route,
        "path": bare,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: many[-1] for name, many in values.items()}
        or None,
        "multiValueQueryStringParameters": values or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "path": f"/v1{bare}",
            "httpMethod": method,
            "stage": "v1",
            "requestId": "6a1b6d3e-6c0b-4a7e-9d1e-0d6f6a1b6d3e",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "tests"},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def socket_event(handler: str, body: Any = None) -> Json:
    """What a spectator does, as the socket's functions are told."""
    return {
        "headers": {"Host": "sockets.example.org"},
        "requestContext": {
            "routeKey": SOCKET_KEYS[handler],
            "eventType": handler.upper(),
            "connectionId": "L0SM9cOFvHcCIhw=",
            "apiId": "wsapi",
            "stage": "v1",
            "domainName": "wsapi.execute-api.us-east-1.amazonaws.com",
            "requestId": "L0SNAEOFPHcFzQg=",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "isBase64Encoded": False,
        **({} if body is None else {"body": json.dumps(body)}),
    }
