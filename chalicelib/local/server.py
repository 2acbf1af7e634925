"""The server of one machine: REST, socket, page, and the worker beside it."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from aiohttp import web

from chalicelib.errors import StartError
from chalicelib.local.gateway import Reply, RestGateway, problem_reply
from chalicelib.local.sockets import SocketGateway

log = logging.getLogger("tilts.server")

PREFIX: Final = "/v1"
BODY_BYTES: Final = 512 * 1024
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src "
    "'self'; img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """HTTP on 127.0.0.1 for the app, its socket and the page in a folder."""

    def __init__(
        self,
        rest: RestGateway,
        sockets: SocketGateway,
        executor: ThreadPoolExecutor,
        page: Path,
        port: int,
    ) -> None:
        self._rest = rest
        self._sockets = sockets
        self._executor = executor
        self._page = page
        self._port = port

    async def serve(self, ready: asyncio.Event, stopped: asyncio.Event) -> None:
        """Serve until stopped. StartError when the port cannot be had."""
        application = web.Application(
            client_max_size=BODY_BYTES, middlewares=[self._guard]
        )
        application.router.add_get(f"{PREFIX}/socket", self._sockets.serve)
        application.router.add_route("*", f"{PREFIX}/{{path:.*}}", self._answer_rest)
        application.router.add_get("/{path:.*}", self._answer_page)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(
                runner, "127.0.0.1", self._port, shutdown_timeout=1
            ).start()
        except OSError as error:
            await runner.cleanup()
            reason = os.strerror(error.errno or 0).lower()
            raise StartError(
                f"Port {self._port} cannot be used ({reason}): stop what "
                f"uses it, or choose another: make run PORT={self._port + 1}"
            ) from error
        ready.set()
        await stopped.wait()
        await runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: HttpHandler
    ) -> web.StreamResponse:
        """Refuse requests that a page elsewhere makes a browser send here."""
        names = {f"{name}:{self._port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin")
        if host not in names:
            return respond(problem_reply(403, "This Host is not served here."))
        if origin is not None and origin not in {f"http://{name}" for name in names}:
            return respond(problem_reply(403, "This Origin may not ask here."))
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return respond(
                problem_reply(405, f"This address takes {allowed} and nothing else.")
            )

    async def _answer_rest(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return respond(problem_reply(413, "The body is too large."))
        headers = {
            name.lower(): clean_header(value) for name, value in request.headers.items()
        }
        # Whatever the client wrote there, this is where the request came from.
        headers["x-forwarded-for"] = request.remote or "unknown"
        path = request.raw_path.removeprefix(PREFIX)
        reply = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._rest.handle, request.method, path, headers, body
        )
        return respond(reply)

    async def _answer_page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["path"] or "index.html"
        path = self._page / name
        try:
            path = path.resolve()
            is_page = path.is_relative_to(self._page.resolve()) and path.is_file()
        except (OSError, ValueError):
            # No file system has such a name.
            is_page = False
        if not is_page:
            return respond(problem_reply(404, "There is no such page; see /."))
        return web.FileResponse(path, headers=PAGE_HEADERS)


def clean_header(value: str) -> str:
    """The header as text that can be kept and sent on."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def respond(reply: Reply) -> web.Response:
    """A gateway's reply as aiohttp sends it."""
    return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
