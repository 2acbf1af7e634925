"""Pages: how many at once, and signed cursors to the next ones."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Annotated

from pydantic import Field

from chalicelib.errors import RequestError
from chalicelib.routes.bodies import Body
from chalicelib.wiring import tilts

SIGNATURE_BYTES = 12
Cursor = Annotated[str, Field(max_length=300)]


class PageQuery(Body):
    """The part of a list to show."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Cursor | None = None


def write_cursor(place: str | None, about: str) -> str | None:
    """An opaque cursor to a place in the list that `about` names."""
    if place is None:
        return None
    signed = sign(place, about) + place.encode()
    return urlsafe_b64encode(signed).decode().rstrip("=")


def read_cursor(cursor: str | None, about: str) -> str | None:
    """The place in a cursor. RequestError when it is not one of ours for this list."""
    if cursor is None:
        return None
    try:
        signed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place = signed[SIGNATURE_BYTES:].decode()
    except ValueError as error:
        raise RequestError("The cursor is not one that was given here.") from error
    if not hmac.compare_digest(signed[:SIGNATURE_BYTES], sign(place, about)):
        raise RequestError("The cursor is not one that was given here for this list.")
    return place


def sign(place: str, about: str) -> bytes:
    """The signature of a place, under this installation's secret."""
    services = tilts()
    secret = services.store.document("secret", "cursor") or services.store.put_document(
        "secret", "cursor", {"key": services.ids.new("")}
    )
    text = f"{about}|{place}".encode()
    return hmac.new(secret["key"].encode(), text, sha256).digest()[:SIGNATURE_BYTES]
