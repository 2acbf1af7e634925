"""Sessions with a server that runs: of a client, and of a spectator."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp

from tests.server.running import Json, Running

T = TypeVar("T")
FRAME_SECONDS = 15.0


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
