"""The OpenAPI 3.1 document, generated from the endpoints and their shapes."""

import json
from functools import cache
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from chalicelib.routes.endpoints import ENDPOINTS, JSON_TYPE, PROBLEM_TYPE, Endpoint
from chalicelib.routes.shapes import Problem

Json = dict[str, Any]
REFERENCE: Final = "#/components/schemas/{model}"


@cache
def write_openapi(version: str) -> str:
    """The document as text."""
    return json.dumps(make_openapi(version), indent=1) + "\n"


def make_openapi(version: str) -> Json:
    """The document."""
    models: list[Any] = [(Problem, "serialization")]
    for endpoint in ENDPOINTS:
        if endpoint.reply is not None:
            models.append((endpoint.reply, "serialization"))
        if endpoint.body is not None:
            models.append((endpoint.body, "validation"))
    names, components = models_json_schema(
        list(dict.fromkeys(models)), ref_template=REFERENCE
    )
    paths: Json = {}
    for endpoint in ENDPOINTS:
        operation = describe(endpoint, names)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tilts",
            "version": version,
            "description": "Language models play logic games; every move is graded "
            "against exact mathematics.",
        },
        "servers": [{"url": "/v1"}],
        "paths": paths,
        "components": {"schemas": components["$defs"]},
    }


def describe(endpoint: Endpoint, names: Any) -> Json:
    """One operation."""
    content: Json = {kind: {"schema": {}} for kind in endpoint.other_types}
    if endpoint.reply is not None:
        content[JSON_TYPE] = {"schema": names[endpoint.reply, "serialization"]}
    problem = {"schema": names[Problem, "serialization"]}
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [
            *path_parameters(endpoint),
            *query_parameters(endpoint),
            *header_parameters(endpoint),
        ],
        "responses": {
            str(endpoint.status): {"description": "Done.", "content": content},
            "default": {
                "description": "What went wrong.",
                "content": {PROBLEM_TYPE: problem},
            },
        },
    }
    if endpoint.method == "GET" and endpoint.reply is not None:
        operation["responses"]["304"] = {"description": "As If-None-Match has it."}
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON_TYPE: {"schema": names[endpoint.body, "validation"]}},
        }
    return operation


def path_parameters(endpoint: Endpoint) -> list[Json]:
    """The parts of the path that vary."""
    parts = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    return [
        {"name": part, "in": "path", "required": True, "schema": {"type": "string"}}
        for part in parts
    ]


def header_parameters(endpoint: Endpoint) -> list[Json]:
    """The headers that an operation reads."""
    names = []
    if endpoint.method == "GET" and endpoint.reply is not None:
        names.append("If-None-Match")
    if endpoint.path == "/evaluations" and endpoint.method == "POST":
        names.append("Idempotency-Key")
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in names
    ]


def query_parameters(endpoint: Endpoint) -> list[Json]:
    """The declared parameters of the query."""
    schema = endpoint.query.model_json_schema(mode="validation")
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": shape}
        for name, shape in schema.get("properties", {}).items()
    ]
