"""Connections and the topics they follow, in SQLite."""

from collections.abc import Sequence

from chalicelib.local.database import Database


class LiveRows:
    """The part of the store that knows who watches what."""

    database: Database

    def connect(self, connection: str, until: float) -> None:
        self.database.connection().execute(
            "INSERT OR REPLACE INTO connections VALUES (?, ?, 0)", (connection, until)
        )

    def watch(self, connection: str, topic: str, until: float) -> None:
        self.database.connection().execute(
            "INSERT OR REPLACE INTO topics VALUES (?, ?, ?)", (connection, topic, until)
        )

    def unwatch(self, connection: str, topic: str) -> None:
        self.database.connection().execute(
            "DELETE FROM topics WHERE connection=? AND topic=?", (connection, topic)
        )

    def watchers(self, topic: str) -> Sequence[str]:
        rows = self.database.connection().execute(
            "SELECT connection FROM topics WHERE topic=?", (topic,)
        )
        return [row[0] for row in rows]

    def topics(self, connection: str) -> Sequence[str]:
        rows = self.database.connection().execute(
            "SELECT topic FROM topics WHERE connection=?", (connection,)
        )
        return [row[0] for row in rows]

    def note_bad_frame(self, connection: str) -> int:
        rows = (
            self.database.connection()
            .execute(
                "UPDATE connections SET bad=bad+1 WHERE connection=? RETURNING bad",
                (connection,),
            )
            .fetchall()
        )
        return int(rows[0][0]) if rows else 0

    def forget(self, connection: str) -> None:
        with self.database.write() as rows:
            rows.execute("DELETE FROM topics WHERE connection=?", (connection,))
            rows.execute("DELETE FROM connections WHERE connection=?", (connection,))

    def forget_everyone(self) -> None:
        """Drop what an earlier server left: its sockets died with it."""
        with self.database.write() as rows:
            rows.execute("DELETE FROM topics")
            rows.execute("DELETE FROM connections")
