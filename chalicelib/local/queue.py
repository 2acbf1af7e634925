"""The queue of one machine: a table of the same database file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.events import canonical_json
from chalicelib.interfaces import Clock
from chalicelib.local.database import Database

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received and must be deleted when its work is done."""

    serial: int
    body: Json
    receives: int


class SqliteQueue:
    """`interfaces.Queue`, and the receiving side that the cloud's trigger stands for."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    def send(
        self, queue: str, bodies: Sequence[Json], delay_seconds: float = 0
    ) -> None:
        visible_at = self.clock.now() + delay_seconds
        with self.database.write() as connection:
            connection.executemany(
                "INSERT INTO messages (queue, visible_at, receives, body)"
                " VALUES (?, ?, 0, ?)",
                [(queue, visible_at, canonical_json(body)) for body in bodies],
            )

    def receive(
        self, queue: str, limit: int, visibility_seconds: float
    ) -> list[Message]:
        """Messages that come back after `visibility_seconds` unless deleted."""
        now = self.clock.now()
        with self.database.write() as connection:
            rows = connection.execute(
                "UPDATE messages SET visible_at=?, receives=receives+1"
                " WHERE serial IN (SELECT serial FROM messages WHERE queue=?"
                " AND visible_at<=? ORDER BY visible_at, serial LIMIT ?)"
                " RETURNING serial, body, receives",
                (now + visibility_seconds, queue, now, limit),
            ).fetchall()
        rows.sort()
        return [Message(row[0], json.loads(row[1]), row[2]) for row in rows]

    def has_message(self, queue: str) -> bool:
        """Whether a message could be received now; takes no lock."""
        rows = self.database.connection().execute(
            "SELECT 1 FROM messages WHERE queue=? AND visible_at<=? LIMIT 1",
            (queue, self.clock.now()),
        )
        return rows.fetchone() is not None

    def delete(self, messages: Sequence[Message]) -> None:
        """The work of these messages is done."""
        with self.database.write() as connection:
            connection.executemany(
                "DELETE FROM messages WHERE serial=?",
                [(message.serial,) for message in messages],
            )

    def make_visible(self, queue: str) -> None:
        """Messages that a dead process had received can be received at once."""
        with self.database.write() as connection:
            connection.execute(
                "UPDATE messages SET visible_at=? WHERE queue=? AND receives>0",
                (self.clock.now(), queue),
            )
