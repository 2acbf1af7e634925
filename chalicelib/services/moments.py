"""Moments as text: ISO 8601, UTC, to the millisecond."""

from datetime import UTC, datetime


def write_moment(epoch_seconds: float) -> str:
    """The moment as `2026-11-22T20:31:00.000Z`."""
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_moment(text: str) -> float:
    """The epoch seconds of a moment that `write_moment` wrote."""
    return datetime.fromisoformat(text).timestamp()
