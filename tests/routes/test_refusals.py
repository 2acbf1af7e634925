"""What is refused: a 4xx problem that says what to do, and nothing is written."""

import json
from typing import Any

import pytest

from chalicelib.routes.bodies import BODY_BYTES
from tests.routes.api import Api, check_problem

Json = dict[str, Any]

GOOD = {"suite": "tiny-1", "players": ["baseline~random~1"]}
JSON_TYPE = {"Content-Type": "application/json"}


def whole(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def nested(depth: int) -> bytes:
    return b'{"suite": ' + b"[" * depth + b"]" * depth + b', "players": ["x"]}'


BAD_BODIES = {
    "nothing": (b"", 400),
    "half an object": (b'{"suite": "tiny-1"', 400),
    "two values": (whole() + whole(), 400),
    "an array": (b"[]", 400),
    "null": (b"null", 400),
    "a number": (b"7", 400),
    "text that is no UTF-8": (b'{"suite": "\xff\xfe", "players": ["x"]}', 400),
    "NaN": (b'{"suite": "tiny-1", "players": ["x"], "repeats": NaN}', 400),
    "Infinity": (b'{"suite": "tiny-1", "players": ["x"], "repeats": -Infinity}', 400),
    "a key twice": (b'{"suite": "tiny-1", "suite": "tiny-1", "players": ["x"]}', 400),
    "a lone surrogate": (b'{"suite": "\\ud800", "players": ["x"]}', 400),
    "nested 30 deep": (nested(30), 400),
    "nested 100,000 deep": (nested(100_000), 400),
    "an integer of 5,000 digits": (
        b'{"suite": "tiny-1", "players": ["x"], "repeats": ' + b"9" * 5_000 + b"}",
        400,
    ),
    "too many bytes": (whole(name="x" * BODY_BYTES), 413),
    "no suite": (b'{"players": ["baseline~random~1"]}', 400),
    "an unknown suite": (whole(suite="tiny-2"), 404),
    "an unknown player": (whole(players=["baseline~perfect~1"]), 404),
    "a twin's name as a player": (whole(players=["baseline~random~1+1"]), 404),
    "no player": (whole(players=[]), 400),
    "101 players": (whole(players=["baseline~random~1"] * 101), 400),
    "a player that is a number": (whole(players=[1]), 400),
    "players as text": (whole(players="baseline~random~1"), 400),
    "repeats as text": (whole(repeats="3"), 400),
    "repeats as a fraction": (whole(repeats=1.5), 400),
    "repeats as a truth": (whole(repeats=True), 400),
    "no repeats": (whole(repeats=0), 400),
    "101 repeats": (whole(repeats=101), 400),
    "a budget below nothing": (whole(budget_microusd=-1), 400),
    "a budget beyond all money": (whole(budget_microusd=10**30), 400),
    "an unknown visibility": (whole(visibility="secret"), 400),
    "a control character in the name": (whole(name="a\x00b"), 400),
    "a name of 81 characters": (whole(name="x" * 81), 400),
    "21 tags": (whole(tags=["x"] * 21), 400),
    "a field that is not known": (whole(status="finished"), 400),
    "a team of the client's choice": (whole(team="admin"), 400),
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_body_that_cannot_be_meant_is_refused(what: str, api: Api) -> None:
    raw, status = BAD_BODIES[what]
    before = api.content()
    reply = api.post("/evaluations", raw)
    assert reply.status == status, reply.text
    check_problem(reply)
    assert api.content() == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json-patch+json"},
    ],
)
def test_a_body_that_is_not_declared_as_json_is_refused(
    headers: dict[str, str], api: Api
) -> None:
    before = api.content()
    reply = api.send("POST", "/evaluations", whole(), headers)
    assert reply.status == 415
    assert "Content-Type: application/json" in check_problem(reply)["detail"]
    assert api.content() == before


def test_json_may_say_its_charset(api: Api) -> None:
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert api.send("POST", "/evaluations", whole(), kind).status == 202


def test_a_body_of_the_largest_size_is_read(api: Api) -> None:
    raw = whole()
    reply = api.post("/evaluations", raw + b" " * (BODY_BYTES - len(raw)))
    assert reply.status == 202


MISSING = [
    "/suites/tiny-2",
    "/suites/tiny-2/tasks",
    "/tasks/MS-I-0000000000000000",
    "/evaluations/ev_0",
    "/evaluations/ev_0/episodes",
    "/evaluations/ev_0/results",
    "/evaluations/visits",
    "/episodes/ep_0",
    "/episodes/ep_0/events",
    "/episodes/ep_0/transcript",
    "/episodes/ep_0/calls",
    "/leaderboards/tiny-1",
    "/leaderboards/tiny-1~XX-I",
    "/leaderboards/tiny-2~MS-I",
    "/evaluations/%00",
    "/evaluations/..%2F..%2Fetc%2Fpasswd",
    "/evaluations/' OR 1=1 --".replace(" ", "%20"),
    "/tasks/%F0%9F%92%A3",
]


@pytest.mark.parametrize("path", MISSING)
def test_what_is_not_there_is_404(path: str, api: Api) -> None:
    reply = api.get(path)
    assert reply.status == 404
    check_problem(reply)


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_an_unknown_evaluation_cannot_be_changed(action: str, api: Api) -> None:
    reply = api.post(f"/evaluations/ev_0/{action}")
    assert reply.status == 404
    check_problem(reply)


BAD_QUERIES = [
    "/evaluations?limit=0",
    "/evaluations?limit=101",
    "/evaluations?limit=-1",
    "/evaluations?limit=ten",
    "/evaluations?limit=1.5",
    "/evaluations?limit=",
    "/evaluations?limit=99999999999999999999999999",
    "/evaluations?status=done",
    "/evaluations?suite=",
    "/evaluations?team=owner",
    "/evaluations?cursor=" + "A" * 301,
    "/suites/tiny-1/tasks?limit=101",
    "/suites/tiny-1/tasks?surplus=1",
    "/health?verbose=1",
    "/games?limit=1",
]


@pytest.mark.parametrize("path", BAD_QUERIES)
def test_a_query_that_cannot_be_meant_is_refused(path: str, api: Api) -> None:
    reply = api.get(path)
    assert reply.status == 400
    check_problem(reply)


@pytest.mark.parametrize("limit", ["0", "101", "-5", "x"])
@pytest.mark.parametrize("list_of", ["episodes", "results"])
def test_no_list_of_an_evaluation_gives_more_than_100(
    list_of: str, limit: str, api: Api
) -> None:
    made = api.post("/evaluations", GOOD).body["id"]
    reply = api.get(f"/evaluations/{made}/{list_of}?limit={limit}")
    assert reply.status == 400
    check_problem(reply)


@pytest.mark.parametrize("after", ["-1", "x", "1.5", str(2**63), str(10**30)])
def test_events_after_what_is_no_number_of_an_event_are_refused(
    after: str, api: Api
) -> None:
    evaluation = api.evaluate("baseline~random~1")["id"]
    episode = api.get(f"/evaluations/{evaluation}/episodes?limit=1").body["items"][0]
    reply = api.get(f"/episodes/{episode['id']}/events?after={after}")
    assert reply.status == 400, reply.text
    check_problem(reply)


def cursor_of(api: Api, path: str) -> str:
    cursor = api.get(path).body["next"]
    assert isinstance(cursor, str)
    return cursor


def test_a_cursor_that_was_changed_is_refused(api: Api) -> None:
    cursor = cursor_of(api, "/suites/tiny-1/tasks?limit=2")
    assert api.get(f"/suites/tiny-1/tasks?limit=2&cursor={cursor}").status == 200
    for place in range(len(cursor)):
        other = "A" if cursor[place] != "A" else "B"
        changed = cursor[:place] + other + cursor[place + 1 :]
        reply = api.get(f"/suites/tiny-1/tasks?limit=2&cursor={changed}")
        assert reply.status == 400, changed
        check_problem(reply)


@pytest.mark.parametrize(
    "cursor", ["", "A", "AAAA", "3", "%00", "%C3%A9", "ä", "=", "....", "A" * 300]
)
def test_a_cursor_from_elsewhere_is_refused(cursor: str, api: Api) -> None:
    reply = api.get(f"/evaluations?cursor={cursor}")
    assert reply.status == 400
    check_problem(reply)


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    made = [api.post("/evaluations", GOOD).body["id"] for _ in range(3)]
    api.world.work()
    lists = [
        "/suites/tiny-1/tasks?limit=1",
        "/evaluations?limit=1",
        "/evaluations?limit=1&status=finished",
        "/evaluations?limit=1&suite=tiny-1",
        f"/evaluations/{made[0]}/episodes?limit=1",
        f"/evaluations/{made[0]}/episodes?limit=1&status=finished",
        f"/evaluations/{made[0]}/results?limit=1",
    ]
    cursors = {path: cursor_of(api, path) for path in lists}
    for path in lists:
        for source, cursor in cursors.items():
            reply = api.get(f"{path}&cursor={cursor}")
            assert reply.status == (200 if source == path else 400), (path, source)


def test_an_idempotency_key_must_have_a_length(api: Api) -> None:
    before = api.content()
    for key in ("", "k" * 201):
        reply = api.post("/evaluations", GOOD, {"Idempotency-Key": key})
        assert reply.status == 400
        check_problem(reply)
    assert api.content() == before


@pytest.mark.parametrize("status", ["finished", "queued"])
def test_a_conflict_keeps_the_status_of_the_reply_a_number(
    status: str, api: Api
) -> None:
    if status == "finished":
        evaluation, action = api.evaluate("baseline~random~1")["id"], "pause"
    else:
        evaluation, action = api.post("/evaluations", GOOD).body["id"], "resume"
        api.world.expand()
    before = api.content()
    reply = api.post(f"/evaluations/{evaluation}/{action}")
    assert reply.status == 409
    assert status in check_problem(reply)["detail"]
    assert api.content() == before
