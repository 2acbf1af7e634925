"""The bytes of a request, each past exchange encoded once.

A conversation grows with every call, and the SDKs walk through all of it each time.
What was said does not change, so its bytes are kept and joined.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.models.model import Exchange, Json, ModelRequest


def encode(value: Any) -> bytes:
    """A value as the bytes of a request; a lone surrogate becomes a question mark."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def join_body(head: bytes, name: str, pieces: Sequence[bytes]) -> bytes:
    """The encoded object `head` with one more member: the list of the pieces."""
    start = head[:-1] + b',"' + name.encode() + b'":['
    return b"".join((start, b",".join(pieces), b"]}"))


class Heads:
    """Encoded heads, the newest `limit`: rules and tool are the same call by call."""

    def __init__(self, write: Callable[[ModelRequest], Json], limit: int = 64) -> None:
        self._write = write
        self._limit = limit
        self._heads: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()

    def encoded(self, request: ModelRequest) -> bytes:
        """What `write` makes of all but the history and the prompt."""
        key = (
            request.model,
            request.effort,
            request.system,
            request.tool,
            request.output_tokens,
            request.forced,
        )
        head = self._heads.pop(key, None) or encode(self._write(request))
        self._heads[key] = head
        if len(self._heads) > self._limit:
            self._heads.popitem(last=False)
        return head


@dataclass(frozen=True, slots=True)
class _Piece:
    exchange: Exchange
    previous: Exchange | None
    encoded: bytes


class Histories:
    """Encoded exchanges of the conversations under way, the newest `limit` bytes.

    An exchange is recognised by identity: whoever asks keeps the objects of its
    history, and a call costs the same at any length.
    """

    def __init__(
        self,
        encode_exchange: Callable[[Exchange, Exchange | None], bytes],
        limit: int = 32 * 1024 * 1024,
    ) -> None:
        self._encode = encode_exchange
        self._limit = limit
        self._size = 0
        self._pieces: OrderedDict[str, dict[int, _Piece]] = OrderedDict()

    def encoded(self, request: ModelRequest) -> list[bytes]:
        """One piece for each exchange of the request's history, in order."""
        known = self._pieces.pop(request.conversation, {})
        self._size -= _size(known)
        kept: dict[int, _Piece] = {}
        previous: Exchange | None = None
        for exchange in request.history:
            piece = known.get(id(exchange))
            if piece is None or piece.previous is not previous:
                piece = _Piece(exchange, previous, self._encode(exchange, previous))
            kept[id(exchange)] = piece
            previous = exchange
        self._keep(request.conversation, kept)
        return [kept[id(exchange)].encoded for exchange in request.history]

    def _keep(self, conversation: str, kept: dict[int, _Piece]) -> None:
        self._pieces[conversation] = kept
        self._size += _size(kept)
        while self._size > self._limit:
            _, dropped = self._pieces.popitem(last=False)
            self._size -= _size(dropped)


def _size(pieces: dict[int, _Piece]) -> int:
    return sum(len(piece.encoded) for piece in pieces.values())
