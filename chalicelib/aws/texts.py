"""Bodies of rows: JSON text in the item, or in S3 where an item would be too large.

An item holds at most 400 KB. A text that is put aside is written before the item that
names it, under a name made from its content: writing it again is harmless.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from chalicelib.aws.objects import Objects
from chalicelib.errors import NotFoundError
from chalicelib.events import canonical_json

Json = dict[str, Any]

ITEM_BYTES: Final = 350 * 1024
"""Above this a body is put aside: what is left of the 400 KB is for keys and numbers."""


class Texts:
    """Writes and reads the `body` of items."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def pack(self, owner: str, value: Json, limit: int = ITEM_BYTES) -> Json:
        """The attributes that hold a value; `owner` is the folder if it is put aside."""
        text = write_text(value)
        if len(text) <= limit:
            return {"body": text.decode(), "body_at": None}
        key = f"texts/{owner}/{digest_text(text)}.json"
        self._objects.put(key, text)
        return {"body": None, "body_at": key}

    def pack_changing(self, owner: str, value: Json) -> Json:
        """The same with a `digest`, by which a change knows what it replaces."""
        return {**self.pack(owner, value), "digest": digest_value(value)}

    def read(self, item: Mapping[str, Any]) -> Json:
        """The value in an item. NotFoundError when its text has been taken away."""
        text = item.get("body")
        if text is None:
            text = self._objects.get(item["body_at"])
        if text is None:
            raise NotFoundError(f"The text {item['body_at']} is no longer there.")
        found: Json = json.loads(text)
        return found


def write_text(value: Json) -> bytes:
    """A value as canonical JSON; as escapes where it holds a lone surrogate."""
    try:
        return canonical_json(value).encode()
    except UnicodeEncodeError:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False
        ).encode()


def digest_value(value: Json) -> str:
    """What stands for a value in a condition."""
    return digest_text(write_text(value))


def digest_text(text: bytes) -> str:
    return sha256(text).hexdigest()[:32]
