"""Rows to records and back."""

import json
from typing import Any

from chalicelib.events import canonical_json
from chalicelib.records import Call, Episode, Result

MOVING = (
    "status", "end", "epoch", "owner", "lease_until", "due_at", "reached", "barren",
    "note",
)  # fmt: skip
EPISODE_COLUMNS = "body, " + ", ".join(f'"{name}"' for name in MOVING)


def pack_episode(episode: Episode) -> str:
    """What never changes of an episode, as JSON."""
    body = {k: v for k, v in shallow(episode).items() if k not in MOVING}
    return canonical_json(body)


def read_episode(row: tuple[Any, ...]) -> Episode:
    """The episode in a row of EPISODE_COLUMNS."""
    fixed = json.loads(row[0])
    fixed["seats"] = tuple(fixed["seats"])
    return Episode(**fixed, **dict(zip(MOVING, row[1:], strict=True)))


def read_call(row: tuple[str]) -> Call:
    """The call in a row's body."""
    return Call(**json.loads(row[0]))


def read_result(row: tuple[Any, ...]) -> Result:
    """The result in a row's body."""
    return Result(**json.loads(row[0]))


def pack(record: Call | Result) -> str:
    """A record as JSON."""
    return canonical_json(shallow(record))


def shallow(record: Call | Episode | Result) -> dict[str, Any]:
    """The fields of a record. Not `asdict`: it copies whole replies, value by value."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
