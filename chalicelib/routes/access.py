"""Access: who is asking, and the keys of this installation."""

from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from chalicelib.routes import shapes
from chalicelib.routes.bodies import Body
from chalicelib.routes.endpoints import Request, Routes
from chalicelib.services.access import Caller
from chalicelib.services.tickets import ANY_TEAM
from chalicelib.wiring import tilts

Json = dict[str, Any]
routes = Routes(__name__)

# No control characters, and none that turn or hide the text around them.
PLAIN: Final = r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*$"


class KeyBody(Body):
    """What a new key is for; without `days` it holds until it is revoked."""

    role: Literal["viewer", "submitter", "admin"]
    team: Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    note: Annotated[str, Field(max_length=80, pattern=PLAIN)] = ""
    days: Annotated[int, Field(ge=1, le=3_660)] | None = None


class Me(shapes.Reply):
    """Who is asking; `key_id` is null for visitors and for the owner."""

    key_id: str | None
    role: str
    team: str


class KeyShape(shapes.Reply):
    """A key, without its secret."""

    id: str
    role: str
    team: str
    note: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class CreatedKey(KeyShape):
    """A new key; `key` is what to send, and is shown only here."""

    key: str


class Ticket(shapes.Reply):
    """A ticket to send with `watch`, and for how long it opens a topic."""

    ticket: str
    seconds: int


class Keys(shapes.Reply):
    """All keys, the oldest first."""

    items: list[KeyShape]


@routes.get("/me", Me)
def show_caller(request: Request) -> Json:
    """Who you are here, and what you may do."""
    caller: Caller = request.caller
    return asdict(caller)


@routes.get("/keys", Keys)
def list_keys(request: Request) -> Json:
    """All keys, revoked ones too, without their secrets."""
    return {"items": [asdict(key) for key in tilts().access.list()]}


@routes.post("/keys", CreatedKey, KeyBody, status=201)
def create_key(request: Request) -> Json:
    """Make a key; its text is shown in this reply and never again."""
    body: KeyBody = request.body
    key, text = tilts().access.create(body.role, body.team, body.note, body.days)
    return {**asdict(key), "key": text}


@routes.post("/tickets", Ticket, status=201)
def issue_ticket(request: Request) -> Json:
    """A ticket that opens one topic of your team on the live feed, for one minute."""
    caller: Caller = request.caller
    team = ANY_TEAM if caller.may("admin") else caller.team
    return {"ticket": tilts().tickets.issue(team), "seconds": 60}


@routes.delete("/keys/{key_id}", KeyShape)
def revoke_key(request: Request, key_id: str) -> Json:
    """End a key, at once and for good."""
    return asdict(tilts().access.revoke(key_id))
