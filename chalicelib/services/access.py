"""Access: keys, whose they are, and what their roles allow.

A key is `tilts_<id>_<secret>`, shown once. The store has only a hash of its secret
with this installation's pepper, so that neither the store nor a copy of it opens
anything. Keys are read at each request: a key that is revoked ends at once.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

from chalicelib.errors import (
    AccessError,
    NotFoundError,
    StartError,
    UnauthorizedError,
)
from chalicelib.services.moments import write_moment

if TYPE_CHECKING:
    from chalicelib.interfaces import Clock, Ids, Store

Json = dict[str, Any]
Role = Literal["visitor", "viewer", "submitter", "admin"]

RANKS: Final[tuple[Role, ...]] = ("visitor", "viewer", "submitter", "admin")
"""Each may do what those before it may."""

OWNER_TEAM: Final = "owner"
DAY_SECONDS: Final = 24 * 3600.0
PEPPER_CHARACTERS: Final = 16

KEY: Final = re.compile(r"tilts_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
NOBODY: Final = ("00000000", "0" * 43)
"""Looked up and hashed in place of a key that cannot be read."""

NO_HASH: Final = "0" * 64
LIST: Final = ("keys", "all")
NOT_VALID: Final = (
    "The key is not one that is valid here: send one that is, as "
    "Authorization: Bearer tilts_..., or none to read what is public."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the holder of a key, the owner at this machine, or a visitor."""

    key_id: str | None
    role: Role
    team: str

    def may(self, role: Role) -> bool:
        """Whether the caller has this role or a higher one."""
        return RANKS.index(self.role) >= RANKS.index(role)

    def is_of(self, team: str) -> bool:
        """Whether what belongs to a team is the caller's: its own, or all for admins."""
        return self.role == "admin" or (self.may("viewer") and self.team == team)

    def require(self, role: Role) -> None:
        """UnauthorizedError when a key is needed, AccessError when a higher role is."""
        if self.may(role):
            return
        if self.role == "visitor":
            raise UnauthorizedError(
                "This needs a key: send one as Authorization: Bearer tilts_...."
            )
        raise AccessError(f"This needs the role {role}; the key has {self.role}.")


OWNER: Final = Caller(None, "admin", OWNER_TEAM)
VISITOR: Final = Caller(None, "visitor", "")


@dataclass(frozen=True, slots=True)
class Key:
    """A key without what opens anything."""

    id: str
    role: Role
    team: str
    note: str
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None

    def is_valid(self, moment: str) -> bool:
        """Whether it counts at a moment."""
        has_ended = self.expires_at is not None and self.expires_at <= moment
        return self.revoked_at is None and not has_ended


class Pepper:
    """This installation's secret, which goes into hashes and derived secrets.

    Where none is configured, one is made and kept in the store. StartError when the
    configured one could be guessed. With `read` it is kept elsewhere, is asked for when
    it is needed first, and none is made.
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        configured: str = "",
        read: Callable[[], str] | None = None,
    ) -> None:
        check_pepper(configured)
        self._store = store
        self._ids = ids
        self._text = configured
        self._read = read

    def hash(self, secret: str) -> str:
        """What the store keeps in place of a secret."""
        return sha256(secret.encode() + self._bytes()).hexdigest()

    def derive(self, about: str) -> str:
        """A secret of its own for a named purpose, the same whenever it is asked for."""
        return hmac.new(self._bytes(), about.encode(), sha256).hexdigest()

    def _bytes(self) -> bytes:
        if not self._text and self._read is not None:
            text = self._read()
            check_pepper(text)
            self._text = text
        elif not self._text:
            kept = self._store.document("secret", "pepper")
            if kept is None:
                new = {"key": self._ids.new("") + self._ids.new("")}
                kept = self._store.put_document("secret", "pepper", new)
            self._text = str(kept["key"])
        return self._text.encode("utf-8", "surrogateescape")


def check_pepper(text: str) -> None:
    """StartError for one that is short enough to be guessed."""
    if 0 < len(text) < PEPPER_CHARACTERS:
        raise StartError(
            f"KEY_PEPPER must have at least {PEPPER_CHARACTERS} characters."
        )


class Access:
    """The keys of this installation."""

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, pepper: Pepper, require_keys: bool
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._pepper = pepper
        self._require_keys = require_keys

    def identify(self, authorization: str | None, is_this_machine: bool) -> Caller:
        """Who sends a request with this Authorization header. UnauthorizedError.

        Without one it is the owner, if the request comes from this machine and keys
        are not required, else a visitor.
        """
        if authorization is None:
            return OWNER if is_this_machine and not self._require_keys else VISITOR
        scheme, _, token = authorization.strip().partition(" ")
        found = KEY.fullmatch(token.strip()) if scheme.lower() == "bearer" else None
        key_id, secret = found.groups() if found else NOBODY
        # The same work for every key, whatever is wrong with it.
        kept = self._store.document("key", key_id)
        is_known = hmac.compare_digest(
            kept["hash"] if kept else NO_HASH, self._pepper.hash(secret)
        )
        key = read_key(key_id, kept) if kept else None
        is_valid = key is not None and key.is_valid(write_moment(self._clock.now()))
        if key is None or not is_known or not is_valid:
            raise UnauthorizedError(NOT_VALID)
        return Caller(key.id, key.role, key.team)

    def create(
        self, role: Role, team: str, note: str, days: int | None = None
    ) -> tuple[Key, str]:
        """A new key, and its text, which is shown now and never again."""
        random = (self._ids.new("") + self._ids.new("")).encode()
        secret = urlsafe_b64encode(sha256(random).digest()).decode().rstrip("=")
        now = self._clock.now()
        ends = None if days is None else write_moment(now + days * DAY_SECONDS)
        while True:
            key_id = sha256(self._ids.new("key").encode()).hexdigest()[:8]
            key = Key(key_id, role, team, note, write_moment(now), ends)
            kept = {**asdict(key), "hash": self._pepper.hash(secret)}
            if self._store.change_document("key", key_id, None, kept):
                break
        self._add_to_list(key_id)
        return key, f"tilts_{key_id}_{secret}"

    def list(self) -> Sequence[Key]:
        """All keys, the oldest first, revoked ones too."""
        listed = self._store.document(*LIST) or {"ids": []}
        kept = [
            (key_id, self._store.document("key", key_id)) for key_id in listed["ids"]
        ]
        return [read_key(key_id, body) for key_id, body in kept if body is not None]

    def revoke(self, key_id: str) -> Key:
        """End a key, at once and for good. NotFoundError."""
        while True:
            was = self._store.document("key", key_id)
            if was is None:
                raise NotFoundError(f"There is no key {key_id!r}.")
            key = read_key(key_id, was)
            if key.revoked_at is not None:
                return key
            ended = replace(key, revoked_at=write_moment(self._clock.now()))
            to = {**was, "revoked_at": ended.revoked_at}
            if self._store.change_document("key", key_id, was, to):
                return ended

    def _add_to_list(self, key_id: str) -> None:
        while True:
            was = self._store.document(*LIST)
            ids = was["ids"] if was else []
            if self._store.change_document(*LIST, was, {"ids": [*ids, key_id]}):
                return


def read_key(key_id: str, kept: Json) -> Key:
    """The key in a document of the store, without its hash."""
    return Key(
        key_id,
        kept["role"],
        kept["team"],
        kept["note"],
        kept["created_at"],
        kept["expires_at"],
        kept["revoked_at"],
    )
