"""A server that keeps what it is sent and answers as it is told, and a loop for both."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from aiohttp import web

from chalicelib.models.model import Answer, Exchange, Json, Model, ModelRequest, Tool

T = TypeVar("T")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
KEY = "sk-test-0123456789abcdef"

TOOL = Tool(
    "reveal",
    "Opens cells.",
    {
        "type": "object",
        "properties": {"cells": {"type": "array", "items": {"type": "string"}}},
        "required": ["cells"],
        "additionalProperties": False,
    },
)


def make_request(history: list[Exchange] | None = None, **changes: Any) -> ModelRequest:
    """A question about a board, the last of a conversation."""
    values: Json = {
        "model": "some-model",
        "effort": None,
        "system": "You play Minesweeper. Ä £ 地",
        "tool": TOOL,
        "history": history or [],
        "prompt": "Step 3 ⛳",
        "output_tokens": 2_000,
        "conversation": "episode-1",
    }
    return ModelRequest(**{**values, **changes})


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        found: Json = json.loads(self.raw)
        return found


@dataclass
class Scene:
    """The server, its replies in the order of requests, and what it has seen."""

    runner: asyncio.Runner
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def close_later(self, model: Model) -> Model:
        self.models.append(model)
        return model

    def reply(self, body: Any, status: int = 200, **headers: str) -> None:
        """The next reply: JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Content-Type", "application/json")

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=content, status=status, headers=named)

        self.handlers.append(handle)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(request.path, dict(request.headers), await request.read())
        self.seen.append(seen)
        return await self.handlers.pop(0)(request)


def ask_model(
    model: Model, request: ModelRequest, seconds: float
) -> Coroutine[Any, Any, Answer]:
    """One try, as a player makes it."""
    return model.answer(request, model.write(request), seconds)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with asyncio.Runner() as runner:
        made = Scene(runner)
        apps: list[web.ServerRunner] = []

        async def start() -> None:
            app = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
            apps.append(app)
            await app.setup()
            await web.TCPSite(app, "127.0.0.1", 0).start()
            made.url = f"http://127.0.0.1:{app.addresses[0][1]}"

        async def stop() -> None:
            for model in made.models:
                await model.aclose()
            for app in apps:
                await app.cleanup()

        runner.run(start())
        try:
            yield made
        finally:
            runner.run(stop())
