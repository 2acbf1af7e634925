"""The database file: opening it, its schema, its version.

SQLite in WAL mode. Every thread has a connection of its own. A write is one
immediate transaction; synchronous=NORMAL survives the death of any process, and a
power failure can cost the last moments but never consistency.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chalicelib.errors import StartError

APPLICATION_ID: Final = 0x54494C54
BUSY_SECONDS: Final = 10.0
CHECKPOINT_PAGES: Final = 4_000
"""Of 4 KB, until the journal is copied into the file: that waits for the disk."""

MIGRATIONS: Final = (
    """
    CREATE TABLE evaluations (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        suite TEXT NOT NULL, status TEXT NOT NULL, visibility TEXT NOT NULL,
        team TEXT NOT NULL, body TEXT NOT NULL);
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY, body_hash TEXT NOT NULL, evaluation TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE episodes (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        evaluation TEXT NOT NULL, status TEXT NOT NULL, "end" TEXT,
        epoch INTEGER NOT NULL, owner TEXT, lease_until REAL NOT NULL, due_at REAL,
        reached INTEGER NOT NULL, barren INTEGER NOT NULL, note TEXT,
        body TEXT NOT NULL);
    CREATE INDEX episodes_state ON episodes (evaluation, status, "end");
    CREATE INDEX episodes_status ON episodes (status, serial);
    CREATE INDEX episodes_due ON episodes (due_at) WHERE due_at IS NOT NULL;
    CREATE TABLE events (
        episode TEXT NOT NULL, n INTEGER NOT NULL, line TEXT NOT NULL,
        PRIMARY KEY (episode, n)) WITHOUT ROWID;
    CREATE TABLE calls (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, episode TEXT NOT NULL,
        id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (episode, id));
    CREATE TABLE results (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, episode TEXT NOT NULL,
        oracle TEXT NOT NULL, evaluation TEXT NOT NULL, suite TEXT NOT NULL,
        game TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (episode, oracle));
    CREATE INDEX results_evaluation ON results (evaluation, serial);
    CREATE INDEX results_suite ON results (suite, game);
    CREATE TABLE reservations (
        evaluation TEXT PRIMARY KEY, team TEXT NOT NULL, month TEXT NOT NULL,
        amount INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX reservations_month ON reservations (team, month);
    CREATE TABLE holds (
        episode TEXT PRIMARY KEY, evaluation TEXT NOT NULL, amount INTEGER NOT NULL,
        is_final INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX holds_evaluation ON holds (evaluation);
    CREATE TABLE transcripts (
        episode TEXT PRIMARY KEY, packed BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE messages (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL,
        visible_at REAL NOT NULL, receives INTEGER NOT NULL, body TEXT NOT NULL);
    CREATE INDEX messages_visible ON messages (queue, visible_at);
    CREATE TABLE connections (
        connection TEXT PRIMARY KEY, until REAL NOT NULL, bad INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE topics (
        connection TEXT NOT NULL, topic TEXT NOT NULL, until REAL NOT NULL,
        PRIMARY KEY (connection, topic)) WITHOUT ROWID;
    CREATE INDEX topics_topic ON topics (topic);
    CREATE TABLE documents (
        kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (kind, key)) WITHOUT ROWID;
    """,
    """
    ALTER TABLE calls ADD COLUMN status TEXT NOT NULL DEFAULT 'intent';
    UPDATE calls SET status=json_extract(body, '$.status');
    """,
)


class Database:
    """One SQLite file; StartError when it cannot be ours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.local()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._prepare()
        except OSError as error:
            raise StartError(
                f"Cannot write to {path.parent}: {error.strerror or error}."
            ) from error
        except sqlite3.Error as error:
            raise StartError(f"Cannot use {path} as a database: {error}.") from error

    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._threads, "connection"):
            connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None
            )
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            self._threads.connection = connection
        found: sqlite3.Connection = self._threads.connection
        return found

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._threads, "connection"):
            self._threads.connection.close()
            del self._threads.connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block, or nothing of it."""
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def backup(self, target: Path) -> None:
        """Copy the database, while it is in use, to a new file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = sqlite3.connect(target)
        try:
            self.connection().backup(copy)
        finally:
            copy.close()

    def _prepare(self) -> None:
        connection = self.connection()
        self._check_owner(connection)
        connection.execute("PRAGMA journal_mode=WAL")
        with self.write():
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise StartError(
                    f"{self.path} was written by a newer Tilts (schema {version}, "
                    f"this one knows {len(MIGRATIONS)}): update, or use other data."
                )
            for script in MIGRATIONS[version:]:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise StartError(
                f"{self.path} is the database of something else: "
                "move it away, or choose another folder."
            )
