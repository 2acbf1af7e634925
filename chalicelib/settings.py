"""Every setting that comes from the environment, read in one place."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATABASE_NAME: Final = "tilts.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this installation keeps its data, and which version it is."""

    data: Path
    version: str = "0.1.0"


def read_settings() -> Settings:
    """The settings of this process; relative paths are relative to where it runs."""
    return Settings(Path(os.environ.get("TILTS_DATA", "data")))
