"""Events: the numbered entries of an episode.

An event is at once the stored item, a line of the transcript and the message a
spectator gets. Its bytes are canonical JSON, so that writing it again gives the
same bytes, and `log_hash` covers exactly what the transcript serves.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, get_args

Json = dict[str, Any]
EventType = Literal["started", "attempted", "moved", "forfeited", "ended"]
Failure = Literal["truncated", "empty", "refused", "invalid", "illegal"]

EVENT_TYPES: tuple[str, ...] = get_args(EventType)
BODY_LIMIT = 24 * 1024
SAID_LIMIT = 6_000


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
_UNCLEAN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def canonical_json(value: Any) -> str:
    """The one way a value is written: sorted keys, no spaces, no NaN, UTF-8 text."""
    return _CANONICAL.encode(value)


@dataclass(frozen=True, slots=True)
class Event:
    """Entry n (from 1, without gaps) of an episode's log."""

    episode: str
    n: int
    type: EventType
    body: Json
    _line: str | None = field(default=None, init=False, repr=False, compare=False)

    def to_json(self) -> Json:
        """The event as spectators and transcripts have it."""
        return {"n": self.n, "type": self.type, **self.body}

    def line(self) -> str:
        """The event as one line of the transcript, without its line end.

        Written once: it is stored, measured and put into the transcript.
        """
        if self._line is None:
            object.__setattr__(self, "_line", canonical_json(self.to_json()))
        return self._line or ""

    @staticmethod
    def from_json(episode: str, value: Json) -> "Event":
        """The event that `to_json` wrote."""
        body = {key: item for key, item in value.items() if key not in ("n", "type")}
        return Event(episode, value["n"], value["type"], body)


def write_transcript(events: Iterable[Event]) -> bytes:
    """All events of one episode as ndjson: the bytes that `log_hash` covers."""
    return "".join(event.line() + "\n" for event in events).encode()


def hash_log(transcript: bytes) -> str:
    """SHA-256 of a transcript, hexadecimal."""
    return sha256(transcript).hexdigest()


def clean_text(text: str, limit: int = SAID_LIMIT) -> str:
    """Text from outside without control characters and lone surrogates, cut to size."""
    if len(text) <= limit and not _UNCLEAN.search(text):
        return text
    whole = text.encode("utf-8", "replace").decode("utf-8")
    kept = "".join(
        mark for mark in whole if mark in "\n\t" or (mark >= " " and mark != "\x7f")
    )
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"
