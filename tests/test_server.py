"""The server of one machine, running: REST, socket and page over real connections."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import aiohttp
import pytest

from chalicelib.events import Event, canonical_json
from chalicelib.local.database import Database
from chalicelib.local.store import SqliteStore
from chalicelib.records import VISITS, Episode
from chalicelib.services.suites import Suites
from chalicelib.services.visits import OPEN_PER_SOURCE
from tests.routes.api import DEFINITIONS, check_problem
from tests.routes.api import Reply as Checked
from tests.schemas import problems

Json = dict[str, Any]
T = TypeVar("T")

ROOT = Path(__file__).parent.parent
LONG_LOG = "ep_long"
LONG_EVENTS = 230
START_SECONDS = 30.0
FRAME_SECONDS = 15.0


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass
class Running:
    """A server that runs, and how to reach it."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> Reply:
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            data,
            {**kind, **(headers or {})},
            method=method,
        )
        try:
            with urlopen(request, timeout=20) as got:
                return Reply(got.status, lower(got.headers), got.read())
        except HTTPError as refusal:
            with refusal:
                return Reply(refusal.code, lower(refusal.headers), refusal.read())

    def talk(self, raw: bytes) -> tuple[int, bytes]:
        """Status and all bytes that come back for raw bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            line.sendall(raw)
            answer = b""
            while part := line.recv(65536):
                answer += part
        return int(answer.split(b" ", 2)[1]), answer

    def get_raw(self, target: bytes, *lines: bytes) -> tuple[int, bytes]:
        """GET of a target, byte for byte."""
        host = f"Host: localhost:{self.port}".encode()
        head = [b"GET " + target + b" HTTP/1.1", host, b"Connection: close", *lines]
        return self.talk(b"\r\n".join(head) + b"\r\n\r\n")

    def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """Exit status, output and errors."""
        self.process.send_signal(how)
        try:
            out, errors = self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, errors = self.process.communicate()
        return self.process.returncode, out, errors


def lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def problem_of(reply: Reply) -> Json:
    """The problem in a refusal; it is checked as those of the app are."""
    text = reply.content.decode()
    headers = {"Content-Type": reply.headers.get("content-type", "")}
    return check_problem(Checked(reply.status, headers, text))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def begin(*command: str, port: int, **settings: str) -> Running:
    """Start a server under these settings and wait until it answers."""
    process = subprocess.Popen(
        ("env", *(f"{name}={value}" for name, value in settings.items()), *command),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Running(process, port)
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return running
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"it did not start: {process.communicate()}")


def begin_server(data: Path, **settings: str) -> Running:
    port = free_port()
    return begin(
        *(sys.executable, "run.py", "--port", str(port), "--data", str(data)),
        port=port,
        **settings,
    )


def prepare(data: Path) -> None:
    """A database with one long log."""
    database = Database(data / "tilts.db")
    store = SqliteStore(database)
    task = Suites().suite("core-1").tasks[0]
    store.create_episodes(
        [
            Episode(
                LONG_LOG, VISITS, "mock~random~1", task.id, task.game, task.variant,
                "core-1", 0, "finished", "2026-01-01T00:00:00.000Z", ("mock~random~1",),
                end="won",
            )
        ]
    )  # fmt: skip
    for n in range(1, LONG_EVENTS + 1):
        store.append(Event(LONG_LOG, n, "attempted", {"step": 1, "try": n}))
    database.close()


def let_rest(running: Running) -> str:
    """End what the baselines began by themselves; the id of that evaluation."""
    (first,) = running.ask("/v1/evaluations").body["items"]
    assert running.ask(f"/v1/evaluations/{first['id']}/cancel", {}).status == 200
    evaluation: str = first["id"]
    return evaluation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("server")
    prepare(data)
    running = begin_server(data)
    let_rest(running)
    yield running
    running.stop()


# REST.


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


# Who may ask.


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}"])
@pytest.mark.parametrize("path", ["/", "/v1/health"])
def test_its_own_names_are_served(path: str, host: str, server: Running) -> None:
    name = host.format(port=server.port)
    own = {"Host": name, "Origin": f"http://{name}"}
    assert server.ask(path, headers=own).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "localhost", "localhost:1", "127.0.0.1",
     "localhost:{port}.evil.example", "169.254.169.254:{port}", "LOCALHOST.:{port}"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/v1/health", "/v1/socket", "/v1/none"])
def test_another_host_is_refused(path: str, host: str, server: Running) -> None:
    reply = server.ask(path, headers={"Host": host.format(port=server.port)})
    assert reply.status == 403
    problem_of(reply)


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://evil.example", "https://localhost:{port}", "http://localhost",
     "http://localhost:{port}.evil.example", "file://"],
)  # fmt: skip
def test_another_origin_is_refused(origin: str, server: Running) -> None:
    foreign = {"Origin": origin.format(port=server.port)}
    for path in ("/v1/health", "/v1/socket", "/"):
        reply = server.ask(path, headers=foreign)
        assert reply.status == 403, path
        problem_of(reply)
    body = {"suite": "core-1", "players": ["baseline~random~1"]}
    assert server.ask("/v1/evaluations", body, foreign).status == 403
    cancel = server.ask("/v1/evaluations/ev_0/cancel", headers=foreign, method="POST")
    assert cancel.status == 403


def test_a_request_without_a_host_is_refused(server: Running) -> None:
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET /v1/health HTTP/1.0\r\n\r\n"):
        assert server.talk(head)[0] in (400, 403)


# The page.


def test_the_page_is_served_with_a_policy(server: Running) -> None:
    reply = server.ask("/")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/html")
    policy = dict(
        part.strip().split(" ", 1)
        for part in reply.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    page = reply.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page), "an inline script is blocked"
    assert not re.search(r"\son\w+\s*=", page), "an inline handler is blocked"
    for name in re.findall(r'(?:src|href)="/?([\w.-]+\.(?:js|css|svg))"', page):
        assert server.ask(f"/{name}").status == 200, name


ESCAPES = [
    b"/../run.py", b"/../../etc/passwd", b"/..%2frun.py", b"/%2e%2e/%2e%2e/run.py",
    b"/%2e%2e%2f%2e%2e%2frun.py", b"/..%252frun.py", b"/.%2e/.%2e/run.py",
    b"/static/../../../run.py", b"//etc/passwd", b"/%2fetc%2fpasswd", b"/..\\..\\run.py",
    b"/%5c..%5c..%5crun.py", b"/index.html/../../../run.py", b"/index.html%00.js",
    b"/%00", b"/" + b"a" * 300, b"/" + b"a/" * 2000, b"/v1/../../run.py",
    b"/v1/%2e%2e/%2e%2e/run.py", b"/v1/socket/../../../run.py", b"/.git/config", b"/%ff",
    b"/index.html\xff", b"/.", b"/..", b"/%2e",
]  # fmt: skip


@pytest.mark.parametrize(
    "target", ESCAPES, ids=lambda target: target[:24].decode("latin")
)
def test_no_path_leads_out_of_the_page(target: bytes, server: Running) -> None:
    status, answer = server.get_raw(target)
    assert 400 <= status < 500, answer[:300]
    for secret in (b"import argparse", b"root:", b"[core]", b"Traceback"):
        assert secret not in answer


def test_an_absolute_target_is_no_way_around(server: Running) -> None:
    for target in (b"http://evil.example/v1/health", b"http://localhost:1/../run.py"):
        status, answer = server.get_raw(target)
        assert status < 500, answer
        assert b"import argparse" not in answer


# The socket.


def in_session(
    server: Running, work: Callable[[aiohttp.ClientSession], Awaitable[T]]
) -> T:
    """What a coroutine gives that is handed a client session."""

    async def run() -> T:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            return await work(session)

    return asyncio.run(run())


class Spectator:
    """A socket from the spectator's side."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse) -> None:
        self.line = line

    async def send(self, **frame: Any) -> None:
        await self.line.send_str(json.dumps(frame))

    async def next(self) -> Json:
        text = await self.line.receive_str(timeout=FRAME_SECONDS)
        assert len(text.encode()) <= 32 * 1024
        frame: Json = json.loads(text)
        return frame

    async def until(self, kind: str) -> list[Json]:
        """Frames up to and with the first of a kind."""
        frames = [await self.next()]
        while frames[-1]["type"] != kind:
            frames.append(await self.next())
        return frames


def spectate(server: Running, work: Callable[[Spectator], Awaitable[T]]) -> T:
    """What a coroutine gives that is handed a spectator."""

    async def run(session: aiohttp.ClientSession) -> T:
        async with session.ws_connect("/v1/socket") as line:
            return await work(Spectator(line))

    return in_session(server, run)


def test_an_episode_is_watched_from_its_first_event_to_its_end(
    server: Running,
) -> None:
    body = {"suite": "core-1", "players": ["baseline~careless~1"], "repeats": 2}
    evaluation = server.ask("/v1/evaluations", body).body["id"]
    path = f"/v1/evaluations/{evaluation}"
    while not (
        waiting := server.ask(f"{path}/episodes?status=waiting&limit=100").body["items"]
    ):
        time.sleep(0.02)
    episode = waiting[-1]["id"]
    topic = f"episode:{episode}"

    async def watch(spectator: Spectator) -> list[Json]:
        await spectator.send(action="watch", topic=topic, after=0)
        frames = await spectator.until("caught-up")
        assert frames == [{"type": "caught-up", "topic": topic, "n": 0}], "not live"
        got: dict[int, Json] = {}
        while not got or got[max(got)]["type"] != "ended" or len(got) < max(got):
            frame = await spectator.next()
            assert (frame["type"], frame["topic"]) == ("event", topic)
            assert frame["n"] == frame["event"]["n"]
            assert got.setdefault(frame["n"], frame["event"]) == frame["event"]
        return [got[n] for n in sorted(got)]

    events = spectate(server, watch)
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "started"
    assert server.ask(f"/v1/episodes/{episode}/events").body["items"] == events
    while (reply := server.ask(f"/v1/episodes/{episode}/transcript")).status == 404:
        time.sleep(0.02)
    told = "".join(canonical_json(event) + "\n" for event in events).encode()
    assert reply.content == told
    results = server.ask(f"{path}/results?format=jsonl").content.splitlines()
    rows = [row for row in map(json.loads, results) if row["episode"] == episode]
    assert [row["log_hash"] for row in rows] == [sha256(told).hexdigest()]


def test_a_topic_with_a_state_sends_it_at_once_and_whole(server: Running) -> None:
    evaluation = server.ask("/v1/evaluations").body["items"][-1]["id"]

    async def watch(spectator: Spectator) -> list[Json]:
        frames = []
        for topic in ("live", f"evaluation:{evaluation}"):
            await spectator.send(action="watch", topic=topic)
            frames.append(await spectator.next())
            while frames[-1].get("topic") != topic:
                frames[-1] = await spectator.next()
        return frames

    live, rest = spectate(server, watch)
    assert live["type"] == rest["type"] == "state"
    assert not problems(live["state"], DEFINITIONS["Live"], DEFINITIONS)
    assert rest["state"]["id"] == evaluation
    assert rest["state"]["end"] == "cancelled"


def test_who_is_far_behind_is_told_to_read_over_rest(server: Running) -> None:
    topic = f"episode:{LONG_LOG}"

    async def watch(spectator: Spectator) -> tuple[list[Json], list[Json], list[Json]]:
        await spectator.send(action="watch", topic=topic, after=0)
        far = await spectator.until("resync")
        await spectator.send(action="watch", topic=topic, after=LONG_EVENTS - 200)
        near = await spectator.until("caught-up")
        await spectator.send(action="ping", topics={topic: LONG_EVENTS - 3})
        return far, near, await spectator.until("pong")

    far, near, pong = spectate(server, watch)
    assert far == [{"type": "resync", "topic": topic}]
    assert [frame["n"] for frame in near] == [*range(31, 231), 230]
    assert [frame.get("n") for frame in pong] == [228, 229, 230, None]


def test_a_ping_is_answered_and_tells_nothing_of_topics_not_followed(
    server: Running,
) -> None:
    async def watch(spectator: Spectator) -> list[Json]:
        await spectator.send(action="ping", topics={f"episode:{LONG_LOG}": 0})
        first = await spectator.next()
        await spectator.send(action="ping")
        return [first, await spectator.next()]

    assert spectate(server, watch) == [{"type": "pong"}, {"type": "pong"}]


def test_ten_frames_that_make_no_sense_end_the_connection(server: Running) -> None:
    frames = [
        "", "{", "[]", "null", "7", '{"action": "shout"}', '{"action": 5}',
        '{"action": "watch"}', '{"action": "watch", "topic": "episode:"}',
        '{"action": "watch", "topic": "live", "after": -1}',
    ]  # fmt: skip

    async def shout(spectator: Spectator) -> list[str]:
        codes = []
        for text in frames:
            await spectator.line.send_str(text)
            frame = await spectator.next()
            assert frame["type"] == "error"
            assert frame["message"].endswith(".")
            codes.append(frame["code"])
        last = await spectator.line.receive(timeout=FRAME_SECONDS)
        assert last.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        return codes

    assert len(spectate(server, shout)) == 10


def test_nine_bad_frames_are_forgiven(server: Running) -> None:
    async def shout(spectator: Spectator) -> Json:
        for _ in range(9):
            await spectator.line.send_bytes(b"\xff")
            assert (await spectator.next())["type"] == "error"
        await spectator.send(action="ping")
        return await spectator.next()

    assert spectate(server, shout) == {"type": "pong"}


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "watch", "topic": "episode:ep_none", "after": 0},
        {"action": "watch", "topic": "evaluation:visits"},
        {"action": "watch", "topic": f"episode:{LONG_LOG}", "after": 10**30},
        {"action": "watch", "topic": f"episode:{LONG_LOG}", "after": True},
        {"action": "watch", "topic": "episode:\ud800"},
        {"action": "watch", "topic": "episode:" + "x" * 100},
        {"action": "unwatch", "topic": 5},
        {"action": "ping", "topics": {"live": "x"}},
        {"action": "ping", "topics": {f"episode:{LONG_LOG}": 2**63}},
        {"action": "ping", "topics": [1]},
    ],
    ids=lambda frame: json.dumps(frame)[:60],
)
def test_a_frame_that_cannot_be_followed_is_answered(
    frame: Json, server: Running
) -> None:
    async def shout(spectator: Spectator) -> Json:
        await spectator.send(action="watch", topic=f"episode:{LONG_LOG}", after=229)
        await spectator.until("caught-up")
        await spectator.send(**frame)
        first = await spectator.next()
        await spectator.send(action="ping")
        await spectator.until("pong")
        return first

    assert spectate(server, shout)["type"] == "error"


def test_a_frame_that_is_too_large_ends_the_connection(server: Running) -> None:
    async def shout(spectator: Spectator) -> aiohttp.WSMsgType:
        await spectator.line.send_str("x" * 40_000)
        return (await spectator.line.receive(timeout=FRAME_SECONDS)).type

    assert spectate(server, shout) in (
        aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED,
    )  # fmt: skip


def test_a_socket_follows_at_most_32_topics(server: Running) -> None:
    body = {"suite": "core-1", "players": ["baseline~minimax~1"]}
    evaluation = server.ask("/v1/evaluations", body).body["id"]
    path = f"/v1/evaluations/{evaluation}"
    while len(items := server.ask(f"{path}/episodes?limit=33").body["items"]) < 33:
        time.sleep(0.02)
    server.ask(f"{path}/cancel", {})

    async def watch(spectator: Spectator) -> Json:
        for item in items[:32]:
            await spectator.send(action="watch", topic=f"episode:{item['id']}")
            await spectator.until("caught-up")
        await spectator.send(action="watch", topic=f"episode:{items[32]['id']}")
        return (await spectator.until("error"))[-1]

    assert spectate(server, watch)["code"] == "too-many-topics"


# Starting and stopping.


def workers_of(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_stops_everything_and_the_next_start_goes_on(tmp_path: Path) -> None:
    first = begin_server(tmp_path)
    let_rest(first)
    body = {"suite": "core-1", "players": ["baseline~safest~1"]}
    evaluation = first.ask("/v1/evaluations", body).body["id"]
    path = f"/v1/evaluations/{evaluation}"

    async def interrupt(spectator: Spectator) -> tuple[int, str, str]:
        await spectator.send(action="watch", topic="live")
        await spectator.next()
        return await asyncio.to_thread(first.stop)

    while not first.ask(path).body["progress"]["over"]:
        time.sleep(0.02)
    workers = workers_of(first.process.pid)
    assert len(workers) == 1
    status, out, errors = spectate(first, interrupt)
    assert status == 0, errors
    assert "goes on from here" in out
    assert "Traceback" not in errors
    assert not [worker for worker in workers if is_running(worker)]
    second = begin_server(tmp_path)
    try:
        before = (progress := second.ask(path).body["progress"])["over"]
        while progress["over"] < min(before + 5, progress["episodes"]):
            time.sleep(0.05)
            progress = second.ask(path).body["progress"]
        ends = {state for state in progress["states"] if "." in state}
        assert ends <= {"finished.won", "finished.lost"}
    finally:
        assert second.stop(signal.SIGTERM)[0] == 0


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_port_or_a_folder_that_is_in_use_is_said_in_one_line(
    server: Running, tmp_path: Path
) -> None:
    port = str(server.port)
    ended = run_to_its_end("--port", port, "--data", str(tmp_path / "other"))
    assert ended.returncode == 1
    assert port in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    other = begin_server(tmp_path)
    try:
        let_rest(other)
        ended = run_to_its_end("--port", str(free_port()), "--data", str(tmp_path))
    finally:
        other.stop()
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "Another Tilts" in ended.stderr


def test_chalice_local_serves_rest_without_a_prefix(tmp_path: Path) -> None:
    port = free_port()
    running = begin(
        "env", f"TILTS_DATA={tmp_path}", sys.executable, "-c",
        "from chalice.cli import main; main()",
        "local", "--port", str(port), "--no-autoreload", port=port,
    )  # fmt: skip
    try:
        health = running.ask("/health")
        assert (health.status, health.body["status"]) == (200, "ok")
        assert running.ask("/v1/health").status in (403, 404)
        task = running.ask("/suites/core-1/tasks?limit=1").body["items"][0]
        assert running.ask(f"/tasks/{task['id']}").body == task
        started = running.ask("/episodes", {"task": task["id"]})
        assert started.status == 201
        refused = running.ask("/evaluations", {"suite": "core-1"})
        assert refused.status == 400
        problem_of(refused)
    finally:
        running.stop()


@pytest.mark.verify
def test_rest_answers_fast_while_baselines_play(tmp_path: Path) -> None:
    running = begin_server(tmp_path)
    try:
        while not (items := running.ask("/v1/evaluations").body["items"]):
            time.sleep(0.05)
        path = f"/v1/evaluations/{items[0]['id']}"
        paths = ["/v1/health", "/v1/suites/core-1", path, f"{path}/episodes?limit=50"]
        while not running.ask(path).body["progress"]["over"]:
            time.sleep(0.05)
        took = []
        for number in range(400):
            begun = time.perf_counter()
            assert running.ask(paths[number % len(paths)]).status == 200
            took.append(time.perf_counter() - begun)
        assert running.ask(path).body["status"] != "finished", (
            "they had stopped playing"
        )
        assert sorted(took)[int(0.95 * len(took))] < 0.025
    finally:
        running.stop()
