"""The bare SDK loop as a contender of `bench.overhead`: recorded bodies, nothing kept.

The fastest form there is of the SDKs: encoded bodies, no typed reply, no retries.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from bench.overhead_games import Api, Recording, slices_of

Post = Callable[[bytes], Awaitable[httpx2.Response]]


def open_post(api: Api, port: int, key: str) -> tuple[Post, Callable[[], Any]]:
    """A way to send a body over the SDK, and one to ask for the model itself."""
    origin = f"http://127.0.0.1:{port}"
    client: Any
    if api.name == "messages":
        from anthropic import AsyncAnthropic

        client = AsyncAnthropic(api_key=key, base_url=origin, max_retries=0)
        path = f"/v1/models/{api.model}"
    else:
        from openai import AsyncOpenAI

        client = AsyncOpenAI(api_key=key, base_url=f"{origin}/v1", max_retries=0)
        path = f"/models/{api.model}"

    async def post(body: bytes) -> httpx2.Response:
        reply: httpx2.Response = await client.post(
            api.path, cast_to=httpx2.Response, content=body
        )
        return reply

    return post, lambda: client.get(path, cast_to=httpx2.Response)


class BareLoop:
    """All games of a recording over one client."""

    def __init__(self, api: Api, port: int, key: str, recording: Recording) -> None:
        self._recording = recording
        self._runner = asyncio.Runner()
        self._runner.run(self._open(api, port, key))

    async def _open(self, api: Api, port: int, key: str) -> None:
        self._post, ask = open_post(api, port, key)
        await ask()

    def play(self, concurrency: int) -> None:
        """Play all games, `concurrency` at once."""
        self._runner.run(self._play(concurrency))

    async def _play(self, concurrency: int) -> None:
        for portion in slices_of(len(self._recording), concurrency):
            await asyncio.gather(*map(self._play_one, portion))

    async def _play_one(self, game: int) -> None:
        for number in range(self._recording.length(game)):
            reply = await self._post(self._recording.body(game, number))
            json.loads(reply.content)
