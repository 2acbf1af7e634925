"""Every endpoint has a role, and every role meets every endpoint."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.routes.endpoints import ENDPOINTS
from chalicelib.routes.roles import ROLES, role_of
from chalicelib.services.access import NOT_VALID, RANKS, Role
from chalicelib.settings import Settings
from tests.routes.api import Api, Reply, check_problem
from tests.world import World

Json = dict[str, Any]

READS_FOR_FEW = {"/keys", "/episodes/{episode_id}/calls"}
CHANGES_FOR_ALL = {"/episodes", "/episodes/{episode_id}/moves"}
PEPPER = "a pepper of these tests"

ALL = [pytest.param(*one, id=" ".join(one)) for one in ROLES]
CLOSED = [
    pytest.param(*one, id=" ".join(one)) for one in ROLES if ROLES[one] != "visitor"
]


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Api]:
    """The API where everyone needs a key, also at this machine."""
    world = World(
        tmp_path / "tilts.db", Settings(tmp_path, require_keys=True, pepper=PEPPER)
    )
    wiring.install(world.tilts)
    with Client(app.app) as client:
        yield Api(client, world)
    wiring.install(None)
    world.tilts.close()
    world.database.close()


def make_key(api: Api, role: Role, team: str = "blue") -> dict[str, str]:
    """The header of a new key; none for a visitor."""
    if role == "visitor":
        return {}
    _, text = api.world.tilts.access.create(role, team, "")
    return {"Authorization": f"Bearer {text}"}


def ask(
    api: Api, method: str, path: str, headers: dict[str, str], raw: bytes = b"{}"
) -> Reply:
    filled = re.sub(r"{\w+}", "nothing", path)
    kind = {"Content-Type": "application/json"}
    return api.send(method, filled, raw, {**kind, **headers})


# The table.


def test_every_endpoint_has_a_role_and_every_role_an_endpoint() -> None:
    declared = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
    assert sorted(declared) == sorted(ROLES)


def test_every_route_of_the_app_is_an_endpoint() -> None:
    routes = {
        (method, path) for path, methods in app.app.routes.items() for method in methods
    }
    assert routes == set(ROLES)


def test_reads_are_open_and_changes_are_not_but_for_those_named() -> None:
    for (method, path), role in ROLES.items():
        is_open = role == "visitor"
        if method == "GET":
            assert is_open == (path not in READS_FOR_FEW), path
        else:
            assert is_open == (path in CHANGES_FOR_ALL), path


def test_what_is_not_in_the_table_has_no_role() -> None:
    with pytest.raises(KeyError):
        role_of("PUT", "/evaluations")


# Each role at each endpoint.


@pytest.mark.parametrize("role", RANKS)
@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_role_is_let_in_exactly_where_the_table_says(
    keyed: Api, method: str, path: str, role: Role
) -> None:
    headers = make_key(keyed, role)
    before = keyed.content()
    reply = ask(keyed, method, path, headers)
    if RANKS.index(role) >= RANKS.index(role_of(method, path)):
        assert reply.status not in (401, 403), reply.text
        return
    assert reply.status == (401 if role == "visitor" else 403)
    check_problem(reply)
    assert keyed.content() == before


@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_key_that_is_not_valid_is_refused_everywhere(
    keyed: Api, method: str, path: str
) -> None:
    before = keyed.content()
    for text in (f"tilts_deadbeef_{'A' * 43}", "tilts_", "x"):
        reply = ask(keyed, method, path, {"Authorization": f"Bearer {text}"})
        assert reply.status == 401
        assert check_problem(reply)["detail"] == NOT_VALID
        assert reply.header("WWW-Authenticate") == "Bearer"
    assert keyed.content() == before


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_the_role_is_asked_for_before_the_body_is_read(
    keyed: Api, method: str, path: str
) -> None:
    for raw in (b"", b"{", b'{"role": "admin", "team": "owner"}', b"x" * 300_000):
        assert ask(keyed, method, path, {}, raw).status == 401


@pytest.mark.parametrize(("method", "path"), ALL)
def test_at_this_machine_no_key_is_needed(api: Api, method: str, path: str) -> None:
    assert ask(api, method, path, {}).status not in (401, 403)


@pytest.mark.parametrize(("method", "path"), ALL)
def test_from_elsewhere_a_key_is_needed_also_where_none_is_required_here(
    api: Api, method: str, path: str
) -> None:
    status = ask(api, method, path, {"X-Forwarded-For": "192.0.2.7"}).status
    assert (status in (401, 403)) == (role_of(method, path) != "visitor")


# Teams.

OWNED = [
    pytest.param(*one, id=" ".join(one))
    for one in ROLES
    if "{evaluation_id}" in one[1] or "{episode_id}" in one[1]
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Two teams, and an evaluation that belongs to one of them alone."""
    folder = tmp_path_factory.mktemp("teams")
    world = World(
        folder / "tilts.db", Settings(folder, require_keys=True, pepper=PEPPER)
    )
    wiring.install(world.tilts)
    with Client(app.app) as client:
        yield Api(client, world)
    wiring.install(None)
    world.tilts.close()
    world.database.close()


@pytest.fixture(scope="module")
def own(shared: Api) -> dict[str, str]:
    """The ids of what belongs to team blue, over and done."""
    body = {
        "suite": "tiny-1",
        "players": ["baseline~random~1"],
        "visibility": "team",
        "name": "canary-7c1e",
    }
    blue = make_key(shared, "submitter", "blue")
    made = shared.post("/evaluations", body, blue).body["id"]
    shared.world.work()
    shown = shared.get(f"/evaluations/{made}/episodes", blue).body["items"]
    return {"{evaluation_id}": made, "{episode_id}": shown[0]["id"]}


def fill(path: str, ids: dict[str, str]) -> str:
    for part, value in ids.items():
        path = path.replace(part, value)
    return path


@pytest.mark.parametrize("role", ["visitor", "viewer", "submitter"])
@pytest.mark.parametrize(("method", "path"), OWNED)
def test_what_is_a_teams_is_not_there_for_others(
    shared: Api, own: dict[str, str], method: str, path: str, role: Role
) -> None:
    headers = make_key(shared, role, "red")
    raw = b'{"players": ["baseline~random~1"]}' if path.endswith("entries") else b"{}"
    before = shared.content()
    theirs = ask(shared, method, fill(path, own), headers, raw)
    missing = dict.fromkeys(own, "nothing")
    nothing = ask(shared, method, fill(path, missing), headers, raw)
    assert theirs.status == nothing.status
    assert theirs.status in (400, 401, 403, 404)
    if RANKS.index(role) >= RANKS.index(role_of(method, path)) and method == "GET":
        assert theirs.status == 404
    assert shared.content() == before


@pytest.mark.parametrize(
    ("role", "team"), [("viewer", "blue"), ("submitter", "blue"), ("admin", "red")]
)
@pytest.mark.parametrize(
    ("method", "path"), [one for one in OWNED if one.values[0] == "GET"]
)
def test_a_team_and_every_admin_read_what_is_the_teams(
    shared: Api, own: dict[str, str], method: str, path: str, role: Role, team: str
) -> None:
    headers = make_key(shared, role, team)
    assert ask(shared, method, fill(path, own), headers).status == 200


@pytest.mark.parametrize("role", ["visitor", "viewer", "submitter"])
@pytest.mark.parametrize("path", [path for method, path in ROLES if method == "GET"])
def test_no_list_names_what_is_another_teams(
    shared: Api, own: dict[str, str], path: str, role: Role
) -> None:
    text = ask(shared, "GET", path, make_key(shared, role, "red")).text
    for hidden in ("canary-7c1e", *own.values()):
        assert hidden not in text


# Who is asking, and keys.


def test_everyone_may_ask_who_they_are(keyed: Api, api: Api) -> None:
    wiring.install(keyed.world.tilts)
    assert keyed.get("/me").body == {"key_id": None, "role": "visitor", "team": ""}
    me = keyed.get("/me", make_key(keyed, "submitter")).body
    assert (me["role"], me["team"], len(me["key_id"])) == ("submitter", "blue", 8)
    wiring.install(api.world.tilts)
    assert api.get("/me").body == {"key_id": None, "role": "admin", "team": "owner"}


def test_a_key_is_made_used_listed_and_ended(keyed: Api) -> None:
    admin = make_key(keyed, "admin")
    body = {"role": "viewer", "team": "red-2", "note": "for the night runs", "days": 3}
    made = keyed.post("/keys", body, admin)
    assert made.status == 201
    key = {"Authorization": f"Bearer {made.body['key']}"}
    assert keyed.get("/me", key).body["key_id"] == made.body["id"]
    shown = keyed.get("/keys", admin)
    assert made.body["key"] not in shown.text
    assert "hash" not in shown.text
    assert [(one["role"], one["note"]) for one in shown.body["items"]] == [
        ("admin", ""),
        ("viewer", "for the night runs"),
    ]
    ended = keyed.send("DELETE", f"/keys/{made.body['id']}", b"", admin)
    assert ended.status == 200
    assert ended.body["revoked_at"] is not None
    assert keyed.get("/me", key).status == 401
    assert keyed.send("DELETE", "/keys/none", b"", admin).status == 404


def test_every_change_leaves_a_line_that_names_who_made_it_and_no_secret(
    keyed: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tilts.audit")
    admin = make_key(keyed, "admin", "green")
    keyed.get("/keys", admin)
    assert not caplog.records
    made = keyed.post("/keys", {"role": "viewer", "team": "red"}, admin).body
    keyed.post("/keys", {"role": "viewer"}, admin)
    keyed.send("DELETE", f"/keys/{made['id']}", b"", admin)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split("/keys")[0].strip() for line in lines] == ["POST", "DELETE"]
    assert made["id"] in lines[1]
    holder = admin["Authorization"].split("_")[1]
    for line in lines:
        assert f"by {holder} of green" in line
        assert made["key"] not in line
        assert admin["Authorization"] not in line


BAD_KEYS: dict[str, Json] = {
    "no role": {"team": "red"},
    "no team": {"role": "viewer"},
    "an unknown role": {"role": "owner", "team": "red"},
    "a visitor's key": {"role": "visitor", "team": "red"},
    "an empty team": {"role": "viewer", "team": ""},
    "a team in capitals": {"role": "viewer", "team": "Red"},
    "a team with a separator": {"role": "viewer", "team": "red|x"},
    "a team with a line end": {"role": "viewer", "team": "red\n"},
    "a long team": {"role": "viewer", "team": "r" * 41},
    "a long note": {"role": "viewer", "team": "red", "note": "x" * 81},
    "a control character": {"role": "viewer", "team": "red", "note": "a\x1bb"},
    "text that turns": {"role": "viewer", "team": "red", "note": "a\u202eb"},
    "text that is not seen": {"role": "viewer", "team": "red", "note": "a\u200bb"},
    "no days": {"role": "viewer", "team": "red", "days": 0},
    "days without end": {"role": "viewer", "team": "red", "days": 10**30},
    "a field that is not known": {"role": "viewer", "team": "red", "id": "deadbeef"},
    "a hash of its own": {"role": "viewer", "team": "red", "hash": "0" * 64},
}


@pytest.mark.parametrize("what", BAD_KEYS)
def test_a_key_that_cannot_be_meant_is_not_made(api: Api, what: str) -> None:
    before = api.content()
    reply = api.post("/keys", BAD_KEYS[what])
    assert reply.status == 400
    check_problem(reply)
    assert api.content() == before
