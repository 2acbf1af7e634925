"""Episodes, their logs, calls and transcripts in SQLite."""

import json
import sqlite3
import zlib
from collections.abc import Sequence
from typing import Any

from chalicelib.errors import EventExistsError, NotFoundError
from chalicelib.events import Event
from chalicelib.local.database import Database
from chalicelib.local.rows import (
    EPISODE_COLUMNS,
    MOVING,
    pack,
    pack_episode,
    read_call,
    read_episode,
)
from chalicelib.records import Call, Episode, Page

OPEN = "status IN ('waiting', 'playing')"


class EpisodeRows:
    """The part of the store that knows episodes."""

    database: Database

    def create_episodes(self, episodes: Sequence[Episode]) -> None:
        names = ", ".join(f'"{name}"' for name in MOVING)
        marks = ", ".join("?" * (3 + len(MOVING)))
        with self.database.write() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO episodes (id, evaluation, body, {names})"
                f" VALUES ({marks})",
                [
                    (
                        episode.id,
                        episode.evaluation,
                        pack_episode(episode),
                        *(getattr(episode, name) for name in MOVING),
                    )
                    for episode in episodes
                ],
            )

    def episode(self, episode_id: str) -> Episode:
        row = self._one(
            f"SELECT {EPISODE_COLUMNS} FROM episodes WHERE id=?", (episode_id,)
        )
        if row is None:
            raise NotFoundError(f"There is no episode {episode_id!r}.")
        return read_episode(row)

    def episodes(
        self,
        evaluation: str | None,
        status: str | None,
        limit: int,
        cursor: str | None,
        newest_first: bool = False,
    ) -> Page[Episode]:
        where = ["serial < ?" if newest_first else "serial > ?"]
        values: list[Any] = [int(cursor) if cursor else (0, 2**62)[newest_first]]
        for name, value in (("evaluation", evaluation), ("status", status)):
            if value is not None:
                where.append(f"{name}=?")
                values.append(value)
        order = "DESC" if newest_first else "ASC"
        rows = (
            self.database.connection()
            .execute(
                f"SELECT serial, {EPISODE_COLUMNS} FROM episodes"
                f" WHERE {' AND '.join(where)} ORDER BY serial {order} LIMIT ?",
                (*values, limit + 1),
            )
            .fetchall()
        )
        items = [read_episode(row[1:]) for row in rows[:limit]]
        return Page(items, str(rows[limit - 1][0]) if len(rows) > limit else None)

    def tally(self, evaluation: str) -> dict[str, int]:
        rows = self.database.connection().execute(
            'SELECT status, "end", count(*) FROM episodes WHERE evaluation=?'
            ' GROUP BY status, "end"',
            (evaluation,),
        )
        return {f"{status}.{end}" if end else status: n for status, end, n in rows}

    def has_open(self, evaluation: str) -> bool:
        return bool(
            self._one(
                f"SELECT 1 FROM episodes WHERE evaluation=? AND {OPEN} LIMIT 1",
                (evaluation,),
            )
        )

    def claim(
        self, episode_id: str, owner: str, now: float, lease_seconds: float
    ) -> Episode | None:
        row = self._one(
            "UPDATE episodes SET status='playing', owner=?, epoch=epoch+1,"
            " barren=barren+1, lease_until=?, due_at=?"
            f" WHERE id=? AND {OPEN} AND due_at IS NOT NULL"
            " AND (lease_until<? OR owner=?)"
            f" RETURNING {EPISODE_COLUMNS}",
            (owner, now + lease_seconds, now + lease_seconds, episode_id, now, owner),
        )
        return None if row is None else read_episode(row)

    def renew(self, episode_id: str, epoch: int, until: float) -> bool:
        return self._change(
            "lease_until=?, due_at=?",
            (until, until),
            episode_id,
            epoch,
            "owner IS NOT NULL",
        )

    def note_progress(self, episode_id: str, epoch: int, reached: int) -> bool:
        return self._change("reached=?, barren=1", (reached,), episode_id, epoch)

    def release(self, episode_id: str, epoch: int, due_at: float | None) -> bool:
        return self._change(
            "owner=NULL, lease_until=0, due_at=?", (due_at,), episode_id, epoch
        )

    def release_all(self, now: float) -> None:
        """Let go of what a dead worker held, to be taken up at once."""
        self.database.connection().execute(
            "UPDATE episodes SET owner=NULL, lease_until=0, due_at=?"
            f" WHERE {OPEN} AND owner IS NOT NULL",
            (now,),
        )

    def due(self, now: float, shard: int, limit: int) -> Sequence[str]:
        if shard:
            return []
        rows = self.database.connection().execute(
            "SELECT id FROM episodes WHERE due_at<=? ORDER BY due_at LIMIT ?",
            (now, limit),
        )
        return [row[0] for row in rows]

    def append(self, event: Event) -> None:
        try:
            self.database.connection().execute(
                "INSERT INTO events VALUES (?, ?, ?)",
                (event.episode, event.n, event.line()),
            )
        except sqlite3.IntegrityError as error:
            existing = self.events(event.episode, event.n - 1, 1)[0]
            raise EventExistsError(
                f"Event {event.n} of {event.episode} is committed already.", existing
            ) from error

    def events(self, episode_id: str, after: int, limit: int) -> Sequence[Event]:
        rows = self.database.connection().execute(
            "SELECT line FROM events WHERE episode=? AND n>? ORDER BY n LIMIT ?",
            (episode_id, after, limit),
        )
        return [Event.from_json(episode_id, json.loads(row[0])) for row in rows]

    def intend(self, call: Call) -> None:
        self.database.connection().execute(
            "INSERT OR IGNORE INTO calls (episode, id, status, body)"
            " VALUES (?, ?, ?, ?)",
            (call.episode, call.id, call.status, pack(call)),
        )

    def settle(self, call: Call) -> None:
        self.database.connection().execute(
            "UPDATE calls SET status=?, body=?"
            " WHERE episode=? AND id=? AND status='intent'",
            (call.status, pack(call), call.episode, call.id),
        )

    def calls(self, episode_id: str) -> Sequence[Call]:
        rows = self.database.connection().execute(
            "SELECT body FROM calls WHERE episode=? ORDER BY serial", (episode_id,)
        )
        return [read_call(row) for row in rows]

    def close(
        self,
        episode_id: str,
        status: str,
        end: str,
        note: str | None,
        epoch: int | None = None,
    ) -> bool:
        row = self._one(
            'UPDATE episodes SET status=?, "end"=?, note=?, owner=NULL, lease_until=0,'
            f" due_at=NULL WHERE id=? AND epoch=coalesce(?, epoch) AND {OPEN}"
            " RETURNING id",
            (status, end, note, episode_id, epoch),
        )
        return row is not None

    def reopen(self, episode_id: str, due_at: float) -> bool:
        row = self._one(
            "UPDATE episodes SET status='waiting', \"end\"=NULL, note=NULL, barren=0,"
            " due_at=? WHERE id=? AND status='failed' RETURNING id",
            (due_at, episode_id),
        )
        return row is not None

    def put_transcript(self, episode_id: str, transcript: bytes) -> None:
        self.database.connection().execute(
            "INSERT OR REPLACE INTO transcripts VALUES (?, ?)",
            (episode_id, zlib.compress(transcript, 6)),
        )

    def transcript(self, episode_id: str) -> bytes | None:
        row = self._one("SELECT packed FROM transcripts WHERE episode=?", (episode_id,))
        return None if row is None else zlib.decompress(row[0])

    def pack_transcripts(self, evaluation: str) -> bool:
        # They are rows of one file already.
        return False

    def _one(self, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # fetchall, so that an UPDATE ... RETURNING is committed at once.
        rows = self.database.connection().execute(statement, values).fetchall()
        return rows[0] if rows else None

    def _change(
        self,
        change: str,
        values: tuple[Any, ...],
        episode_id: str,
        epoch: int,
        also: str = "TRUE",
    ) -> bool:
        row = self._one(
            f"UPDATE episodes SET {change} WHERE id=? AND epoch=? AND {OPEN}"
            f" AND {also} RETURNING id",
            (*values, episode_id, epoch),
        )
        return row is not None
