"""Metrics: what is counted, under which names, and how it reaches CloudWatch."""

from typing import Final

NAMESPACE: Final = "Tilts"

METRICS: Final[dict[str, tuple[str, str | None]]] = {
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
