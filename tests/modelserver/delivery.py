"""How the bytes of a reply reach the caller, or fail to."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Final

from aiohttp import web

PIECES: Final = 12
FOREVER: Final = 86_400.0
JSON: Final = "application/json"
LINGER: Final = struct.pack("ii", 1, 0)
PAGE: Final = b"<!doctype html><title>Bad gateway</title><p>Please come back later."


def whole(
    body: bytes, headers: Mapping[str, str], status: int = 200, kind: str = JSON
) -> web.Response:
    """The whole reply at once."""
    return web.Response(body=body, status=status, content_type=kind, headers=headers)


class Delivery:
    """Ways to deliver; `pace` lies between pieces, `late` before a late reply."""

    def __init__(self, pace: float, late: float) -> None:
        self.pace = pace
        self.late = late

    async def send(
        self,
        request: web.BaseRequest,
        how: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """Send the reply this way."""
        if how == "late":
            await asyncio.sleep(self.late)
            return whole(body, headers)
        if how == "never":
            await asyncio.sleep(FOREVER)
        if how == "trickle":
            return await self._trickle(request, body, headers)
        if how == "reset-before":
            reset(request)
        if how in ("reset-mid", "early-close"):
            return await send_half(request, how, body, headers)
        if how == "cut":
            return whole(body[: len(body) // 2], headers)
        if how == "list":
            return whole(b"[" + body + b"]", headers)
        if how == "html":
            return whole(PAGE, headers, kind="text/html")
        return whole(b"", headers)

    async def _trickle(
        self, request: web.BaseRequest, body: bytes, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """The reply in pieces."""
        response = await begin(request, len(body), headers)
        size = -(-len(body) // PIECES)
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
            await asyncio.sleep(self.pace)
        await response.write_eof()
        return response


async def begin(
    request: web.BaseRequest, length: int, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Status and headers of a reply of this length, sent."""
    response = web.StreamResponse(headers=headers)
    response.content_type = JSON
    response.content_length = length
    await response.prepare(request)
    return response


async def send_half(
    request: web.BaseRequest, how: str, body: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Half of what was announced, then a reset or a plain close."""
    response = await begin(request, len(body), headers)
    await response.write(body[: len(body) // 2])
    # Let the half arrive, so that the caller has a reply in hand when it breaks.
    await asyncio.sleep(0.02)
    if how == "reset-mid":
        reset(request)
    elif request.transport is not None:
        request.transport.close()
    return response


def reset(request: web.BaseRequest) -> None:
    """Close the connection so that the caller gets a reset."""
    if request.transport is not None:
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        request.transport.abort()
