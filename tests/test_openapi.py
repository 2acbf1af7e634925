"""The OpenAPI document is valid, complete, and what the routes do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib.routes.endpoints import ENDPOINTS
from chalicelib.routes.openapi import make_openapi, write_openapi
from chalicelib.settings import read_settings
from tests.schemas import malformed, problems

Json = dict[str, Any]

WRITTEN = Path(__file__).parent.parent / "docs" / "openapi.json"
DOCUMENT = make_openapi("test")
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}


def misshapen(operation: Json, path: str, definitions: Json) -> Iterator[str]:
    """What OpenAPI 3.1 asks of an operation and this one does not give."""
    known = {"summary", "parameters", "responses", "requestBody", "operationId", "tags"}
    for name in set(operation) - known - {"description"}:
        yield f"unknown field {name}"
    if not operation.get("summary", "").endswith("."):
        yield "no sentence that says what it does"
    yield from misshapen_parameters(operation["parameters"], path, definitions)
    contents = list(operation["responses"].values())
    for status, response in operation["responses"].items():
        if not re.fullmatch(r"default|[2-5]\d\d", status):
            yield f"a response has the status {status}"
        if not response.get("description"):
            yield f"response {status} has no description"
    if "requestBody" in operation:
        contents.append(operation["requestBody"])
    for content in contents:
        for kind, media in content.get("content", {}).items():
            if "/" not in kind:
                yield f"{kind} is no media type"
            yield from malformed(media["schema"], definitions, kind)


def misshapen_parameters(
    parameters: list[Json], path: str, definitions: Json
) -> Iterator[str]:
    in_path = re.findall(r"{(\w+)}", path)
    names = [(part["in"], part["name"]) for part in parameters]
    if len(names) != len(set(names)):
        yield "a parameter comes twice"
    if [name for place, name in names if place == "path"] != in_path:
        yield f"the path has {in_path}, the parameters {names}"
    for part in parameters:
        if part["in"] not in ("path", "query", "header"):
            yield f"{part['name']} is in {part['in']}"
        if part["in"] == "path" and part["required"] is not True:
            yield f"{part['name']} is in the path and not required"
        yield from malformed(part["schema"], definitions, part["name"])


def test_the_document_has_the_parts_that_openapi_asks_for() -> None:
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])
    assert DOCUMENT["info"]["title"] == "Tilts"
    assert DOCUMENT["info"]["version"] == "test"
    assert DOCUMENT["servers"] == [{"url": "/v1"}]
    assert set(DOCUMENT) == {"openapi", "info", "servers", "paths", "components"}
    assert all(path.startswith("/") for path in DOCUMENT["paths"])
    assert {method for _, method, _ in OPERATIONS} <= METHODS


@pytest.mark.parametrize(
    ("path", "method", "operation"),
    OPERATIONS,
    ids=[f"{method} {path}" for path, method, _ in OPERATIONS],
)
def test_every_operation_is_well_formed(
    path: str, method: str, operation: Json
) -> None:
    definitions = DOCUMENT["components"]["schemas"]
    assert not list(misshapen(operation, path, definitions))
    assert "default" in operation["responses"], "no problem is declared"
    assert ("requestBody" in operation) <= (method == "post")


def test_every_component_is_well_formed_and_used() -> None:
    definitions = DOCUMENT["components"]["schemas"]
    text = json.dumps(DOCUMENT)
    for name, schema in definitions.items():
        assert not list(malformed(schema, definitions, name))
        assert f'"#/components/schemas/{name}"' in text, f"nothing uses {name}"


def test_the_structural_check_sees_what_is_wrong() -> None:
    good = {
        "summary": "One.",
        "parameters": [
            {"name": "a", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "responses": {"200": {"description": "Done."}},
    }
    assert not list(misshapen(good, "/x/{a}", {}))
    assert list(misshapen(good, "/x/{b}", {}))
    assert list(misshapen({**good, "summary": ""}, "/x/{a}", {}))
    assert list(misshapen({**good, "responses": {"ok": {}}}, "/x/{a}", {}))
    lost: Json = {"$ref": "#/components/schemas/Nothing"}
    assert list(malformed(lost, {}))
    assert list(malformed({"type": "text"}, {}))
    assert list(malformed({"type": "object", "required": ["a"]}, {}))


def test_the_checker_of_values_refuses_what_a_schema_forbids() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert not problems({"n": 1}, schema, {})
    wrongs: list[Any] = [
        {},
        {"n": 0},
        {"n": "1"},
        {"n": True},
        {"n": 1, "m": 1},
        [],
        None,
    ]
    for wrong in wrongs:
        assert problems(wrong, schema, {})


def test_every_route_is_in_the_document_and_every_operation_has_a_route() -> None:
    routes = {
        (path, method.lower())
        for path, methods in app.app.routes.items()
        for method in methods
    }
    declared = {(path, method) for path, method, _ in OPERATIONS}
    assert routes - declared == set(), "routes that are not documented"
    assert declared - routes == set(), "operations that no route serves"
    assert len(ENDPOINTS) == len(declared)


def test_every_declared_shape_forbids_what_it_does_not_name() -> None:
    for endpoint in ENDPOINTS:
        assert endpoint.query.model_config["extra"] == "forbid", endpoint.path
        if endpoint.body is not None:
            assert endpoint.body.model_config["extra"] == "forbid", endpoint.path


def test_the_document_is_served_as_it_is_generated(client: Client) -> None:
    reply = client.http.get("/openapi.json")
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.body.decode() == write_openapi(read_settings().version)


def test_the_written_document_is_what_is_generated_now() -> None:
    assert WRITTEN.read_text("utf-8") == write_openapi(read_settings().version), (
        "docs/openapi.json is stale: write it again with `make openapi`"
    )
