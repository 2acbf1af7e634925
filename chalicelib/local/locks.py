"""A lock on the data folder: one Tilts at a time."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.errors import StartError


@contextmanager
def lock_file(
    path: Path, refusal: str, patience_seconds: float = 0.0
) -> Iterator[None]:
    """Hold the lock; the system lets go of it when the process dies. StartError."""
    gives_up_at = time.monotonic() + patience_seconds
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= gives_up_at:
                    raise StartError(f"{refusal} ({path}).") from error
                time.sleep(0.05)
        yield
