"""Tickets: one use, one minute, one topic of a team on the live feed.

A key never goes over the socket: whoever may see a team's topic fetches a ticket over
REST and sends it with `watch`.
"""

from hashlib import sha256
from typing import Final

from chalicelib.interfaces import Clock, Ids, Store

SECONDS: Final = 60.0
KIND: Final = "ticket"
ANY_TEAM: Final = "*"
"""What the ticket of an admin opens; no team can have this name."""


class Tickets:
    """Gives tickets out and takes them in."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    def issue(self, team: str) -> str:
        """A ticket to any topic of a team; only its hash is kept."""
        ticket = self._ids.new("ticket_")
        ends_at = self._clock.now() + SECONDS
        body = {"team": team, "ends_at": ends_at, "used": False}
        self._store.put_document(KIND, name_of(ticket), body)
        return ticket

    def redeem(self, ticket: str) -> str | None:
        """The team whose topics the ticket opens, once; None when it opens nothing."""
        kept = self._store.document(KIND, name_of(ticket))
        if kept is None or kept["used"] or kept["ends_at"] < self._clock.now():
            return None
        used = {**kept, "used": True}
        if not self._store.change_document(KIND, name_of(ticket), kept, used):
            return None
        return str(kept["team"])


def name_of(ticket: str) -> str:
    """What is kept of a ticket."""
    return sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
