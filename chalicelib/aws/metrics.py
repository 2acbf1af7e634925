"""Metrics: what is counted, under which names, and how it reaches CloudWatch."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

NAMESPACE: Final = "Tilts"

METERED: Final[dict[str, tuple[str, str | None]]] = {
    "EpisodesStarted": ("Count", "game"),
    "EpisodesFinished": ("Count", "game"),
    "EpisodesWon": ("Count", "game"),
    "EpisodesForfeited": ("Count", "failure"),
    "EpisodesUnplayed": ("Count", "reason"),
    "EpisodesFailed": ("Count", "provider"),
    "EvaluationsFinished": ("Count", "end"),
    "AttemptsFailed": ("Count", "failure"),
    "ModelCalls": ("Count", "provider"),
    "ModelCallsFailed": ("Count", "provider"),
    "ModelCallSeconds": ("Seconds", "provider"),
    "TokensIn": ("Count", "provider"),
    "TokensOut": ("Count", "provider"),
    "Dollars": ("None", "provider"),
    "SliceSeconds": ("Seconds", None),
    "DueEpisodes": ("Count", None),
    "LiveSpectators": ("Count", None),
    "FramesSent": ("Count", None),
    "FramesLost": ("Count", None),
    "SpectatorsGone": ("Count", None),
    "MessagesRefused": ("Count", "queue"),
}
"""Each with its unit and the one dimension it has besides `stage`.

One that has a dimension is written twice: under `stage` alone, the total, and under
`stage` and that dimension. EpisodesFinished counts those that were played to an end,
forfeits included; EpisodesFailed those that infrastructure ended. DueEpisodes and
LiveSpectators are levels, written by every sweep, so that their absence says that no
sweep ran; the rest are sums and durations.
"""

VALUES_AT_ONCE: Final = 90
"""Of one metric in one line; CloudWatch takes a hundred."""

Key = tuple[str, str]
"""A dimension and its value; ("", "") where there is none."""


def write_line(line: str) -> None:
    """To standard output, which is where CloudWatch finds metrics among the logs."""
    sys.stdout.write(line + "\n")


class EmfMeter:
    """`interfaces.Meter` in CloudWatch's embedded format: written when flushed.

    Counts are added up first, so that a function writes a few lines however much it
    did; durations are kept one by one, for percentiles.
    """

    def __init__(self, stage: str, write: Callable[[str], None] = write_line) -> None:
        self._stage = stage
        self._write = write
        self._values: dict[Key, dict[str, list[float]]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, value: float = 1, **dimension: str) -> None:
        unit, known = METERED.get(name, ("", None))
        if not unit or list(dimension) != ([known] if known else []):
            raise ValueError(f"METERED has no {name} with {list(dimension)}.")
        key = next(iter(dimension.items()), ("", ""))
        with self._lock:
            values = self._values.setdefault(key, {}).setdefault(name, [])
            if values and unit != "Seconds":
                values[0] += value
            else:
                values.append(value)

    def flush(self) -> None:
        """Write what was counted since the last time; nothing when there is nothing."""
        with self._lock:
            values, self._values = self._values, {}
        for key, metrics in values.items():
            for some in cut(metrics):
                self._write(json.dumps(self._serialize(key, some)))

    def _serialize(self, key: Key, metrics: dict[str, list[float]]) -> Any:
        # The library costs more to import than most functions do: only when needed.
        from aws_lambda_powertools.metrics import EphemeralMetrics

        emf = EphemeralMetrics(namespace=NAMESPACE)
        emf.add_dimension("stage", self._stage)
        if key[0]:
            emf.add_dimensions(stage=self._stage, **{key[0]: key[1] or "unknown"})
        for name, values in metrics.items():
            for value in values:
                emf.add_metric(name, METERED[name][0], value)
        return emf.serialize_metric_set()


def cut(metrics: dict[str, list[float]]) -> Iterator[dict[str, list[float]]]:
    """The metrics in parts that are small enough for one line."""
    while metrics:
        yield {name: values[:VALUES_AT_ONCE] for name, values in metrics.items()}
        metrics = {
            name: values[VALUES_AT_ONCE:]
            for name, values in metrics.items()
            if len(values) > VALUES_AT_ONCE
        }
