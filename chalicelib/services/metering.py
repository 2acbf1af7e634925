"""Metering: what a store's writes say of the games, for dashboards and alarms.

It stands before the store, so that nothing that plays has to know of it; what is
counted was committed, and what cannot be counted is not undone. A kill between a write and its count loses the count: results
are rows, and these are only gauges of how the service fares.
"""

import logging
from collections.abc import Iterable
from typing import Any

from chalicelib.errors import TiltsError
from chalicelib.events import Event
from chalicelib.interfaces import Meter, Store
from chalicelib.records import Call, EvaluationEnd, EvaluationStatus
from chalicelib.services.messages import provider_of

MICRO = 1_000_000

log = logging.getLogger("tilts.metering")


class SilentMeter:
    """A meter that nobody reads: that of one machine."""

    def count(self, name: str, value: float = 1, **dimension: str) -> None:
        return None


class MeteredStore:
    """A store that counts what is committed through it; all else goes straight on."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, event: Event) -> None:
        self._store.append(event)
        if event.type == "started":
            self._meter.count("EpisodesStarted", game=event.body["task"]["game"])
        elif event.type == "attempted":
            self._meter.count("AttemptsFailed", failure=event.body["failure"])
        elif event.type == "forfeited":
            self._meter.count("EpisodesForfeited", failure=self._failure_before(event))

    def settle(self, call: Call) -> None:
        self._store.settle(call)
        model = str(call.body.get("request", {}).get("model", "unknown"))
        provider = model.partition("~")[0]
        self._meter.count("ModelCalls", provider=provider)
        if call.status == "failed":
            self._meter.count("ModelCallsFailed", provider=provider)
        seconds = call.body.get("reply", {}).get("seconds")
        if seconds is not None:
            self._meter.count("ModelCallSeconds", seconds, provider=provider)
        for metric, kind in (("TokensIn", "in"), ("TokensOut", "out")):
            if call.tokens.get(kind):
                self._meter.count(metric, call.tokens[kind], provider=provider)
        if call.cost_microusd:
            self._meter.count("Dollars", call.cost_microusd / MICRO, provider=provider)

    def close(
        self,
        episode_id: str,
        status: str,
        end: str,
        note: str | None,
        epoch: int | None = None,
    ) -> bool:
        if not self._store.close(episode_id, status, end, note, epoch):
            return False
        if status == "unplayed":
            self._meter.count("EpisodesUnplayed", reason=end)
        else:
            self._count_end(episode_id, status, end)
        return True

    def change_evaluation(
        self,
        evaluation_id: str,
        was: Iterable[EvaluationStatus],
        to: EvaluationStatus,
        end: EvaluationEnd | None = None,
        note: str | None = None,
    ) -> bool:
        changed = self._store.change_evaluation(evaluation_id, was, to, end, note)
        if changed and to == "finished":
            self._meter.count("EvaluationsFinished", end=end or "complete")
        return changed

    def _count_end(self, episode_id: str, status: str, end: str) -> None:
        try:
            episode = self._store.episode(episode_id)
        except TiltsError as error:
            log.warning("the end of %s is not counted: %s", episode_id, error)
            return
        if status == "failed":
            self._meter.count("EpisodesFailed", provider=provider_of(episode))
            return
        self._meter.count("EpisodesFinished", game=episode.game)
        if end == "won":
            self._meter.count("EpisodesWon", game=episode.game)

    def _failure_before(self, event: Event) -> str:
        """What the last attempt before a forfeit was: a limit, where there was none."""
        try:
            (before,) = self._store.events(event.episode, event.n - 2, 1)
        except TiltsError as error:
            log.warning("why %s was forfeited is not counted: %s", event.episode, error)
            return "unknown"
        return str(before.body.get("failure", "limit"))
