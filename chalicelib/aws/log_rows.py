"""Logs and ledgers: the events of an episode and the calls made for it."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from chalicelib.aws.base import ABSENT, Rows
from chalicelib.aws.items import set_all
from chalicelib.errors import EventExistsError
from chalicelib.events import Event
from chalicelib.records import Call

CALL_BYTES: Final = 32 * 1024
"""A call above this is put aside: each kilobyte of an item costs a write unit."""

EVENTS: Final = "E#"
CALLS: Final = "C#"
LAST: Final = 99_999


class LogRows(Rows):
    """The part of the store that knows events and calls."""

    def append(self, event: Event) -> None:
        if self.episode_items.put(
            {
                "pk": event.episode,
                "sk": event_key(event.n),
                **self.texts.pack(event.episode, event.to_json()),
            },
            ABSENT,
        ):
            return
        raise EventExistsError(
            f"Event {event.n} of {event.episode} is committed already.",
            self.events(event.episode, event.n - 1, 1)[0],
        )

    def events(self, episode_id: str, after: int, limit: int) -> Sequence[Event]:
        if after >= LAST:
            return []
        rows = self.episode_items.query(
            "pk = :pk AND sk BETWEEN :first AND :last",
            at_once=limit,
            pk=episode_id,
            first=event_key(max(after, 0) + 1),
            last=event_key(LAST),
        )
        return [
            Event.from_json(episode_id, self.texts.read(row))
            for row in islice(rows, limit)
        ]

    def intend(self, call: Call) -> None:
        self.episode_items.put(
            {
                "pk": call.episode,
                "sk": call_key(call.id),
                "state": call.status,
                **self._pack_call(call),
            },
            ABSENT,
        )

    def settle(self, call: Call) -> None:
        change, values = set_all({"state": call.status, **self._pack_call(call)})
        self.episode_items.update(
            call.episode,
            call_key(call.id),
            change,
            "state = :intent",
            intent="intent",
            **values,
        )

    def calls(self, episode_id: str) -> Sequence[Call]:
        rows = self.episode_items.query(
            "pk = :pk AND begins_with(sk, :kind)", pk=episode_id, kind=CALLS
        )
        return [Call(**self.texts.read(row)) for row in rows]

    def _pack_call(self, call: Call) -> dict[str, Any]:
        fields = {name: getattr(call, name) for name in call.__dataclass_fields__}
        return self.texts.pack(call.episode, fields, CALL_BYTES)


def event_key(n: int) -> str:
    return f"{EVENTS}{n:05d}"


def call_key(name: str) -> str:
    """The sort key of call `n.epoch.try`: in order of these three as numbers."""
    n, epoch, number = (int(part) for part in name.split("."))
    return f"{CALLS}{n:05d}.{epoch:05d}.{number:03d}"
