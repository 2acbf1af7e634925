"""REST on one machine: the real Chalice app behind Chalice's own local gateway."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final

from chalice import Chalice
from chalice.config import Config
from chalice.local import CustomLocalChalice, LocalChalice, LocalGateway
from chalice.local import ForbiddenError as NoRouteError

PROBLEM_TYPE: Final = "application/problem+json"
TITLES: Final = {
    403: "This is not allowed",
    404: "Not found",
    405: "The method is not allowed",
    413: "Too large",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and body as they go out."""

    status: int
    headers: dict[str, str]
    body: bytes


class RestGateway:
    """Hands HTTP requests to the app; may be used from several threads at once."""

    def __init__(self, app: Chalice) -> None:
        # What `chalice local` does too: the current request becomes thread-local.
        if not isinstance(app, LocalChalice):
            CustomLocalChalice.__bases__ = (LocalChalice, app.__class__)
            app.__class__ = CustomLocalChalice
        config = Config.create(app_name=app.app_name, chalice_app=app)
        self._gateway = LocalGateway(app, config)

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """The reply to a request whose path has no /v1 and may have a query."""
        try:
            reply = self._gateway.handle_request(method, path, dict(headers), body)
        except NoRouteError:
            return problem_reply(
                404, f"There is nothing at {path[:200]}; see /v1/openapi.json."
            )
        return read_reply(reply)


def read_reply(reply: dict[str, Any]) -> Reply:
    """A gateway's reply as bytes."""
    headers = {name.lower(): value for name, value in (reply["headers"] or {}).items()}
    for name, values in (reply.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = values[-1]
    headers.setdefault("content-type", "application/json")
    return Reply(reply["statusCode"], headers, (reply["body"] or "").encode())


def problem_reply(status: int, detail: str) -> Reply:
    """A problem that is found before the app is reached."""
    body = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "request_id": token_hex(8),
    }
    headers = {"content-type": PROBLEM_TYPE, "x-content-type-options": "nosniff"}
    return Reply(status, headers, json.dumps(body).encode())
