"""The server of one machine, running: REST over real connections."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from chalicelib.services.visits import OPEN_PER_SOURCE
from tests.server.running import Json, Running, begin_server, let_rest, problem_of
from tests.server.sessions import in_session


def test_rest_is_served_under_v1(server: Running) -> None:
    reply = server.ask("/v1/health")
    assert reply.status == 200
    assert reply.body["status"] == "ok"
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    paths = server.ask("/v1/openapi.json").body
    assert paths["servers"] == [{"url": "/v1"}]


@pytest.mark.parametrize(
    "path",
    ["/v1/nothing", "/v1//health", "/v1/v1/health", "/v1/", "/health"],
)
def test_an_unknown_path_is_a_problem(path: str, server: Running) -> None:
    reply = server.ask(path)
    assert reply.status == 404
    problem_of(reply)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/health"),
        ("DELETE", "/v1/health"),
        ("PUT", "/v1/evaluations"),
        ("PATCH", "/v1/episodes/ep_0"),
        ("POST", "/"),
        ("DELETE", "/index.html"),
    ],
)
def test_a_wrong_method_is_a_problem(method: str, path: str, server: Running) -> None:
    reply = server.ask(path, method=method)
    assert reply.status == 405
    problem_of(reply)


def test_parts_of_a_path_are_decoded(server: Running) -> None:
    plain = server.ask("/v1/leaderboards/core-1~MS-I")
    assert plain.status == 200
    assert server.ask("/v1/leaderboards/core%2D1%7EMS%2DI").body == plain.body


def test_an_etag_is_honoured(server: Running) -> None:
    tag = server.ask("/v1/suites/core-1").headers["etag"]
    again = server.ask("/v1/suites/core-1", headers={"If-None-Match": tag})
    assert (again.status, again.content) == (304, b"")


def test_a_body_that_is_too_large_is_refused(server: Running) -> None:
    for size in (300_000, 2_000_000):
        reply = server.ask("/v1/evaluations", {"suite": "x" * size, "players": []})
        assert reply.status == 413
        problem_of(reply)


def test_bytes_that_are_no_text_are_refused_and_nothing_breaks(server: Running) -> None:
    targets = [
        b"/v1/evaluations/\xff", b"/v1/episodes/%ff%fe/events", b"/v1/tasks/%00",
        b"/v1/evaluations?cursor=\xff",
        b"/v1/suites/\xed\xa0\x80/tasks", b"/v1/evaluations/%ED%A0%80",
        b"/v1/live?%ff=%ff", b"/v1/leaderboards/%F0%9F%92%A3",
    ]  # fmt: skip
    for target in targets:
        status, answer = server.get_raw(target)
        assert 400 <= status < 500, (target, answer)
        assert b"Traceback" not in answer


def test_a_header_that_is_no_text_breaks_nothing(
    server: Running,
) -> None:
    body = b'{"suite": "core-1", "players": ["nobody"]}'
    good = body.replace(b"nobody", b"baseline~random~1")
    for content in (body, good):
        head = (
            b"POST /v1/evaluations HTTP/1.1\r\nHost: localhost:%d\r\n"
            b"Content-Type: application/json\r\nIdempotency-Key: k\xff\xed\xa0\x80\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n"
        ) % (server.port, len(content))
        status, answer = server.talk(head + content)
        assert status in (202, 400, 404), answer


def test_a_source_is_where_a_request_came_from_whatever_it_says(
    server: Running,
) -> None:
    task = server.ask("/v1/suites/core-1/tasks?limit=100").body["items"][-1]["id"]
    statuses = [
        server.ask(
            "/v1/episodes", {"task": task}, {"X-Forwarded-For": f"10.0.0.{number}"}
        ).status
        for number in range(OPEN_PER_SOURCE + 2)
    ]
    assert Counter(statuses) == {201: OPEN_PER_SOURCE, 429: 2}


def test_where_keys_are_required_this_machine_needs_one_too(tmp_path: Path) -> None:
    server = begin_server(tmp_path, REQUIRE_KEYS="1")
    body = {"suite": "core-1", "players": ["baseline~random~1"], "visibility": "team"}
    try:
        me = server.ask("/v1/me", headers={"X-Forwarded-For": "127.0.0.1"})
        assert me.body["role"] == "visitor"
        assert len(server.ask("/v1/evaluations").body["items"]) == 1
        refused = server.ask("/v1/evaluations", body)
        assert refused.status == 401
        problem_of(refused)
        assert refused.headers["www-authenticate"] == "Bearer"
    finally:
        server.stop()


def test_a_change_is_written_to_the_log_of_the_server(tmp_path: Path) -> None:
    server = begin_server(tmp_path)
    server.ask("/v1/me")
    server.ask("/v1/kill-switch", {"stopped": True, "reason": "a test"})
    _, _, errors = server.stop()
    assert "POST /kill-switch by" in errors
    assert "GET" not in errors


def test_who_sits_at_this_machine_is_its_owner(server: Running) -> None:
    me = server.ask("/v1/me", headers={"X-Forwarded-For": "192.0.2.7"})
    assert (me.body["role"], me.body["team"]) == ("admin", "owner")


def test_sixty_requests_at_once_are_not_mixed_up(server: Running) -> None:
    tasks = server.ask("/v1/suites/core-1/tasks?limit=60").body["items"]
    task_ids = [task["id"] for task in tasks]
    paths = [f"/v1/tasks/{task_id}" for task_id in task_ids]
    paths += [f"/v1/evaluations/none-{number}" for number in range(60)]

    async def ask_all(session: aiohttp.ClientSession) -> list[tuple[int, Json]]:
        async def ask(path: str) -> tuple[int, Json]:
            async with session.get(path) as got:
                return got.status, json.loads(await got.read())

        return await asyncio.gather(*map(ask, paths))

    replies = in_session(server, ask_all)
    for task, (status, body) in zip(tasks, replies[:60], strict=True):
        assert (status, body) == (200, task)
    for number, (status, body) in enumerate(replies[60:]):
        assert status == 404
        assert f"'none-{number}'" in body["detail"]
    request_ids = {body["request_id"] for _, body in replies[60:]}
    assert len(request_ids) == 60


def test_of_many_moves_at_once_exactly_one_is_made(tmp_path: Path) -> None:
    server = begin_server(tmp_path)
    try:
        let_rest(server)
        tasks = server.ask("/v1/suites/core-1/tasks?limit=100").body["items"]
        task = next(task["id"] for task in tasks if task["game"] == "MM-I")
        visit = server.ask("/v1/episodes", {"task": task}).body
        bodies = [
            {"step": 1, "move": {"guess": [colour] * 4}, "token": visit["token"]}
            for colour in ("red", "blue", "green", "yellow", "orange", "purple")
        ]

        async def move_all(session: aiohttp.ClientSession) -> list[tuple[int, Json]]:
            async def move(body: Json) -> tuple[int, Json]:
                path = f"/v1/episodes/{visit['id']}/moves"
                async with session.post(path, json=body) as got:
                    return got.status, json.loads(await got.read())

            return await asyncio.gather(*map(move, bodies))

        replies = in_session(server, move_all)
        assert sorted(status for status, _ in replies) == [200] + [409] * 5
        assert {body["step"] for _, body in replies} == {2}
    finally:
        server.stop()


def test_someone_plays_a_game_to_its_end_over_http(tmp_path: Path) -> None:
    server = begin_server(tmp_path)
    try:
        let_rest(server)
        tasks = server.ask("/v1/suites/core-1/tasks?limit=100").body["items"]
        task = next(task["id"] for task in tasks if task["game"] == "MM-I")
        visit = server.ask("/v1/episodes", {"task": task, "kind": "bot"}).body
        path = f"/v1/episodes/{visit['id']}"
        position = visit
        while position["outcome"] is None:
            body = {
                "step": position["step"],
                "move": {"guess": ["red", "red", "blue", "blue"]},
                "token": visit["token"],
            }
            assert server.ask(f"{path}/events").status == 403
            position = server.ask(f"{path}/moves", body).body
        assert position["step"] == 11
        transcript = server.ask(f"{path}/transcript").content
        events = server.ask(f"{path}/events").body["items"]
        assert [json.loads(line) for line in transcript.splitlines()] == events
        assert visit["token"].encode() not in transcript
    finally:
        server.stop()
