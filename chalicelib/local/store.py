"""The store of one machine."""

from pathlib import Path

from chalicelib.local.database import Database
from chalicelib.local.episode_rows import EpisodeRows
from chalicelib.local.evaluation_rows import EvaluationRows
from chalicelib.local.live_rows import LiveRows


class SqliteStore(EvaluationRows, EpisodeRows, LiveRows):
    """All of `interfaces.Store` over one SQLite file."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @staticmethod
    def at(path: Path) -> "SqliteStore":
        """The store in a file; StartError when it cannot be used."""
        return SqliteStore(Database(path))
