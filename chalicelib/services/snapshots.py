"""Snapshots: the whole small state of a topic that is not a log."""

from collections.abc import Sequence
from typing import Any

from chalicelib.events import canonical_json
from chalicelib.interfaces import Store
from chalicelib.records import VISITS, Episode
from chalicelib.services.evaluations import Evaluations

Json = dict[str, Any]
LIVE_LIMIT = 100
LIVE_BYTES = 30 * 1024
"""Frames stay under 32 KB: where the newest 100 do not fit, fewer are shown."""
LIVE_PAGES = 10
"""How many pages are read where visits, which nobody may watch, lie between."""


class Snapshots:
    """What `evaluation:<id>` and `live` look like now."""

    def __init__(self, store: Store, evaluations: Evaluations) -> None:
        self._store = store
        self._evaluations = evaluations
        self._public: set[str] = set()

    def take(self, topic: str) -> Json:
        """The state of a topic. NotFoundError."""
        noun, _, name = topic.partition(":")
        return self.live() if noun == "live" else self.evaluation(name)

    def live(self, limit: int = LIVE_LIMIT) -> Json:
        """The newest episodes in progress that may be watched."""
        shown: list[Json] = []
        cursor = None
        for _ in range(LIVE_PAGES):
            page = self._store.episodes(None, "playing", limit, cursor, True)
            shown += [e.show() for e in page.items if self._is_public(e)]
            cursor = page.next
            if cursor is None or len(shown) >= limit:
                break
        return {"episodes": fit(shown[:limit])}

    def _is_public(self, episode: Episode) -> bool:
        if episode.evaluation == VISITS:
            return False
        if episode.evaluation not in self._public:
            evaluation = self._store.evaluation(episode.evaluation)
            if evaluation.visibility != "public":
                return False
            # There is no way back from public.
            self._public.add(episode.evaluation)
        return True

    def evaluation(self, evaluation_id: str) -> Json:
        """Status and progress of an evaluation."""
        evaluation = self._evaluations.get(evaluation_id)
        return {
            "id": evaluation.id,
            "status": evaluation.status,
            "end": evaluation.end,
            "progress": self._evaluations.progress(evaluation),
        }


def fit(shown: Sequence[Json]) -> list[Json]:
    """As many from the first on as a frame has room for."""
    room = LIVE_BYTES
    kept = []
    for one in shown:
        room -= len(canonical_json(one).encode()) + 1
        if room < 0:
            break
        kept.append(one)
    return kept
