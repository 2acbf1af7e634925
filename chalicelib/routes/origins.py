"""Origins: which pages elsewhere may read replies in a visitor's browser.

A preflight is answered by API Gateway, for everyone: it opens nothing, since a request
that changes something needs a key that a foreign page does not have. Replies name the
origin that asked if it is one of `TILTS_ORIGINS`, and no other.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from chalice import CORSConfig, Response

from chalicelib.wiring import tilts

PREFLIGHT: Final = CORSConfig(
    allow_origin="*",
    allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match"],
    max_age=600,
)
EXPOSED: Final = "ETag, Retry-After, WWW-Authenticate"
CORS: Final = "access-control-"


def name_origin(request: Any, get_response: Callable[[Any], Response]) -> Response:
    """Middleware: let the browser hand the reply to the page that asked, if it may."""
    response = get_response(request)
    headers = {
        name: value
        for name, value in response.headers.items()
        if not name.lower().startswith(CORS)
    }
    origin = request.headers.get("origin") if request is not None else None
    if origin is not None:
        headers["Vary"] = "Origin"
        if is_allowed(origin, tilts().settings.origins):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = EXPOSED
    response.headers = headers
    return response


def is_allowed(origin: str, patterns: Sequence[str]) -> bool:
    """Whether an origin is one of these; `*` stands for part of one name in a host."""
    for pattern in patterns:
        parts = map(re.escape, pattern.split("*"))
        if re.fullmatch("[a-z0-9-]*".join(parts), origin):
            return True
    return False
