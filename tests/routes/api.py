"""The API as a test sees it: every reply is held against the shape it declares."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import chalice.test

import app
from chalicelib import wiring
from chalicelib.routes.openapi import make_openapi
from chalicelib.settings import Settings
from tests.schemas import problems
from tests.world import World

Json = dict[str, Any]

DOCUMENT = make_openapi("test")
DEFINITIONS: Json = DOCUMENT["components"]["schemas"]
INSIDES = (
    "Traceback", "File \"", "chalicelib", "sqlite", "pydantic", ".py", "site-packages",
    "KeyError", "TypeError", "ValueError", "object at 0x",
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    def header(self, name: str) -> str | None:
        found = [v for k, v in self.headers.items() if k.lower() == name.lower()]
        return found[0] if found else None


class Api:
    """A client whose every reply must be as the OpenAPI document says."""

    def __init__(self, client: chalice.test.Client, world: World) -> None:
        self._client = client
        self.world = world
        # The key that signs cursors is made on first use, once for all.
        self.get("/suites/tiny-1/tasks?limit=1")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.send("GET", path, b"", headers or {})

    def post(
        self,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """JSON as it is; bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(
            "POST", path, raw, {"Content-Type": "application/json", **(headers or {})}
        )

    def send(
        self, method: str, path: str, raw: bytes, headers: Mapping[str, str]
    ) -> Reply:
        got = self._client.http.request(method, path, headers=dict(headers), body=raw)
        reply = Reply(got.status_code, got.headers, (got.body or b"").decode())
        check_reply(method, path, reply)
        return reply

    def rows(self) -> dict[str, int]:
        """How many rows each table has: what a refused request must not change."""
        connection = self.world.database.connection()
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table'"
            " AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for (name,) in names
        }

    def content(self) -> list[str]:
        """Everything in the database, as text."""
        return list(self.world.database.connection().iterdump())

    def evaluate(self, *players: str, suite: str = "tiny-1", **wanted: Any) -> Json:
        """An evaluation, created and played to its end."""
        made = self.post(
            "/evaluations", {"suite": suite, "players": list(players), **wanted}
        )
        assert made.status == 202, made.text
        self.world.work()
        evaluation: Json = self.get(f"/evaluations/{made.body['id']}").body
        return evaluation


@contextmanager
def opened(settings: Settings) -> Iterator[Api]:
    """The API over a world with these settings; its database stays in their folder."""
    world = World(settings.data / "tilts.db", settings)
    wiring.install(world.tilts)
    with chalice.test.Client(app.app) as client:
        yield Api(client, world)
    wiring.install(None)
    world.tilts.close()
    world.database.close()


def wanted(*players: str, **changes: Any) -> Json:
    """The body of an evaluation on the small suite."""
    return {"suite": "tiny-1", "players": list(players), **changes}


def cap_of(api: Api, player: str) -> int:
    """The most that one episode of a player may cost."""
    (entry,) = api.post("/quotes", wanted(player)).body["entries"]
    cap: int = entry["episode_cap_microusd"]
    return cap


def find_operation(method: str, path: str) -> Json | None:
    """The declared operation that a path belongs to."""
    parts = path.partition("?")[0].split("/")
    for template, operations in DOCUMENT["paths"].items():
        wanted = template.split("/")
        if len(wanted) == len(parts) and all(
            w == p or w.startswith("{") for w, p in zip(wanted, parts, strict=True)
        ):
            found: Json | None = operations.get(method.lower())
            return found
    return None


def check_reply(method: str, path: str, reply: Reply) -> None:
    """The reply is one that the operation declares, in the shape it declares."""
    operation = find_operation(method, path)
    if operation is None:
        return
    kind = (reply.header("Content-Type") or "").partition(";")[0]
    assert reply.header("X-Content-Type-Options") == "nosniff", reply
    assert reply.status < 500, f"{method} {path}: {reply.text}"
    if reply.status == 304:
        assert "304" in operation["responses"], path
        assert reply.text == ""
        return
    if str(reply.status) not in operation["responses"]:
        check_problem(reply)
        return
    declared = operation["responses"][str(reply.status)]["content"]
    kinds = {name.partition(";")[0]: content for name, content in declared.items()}
    assert kind in kinds, f"{method} {path} answers {kind}"
    if kind == "application/json":
        found = problems(reply.body, kinds[kind]["schema"], DEFINITIONS)
        assert not found, found[:3]


def check_problem(reply: Reply) -> Json:
    """A refusal that helps: RFC 9457, a request id, a sentence, nothing from inside."""
    assert 400 <= reply.status < 500, reply
    assert reply.header("Content-Type") == "application/problem+json", reply
    body: Json = reply.body
    assert not problems(body, DEFINITIONS["Problem"], DEFINITIONS)
    assert body["status"] == reply.status
    assert len(body["request_id"]) >= 8
    assert len(body["detail"]) > 10
    assert body["detail"].endswith(".")
    for inside in INSIDES:
        assert inside not in reply.text, reply.text
    return body
