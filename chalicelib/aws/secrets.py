"""Secrets: parameters of Systems Manager under `/tilts/<stage>/`, never settings."""

import logging
import threading
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StartError
from chalicelib.interfaces import Clock

log = logging.getLogger("tilts.secrets")

FRESH_SECONDS: Final = 300.0
"""A key that was changed is in use this much later."""

UNSET: Final = ("", "unset")
"""What a parameter holds whose value nobody has given yet."""


class Secrets:
    """All secrets of a stage, read at once and kept for five minutes."""

    def __init__(self, ssm: Any, stage: str, clock: Clock) -> None:
        self._ssm = ssm
        self._path = f"/tilts/{stage}"
        self._clock = clock
        self._values: dict[str, str] | None = None
        self._read_at = 0.0
        self._lock = threading.Lock()

    def name(self, secret: str) -> str:
        """The parameter that holds a secret."""
        return f"{self._path}/{secret}"

    def get(self, secret: str) -> str | None:
        """A secret, or None where it was not set.

        StartError when secrets cannot be read and never could; those that were read
        once stay in use when reading them again fails.
        """
        value = self._fresh().get(secret, "").strip()
        return None if value in UNSET else value

    def require(self, secret: str) -> str:
        """A secret. StartError where it was not set."""
        value = self.get(secret)
        if value is None:
            raise StartError(f"Set the parameter {self.name(secret)} (SecureString).")
        return value

    def _fresh(self) -> dict[str, str]:
        with self._lock:
            now = self._clock.now()
            if self._values is None or now - self._read_at >= FRESH_SECONDS:
                try:
                    self._values = self._read()
                except (BotoCoreError, ClientError) as error:
                    # What AWS says names roles and accounts: for the log alone.
                    log.warning("%s/ cannot be read: %s", self._path, error)
                    if self._values is None:
                        raise StartError(
                            f"The parameters under {self._path}/ cannot be read."
                        ) from error
                self._read_at = now
            return self._values

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        more: dict[str, str] = {}
        while True:
            page = self._ssm.get_parameters_by_path(
                Path=self._path, WithDecryption=True, **more
            )
            for parameter in page["Parameters"]:
                found[parameter["Name"].rpartition("/")[2]] = parameter["Value"]
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}
