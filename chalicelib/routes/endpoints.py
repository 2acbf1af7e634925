"""Endpoints: routes that declare what they take and give, and answer in one way.

Each becomes a Chalice route and an operation of the OpenAPI document. Errors turn
into problem+json here and nowhere else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote, unquote

from chalice import Blueprint, Response
from pydantic import BaseModel

from chalicelib.errors import TiltsError
from chalicelib.routes.bodies import Body, read_body, read_query
from chalicelib.routes.origins import PREFLIGHT
from chalicelib.routes.roles import role_of
from chalicelib.services.access import Caller
from chalicelib.wiring import tilts

log = logging.getLogger("tilts.routes")
audit = logging.getLogger("tilts.audit")

Headers = dict[str, str | list[str]]

JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"
TITLES: Final = {
    405: "The method is not allowed",
    415: "The body must be JSON",
    500: "Something went wrong here",
}
SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class NoQuery(Body):
    """A query without parameters."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the API."""

    method: str
    path: str
    name: str
    summary: str
    reply: type[BaseModel] | None
    query: type[Body]
    body: type[Body] | None
    status: int
    other_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """A reply that is not JSON: its text, type and further headers."""

    text: str
    content_type: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """What a view is handed besides the parts of its path."""

    query: Any
    body: Any
    headers: Any
    source: str
    caller: Caller


ENDPOINTS: Final[list[Endpoint]] = []


class Routes:
    """The endpoints of one noun, on a Chalice blueprint."""

    def __init__(self, module: str) -> None:
        self.blueprint = Blueprint(module)

    def get(
        self,
        path: str,
        reply: type[BaseModel] | None,
        query: type[Body] = NoQuery,
        other_types: tuple[str, ...] = (),
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a view that reads."""
        return self._declare("GET", path, reply, query, None, 200, other_types)

    def post(
        self,
        path: str,
        reply: type[BaseModel],
        body: type[Body] | None = None,
        status: int = 200,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a view that changes something."""
        return self._declare("POST", path, reply, NoQuery, body, status, ())

    def delete(
        self, path: str, reply: type[BaseModel]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a view that takes something away."""
        return self._declare("DELETE", path, reply, NoQuery, None, 200, ())

    def _declare(
        self,
        method: str,
        path: str,
        reply: type[BaseModel] | None,
        query: type[Body],
        body: type[Body] | None,
        status: int,
        other_types: tuple[str, ...],
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            summary = (view.__doc__ or "").strip().partition("\n")[0]
            endpoint = Endpoint(
                method,
                path,
                view.__name__,
                summary,
                reply,
                query,
                body,
                status,
                other_types,
            )
            ENDPOINTS.append(endpoint)

            def handle(**parts: str) -> Response:
                # API Gateway decodes the parts of a path, Chalice's own server does not.
                decoded = {name: unquote(part) for name, part in parts.items()}
                return answer(endpoint, view, self.blueprint.current_request, decoded)

            self.blueprint.route(
                path,
                methods=[method],
                name=view.__name__,
                # What is not JSON is refused by read_body, with a sentence.
                content_types=["*/*"],
                cors=PREFLIGHT,
            )(handle)
            return view

        return register


def answer(
    endpoint: Endpoint, view: Callable[..., Any], request: Any, parts: dict[str, str]
) -> Response:
    """Call the view and shape what it gives, or what went wrong."""
    request_id = (request.context or {}).get("requestId") or token_hex(8)
    try:
        caller = tilts().access.identify(
            request.headers.get("authorization"), is_this_machine(request)
        )
        caller.require(role_of(endpoint.method, endpoint.path))
        query = read_query(request.query_params or {}, endpoint.query)
        body = None
        if endpoint.body is not None:
            content_type = request.headers.get("content-type")
            body = read_body(request.raw_body, content_type, endpoint.body)
        asked = Request(query, body, request.headers, source_of(request), caller)
        reply = shape_reply(endpoint, view(asked, **parts), request)
        if endpoint.method != "GET":
            audit.info(
                "%s %s by %s of %s: %d, request %s",
                endpoint.method,
                endpoint.path.format(
                    **{k: quote(v, safe="") for k, v in parts.items()}
                ),
                caller.key_id or caller.role,
                caller.team or "no team",
                reply.status_code,
                request_id,
            )
        return reply
    except TiltsError as error:
        if error.status >= 500:
            log.error("request %s: %s", request_id, error, exc_info=error)
        return problem(error, request_id)
    except Exception:
        log.exception("request %s failed", request_id)
        return problem(TiltsError("unexpected"), request_id)


def shape_reply(endpoint: Endpoint, reply: Any, request: Any) -> Response:
    """The reply as bytes of its declared shape, with an ETag if it was read."""
    headers: Headers
    if isinstance(reply, Plain):
        headers = {"Content-Type": reply.content_type, **SAFE_HEADERS, **reply.headers}
        return Response(reply.text, headers, endpoint.status)
    if endpoint.reply is None:
        raise TypeError(f"{endpoint.path} declares no JSON reply")
    text = endpoint.reply.model_validate(reply).model_dump_json(by_alias=True)
    headers = {"Content-Type": JSON_TYPE, **SAFE_HEADERS}
    if endpoint.method == "GET":
        headers["ETag"] = f'"{sha256(text.encode()).hexdigest()[:20]}"'
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response("", headers, 304)
    return Response(text, headers, endpoint.status)


def problem(error: TiltsError, request_id: str) -> Response:
    """The error as problem+json (RFC 9457), without anything from inside."""
    shown = (
        error.message
        if error.status < 500
        else "The error is logged under this request id."
    )
    body = {
        **(error.details if error.status < 500 else {}),
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": shown,
        "request_id": request_id,
    }
    headers: Headers = {"Content-Type": PROBLEM_TYPE, **SAFE_HEADERS}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(body, headers, error.status)


def restate_refusal(request: Any, get_response: Callable[[Any], Response]) -> Response:
    """Middleware: what Chalice refuses by itself, as the problem that it is."""
    response = get_response(request)
    if not isinstance(response.body, dict) or "Code" not in response.body:
        return response
    detail = "It is logged."
    if response.status_code == 405:
        allowed = response.headers.get("Allow", "")
        detail = f"This address takes {allowed} and nothing else."
    elif response.status_code < 500:
        detail = f"{response.body['Message'].rstrip('.')}."
    body = {
        "type": "about:blank",
        "title": TITLES.get(response.status_code, "The request failed"),
        "status": response.status_code,
        "detail": detail,
        "request_id": token_hex(8),
    }
    headers: Headers = {
        **response.headers,
        "Content-Type": PROBLEM_TYPE,
        **SAFE_HEADERS,
    }
    return Response(body, headers, response.status_code)


def is_this_machine(request: Any) -> bool:
    """Whether the request was sent from the machine that serves it."""
    in_cloud = (request.context or {}).get("requestId")
    return not in_cloud and source_of(request) in ("127.0.0.1", "::1")


def source_of(request: Any) -> str:
    """The address a request came from.

    API Gateway says it in the request context; on one machine the local server
    writes x-forwarded-for over whatever the client sent.
    """
    context = request.context or {}
    if context.get("requestId"):
        return str(context.get("identity", {}).get("sourceIp", "unknown"))
    return str(request.headers.get("x-forwarded-for", "127.0.0.1"))
