"""Whatever is sent to any route, the answer is a reply as declared, never a 5xx."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from chalice.test import Client
from hypothesis import given
from hypothesis import strategies as st

import app
from chalicelib import wiring
from chalicelib.routes.endpoints import ENDPOINTS, Endpoint
from chalicelib.settings import Settings
from tests.routes.api import DEFINITIONS, DOCUMENT, Api, check_problem
from tests.world import World

Json = dict[str, Any]

GETS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"]
DELETES = [endpoint for endpoint in ENDPOINTS if endpoint.method == "DELETE"]
POSTS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "POST"]
STARTS = [endpoint for endpoint in POSTS if "{" not in endpoint.path]

NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from(
        [-1, 0, 1, 100, 101, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**30]
    ),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.floats(allow_nan=False), st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One world for all examples: what one of them leaves behind is part of it."""
    folder = Path(tmp_path_factory.mktemp("fuzz"))
    world = World(folder / "tilts.db", Settings(folder, keys={"openai": "sk-none"}))
    wiring.install(world.tilts)
    with Client(app.app) as client:
        yield Api(client, world)
    wiring.install(None)
    world.tilts.close()
    world.database.close()


@pytest.fixture(scope="module")
def known(api: Api) -> dict[str, list[str]]:
    """Ids that exist, by the part of a path that they fill."""
    evaluation = api.evaluate("baseline~random~1", "mock~stumbling~1")["id"]
    episodes = api.get(f"/evaluations/{evaluation}/episodes").body["items"]
    tasks = api.get("/suites/tiny-1/tasks").body["items"]
    visit = api.post("/episodes", {"task": tasks[0]["id"]}).body["id"]
    return {
        "evaluation_id": [evaluation],
        "episode_id": [episodes[0]["id"], visit],
        "suite_id": ["tiny-1"],
        "task_id": [task["id"] for task in tasks[:2]],
        "board_id": ["tiny-1~MS-I", "tiny-1~MM-I"],
        "key_id": [api.post("/keys", {"role": "viewer", "team": "red"}).body["id"]],
    }


@st.composite
def paths(draw: st.DrawFn, endpoint: Endpoint, known: dict[str, list[str]]) -> str:
    """A path of the endpoint: mostly with ids that exist."""
    parts = []
    for part in endpoint.path.split("/"):
        if part.startswith("{"):
            ids = known[part[1:-1]]
            strange = st.text(min_size=1, max_size=30).map(lambda t: quote(t, safe=""))
            parts.append(draw(st.sampled_from(ids * 2) | strange))
        else:
            parts.append(part)
    return "/".join(parts)


@st.composite
def queries(draw: st.DrawFn, endpoint: Endpoint) -> str:
    """A query: declared names mostly, values of every kind."""
    names = [*endpoint.query.model_fields, "surplus"]
    texts = st.one_of(
        NUMBERS.map(str),
        st.text(max_size=20),
        st.sampled_from(["", "json", "csv", "jsonl", "finished", "tiny-1", "NaN"]),
    )
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), texts), max_size=3))
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def like(schema: Json, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values like those a schema asks for, and now and then anything at all."""
    if "$ref" in schema:
        schema = DEFINITIONS[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema or "const" in schema:
        fitting = st.sampled_from(schema.get("enum") or [schema["const"]])
    elif "properties" in schema:
        fitting = st.fixed_dictionaries(
            {},
            optional={n: like(p, depth + 1) for n, p in schema["properties"].items()},
        )
    elif schema.get("type") == "array":
        fitting = st.lists(like(schema["items"], depth + 1), max_size=4)
    elif schema.get("type") == "string":
        fitting = st.text(max_size=12) | st.sampled_from(
            [
                *("tiny-1", "baseline~random~1", "mock~stumbling~1"),
                *("baseline~random~1+1", "openai~gpt-6-luna", "openai~gpt-6-luna~low"),
                *("openai~gpt-6-luna~~p2~x", "openai~", "~~~~", "https://["),
            ]
        )
    elif schema.get("type") == "integer":
        fitting = NUMBERS
    else:
        fitting = VALUES
    return st.one_of(fitting, fitting, fitting, VALUES)


@given(st.data())
def test_no_query_makes_a_route_that_reads_fail(
    api: Api, known: dict[str, list[str]], data: st.DataObject
) -> None:
    endpoint = data.draw(st.sampled_from(GETS))
    path = data.draw(paths(endpoint, known)) + "?" + data.draw(queries(endpoint))
    api.get(path)


@given(st.data())
def test_no_path_makes_a_route_that_takes_away_fail(
    api: Api, known: dict[str, list[str]], data: st.DataObject
) -> None:
    endpoint = data.draw(st.sampled_from(DELETES))
    path = data.draw(paths(endpoint, known))
    assert api.send("DELETE", path, b"", {}).status in (200, 404)


@given(st.data())
def test_no_body_makes_a_route_that_writes_fail(
    api: Api, known: dict[str, list[str]], data: st.DataObject
) -> None:
    endpoint = data.draw(st.sampled_from(POSTS))
    schema = DOCUMENT["paths"][endpoint.path]["post"].get("requestBody")
    body = data.draw(
        VALUES
        if schema is None
        else like(schema["content"]["application/json"]["schema"])
    )
    api.post(data.draw(paths(endpoint, known)), body)


@given(st.data())
def test_no_bytes_make_a_route_that_writes_fail(
    api: Api, known: dict[str, list[str]], data: st.DataObject
) -> None:
    endpoint = data.draw(st.sampled_from([e for e in POSTS if e.body is not None]))
    raw = data.draw(
        st.binary(max_size=60) | st.text(max_size=40).map(lambda t: t.encode())
    )
    path = data.draw(paths(endpoint, known))
    assert api.post(path, raw).status in (400, 404)


@given(st.data())
def test_no_move_makes_an_episode_fail(
    api: Api, known: dict[str, list[str]], data: st.DataObject
) -> None:
    """Moves that are almost right: whatever they hold, they are played or refused."""
    task = data.draw(st.sampled_from(known["task_id"]))
    api.world.clock.turn(25 * 3600)
    api.world.tilts.sweep()
    started = api.post("/episodes", {"task": task})
    assert started.status == 201, started.text
    episode, token = started.body["id"], started.body["token"]
    move = data.draw(like(started.body["tool"]))
    reply = api.post(
        f"/episodes/{episode}/moves", {"step": 1, "move": move, "token": token}
    )
    assert reply.status in (200, 400, 422), reply.text
    if reply.status != 200:
        check_problem(reply)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Idempotency-Key",
                    "If-None-Match",
                    "Accept",
                    "Content-Type",
                    "Authorization",
                ]
            ),
            st.text(
                st.characters(
                    min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"
                ),
                max_size=30,
            ),
        )
    )
)
def test_no_header_makes_a_route_fail(api: Api, headers: list[tuple[str, str]]) -> None:
    body = json.dumps({"suite": "tiny-1", "players": ["nobody"]}).encode()
    names_a_key = "Authorization" in dict(headers)
    refused = api.send("POST", "/evaluations", body, dict(headers))
    assert refused.status in ((401,) if names_a_key else (400, 404, 415))
    health = api.send("GET", "/health", b"", dict(headers))
    assert health.status == (401 if names_a_key else 200)
