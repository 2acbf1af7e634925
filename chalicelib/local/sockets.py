"""Sockets on one machine: the live feed's way out, and the app's handlers' way in."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final

from aiohttp import WSMsgType, web
from chalice import Chalice

from chalicelib.errors import ConnectionGoneError

log = logging.getLogger("tilts.sockets")

API: Final = "local"
STAGE: Final = "v1"
FRAME_BYTES: Final = 32 * 1024
FRAMES_WAITING: Final = 5_000
"""A spectator that is further behind than this is let go, and comes back."""

Handler = Callable[[dict[str, Any], Any], Any]


@dataclass
class Socket:
    """One spectator's connection."""

    loop: asyncio.AbstractEventLoop
    frames: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)


class SocketFeed:
    """`interfaces.LiveFeed` over the sockets of this process, from any thread."""

    def __init__(self) -> None:
        self._sockets: dict[str, Socket] = {}

    def open(self, connection: str) -> Socket:
        """A spectator has come."""
        socket = Socket(asyncio.get_running_loop())
        self._sockets[connection] = socket
        return socket

    def send(self, connection: str, frame: str) -> None:
        socket = self._sockets.get(connection)
        if socket is None:
            raise ConnectionGoneError(f"{connection} has left.")
        if socket.frames.qsize() > FRAMES_WAITING:
            self.close(connection)
            raise ConnectionGoneError(f"{connection} cannot keep up.")
        socket.loop.call_soon_threadsafe(socket.frames.put_nowait, frame)

    def close(self, connection: str) -> None:
        socket = self._sockets.pop(connection, None)
        if socket is not None:
            socket.loop.call_soon_threadsafe(socket.frames.put_nowait, None)

    def __len__(self) -> int:
        return len(self._sockets)


class SocketGateway:
    """Turns what happens on sockets into the events that API Gateway would send."""

    def __init__(
        self,
        app: Chalice,
        feed: SocketFeed,
        handlers: dict[str, Handler],
        executor: Executor,
    ) -> None:
        # Chalice wants an address before it calls a handler; here nobody uses it.
        app.websocket_api.configure("localhost", "v1")
        self._feed = feed
        self._handlers = handlers
        self._executor = executor

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from its opening to its end."""
        response = web.WebSocketResponse(heartbeat=30, max_msg_size=FRAME_BYTES)
        await response.prepare(request)
        connection = token_hex(8)
        # The app names a socket by its API and stage too, as in the cloud.
        name = f"{API}/{STAGE}/{connection}"
        socket = self._feed.open(name)
        sender = asyncio.create_task(send_frames(socket, response))
        try:
            await self._call("CONNECT", connection, None)
            async for message in response:
                if message.type is WSMsgType.TEXT:
                    await self._call("MESSAGE", connection, message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._call("MESSAGE", connection, "binary")
        finally:
            sender.cancel()
            self._feed.close(name)
            await self._call("DISCONNECT", connection, None)
        return response

    async def _call(self, kind: str, connection: str, body: str | None) -> None:
        event = socket_event(kind, connection, body)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(
                self._executor, self._handlers[kind], event, None
            )
        except Exception:
            log.exception("the %s handler failed", kind)


async def send_frames(socket: Socket, response: web.WebSocketResponse) -> None:
    """Send what waits, in order; None ends the connection."""
    while (frame := await socket.frames.get()) is not None:
        await response.send_str(frame)
    await response.close()


def socket_event(kind: str, connection: str, body: str | None) -> dict[str, Any]:
    """The event that API Gateway sends to a socket handler."""
    routes = {"CONNECT": "$connect", "DISCONNECT": "$disconnect", "MESSAGE": "$default"}
    event: dict[str, Any] = {
        "requestContext": {
            "routeKey": routes[kind],
            "eventType": kind,
            "connectionId": connection,
            "apiId": API,
            "domainName": "localhost",
            "stage": STAGE,
        },
        "isBase64Encoded": False,
    }
    if body is not None:
        event["body"] = body
    return event
