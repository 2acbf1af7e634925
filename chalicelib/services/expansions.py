"""Expansions: the episodes of an evaluation, made in pages and asked for in turn.

Of a large evaluation only a window is asked for at once; each episode that ends asks
for the next. So no evaluation has more than its window in the queue, and a small one
waits for a window at most, never for the whole of a large one.
"""

from collections.abc import Sequence
from itertools import islice, zip_longest
from typing import Any, Final

from chalicelib.interfaces import Clock, Queue, Store
from chalicelib.records import Episode, Evaluation
from chalicelib.services import messages
from chalicelib.services.plans import DUE_SECONDS, Plans, make_episode
from chalicelib.services.suites import Suites

Json = dict[str, Any]

PAGE: Final = 500
WINDOW: Final = 1_000
STALLED_SECONDS: Final = 50.0
"""A chain of pages that has not moved for so long has died, and is begun again."""
EXPANSION: Final = "expansion"
"""The kind of the documents that say how far a large evaluation has come: `next`, the
page to make; `moved_at`; `asked`, how many of the plan have been asked for."""


class Expansions:
    """Turns evaluations into episodes."""

    page = PAGE
    window = WINDOW

    def __init__(
        self, store: Store, queue: Queue, clock: Clock, suites: Suites, plans: Plans
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._suites = suites
        self._plans = plans

    def place(self, evaluation: Evaluation, start: int) -> tuple[int, Json | None]:
        """The page to make, and how far it is known to have come; -1: none is.

        A page that is not the next one was asked for twice; from the beginning asks
        whoever has heard nothing for long, which counts only when no page has moved.
        """
        known = self._store.document(EXPANSION, evaluation.id)
        page = known["next"] if known else 0
        if start and start != page:
            return -1, known
        if known and page and not start:
            is_alive = self._clock.now() - known["moved_at"] < STALLED_SECONDS
            return (-1 if is_alive else page), known
        return page, known

    def make_page(
        self, evaluation: Evaluation, start: int, known: Json | None
    ) -> int | None:
        """Make one page and ask for what is in the window; the next page, if any."""
        planned = self._count(evaluation)
        page = self._plan(evaluation, start, start + self.page)
        self._store.create_episodes(page)
        self.ask([episode for episode in page if episode.due_at is not None])
        after = start + self.page if start + self.page < planned else 0
        if after or known:
            asked = min(self.window, start + self.page)
            to = {"next": after, "moved_at": self._clock.now(), "asked": asked}
            if not self._store.change_document(EXPANSION, evaluation.id, known, to):
                # Another has made this page, too, and goes on.
                return None
        if after:
            return after
        self._store.change_evaluation(evaluation.id, ("expanding",), "queued")
        return None

    def ask_more(self, evaluation: Evaluation, count: int) -> None:
        """Ask for so many of the plan that have not been asked for."""
        while count > 0:
            known = self._store.document(EXPANSION, evaluation.id)
            if known is None:
                return
            start = known["asked"]
            batch = self._plan(evaluation, start, start + count)
            if not batch:
                return
            due_at = self._clock.now() + DUE_SECONDS
            fresh = [e for e in batch if self._store.release(e.id, 0, due_at)]
            self.ask(fresh)
            to = {**known, "asked": start + len(batch)}
            if self._store.change_document(EXPANSION, evaluation.id, known, to):
                count -= len(fresh)

    def unasked(self, evaluation: Evaluation) -> set[str]:
        """The episodes that are not to be asked for yet."""
        known = self._store.document(EXPANSION, evaluation.id)
        if known is None:
            return set()
        return {e.id for e in self._plan(evaluation, known["asked"], None)}

    def ask(self, episodes: Sequence[Episode]) -> None:
        """Send messages that ask for these episodes."""
        providers: dict[str, list[str]] = {}
        for episode in episodes:
            providers.setdefault(messages.provider_of(episode), []).append(episode.id)
        slices = [
            messages.play_messages(provider, ids) for provider, ids in providers.items()
        ]
        # Providers in turn, so that tasks come up for all players at about one time.
        for bodies in zip_longest(*slices):
            self._queue.send(messages.PLAY, [body for body in bodies if body])

    def _plan(
        self, evaluation: Evaluation, start: int, stop: int | None
    ) -> list[Episode]:
        """A part of its episodes, as they are made; outside the window not due."""
        suite, now = self._suites.suite(evaluation.suite), self._clock.now()
        plan = enumerate(self._plans.episodes(suite, evaluation))
        return [
            make_episode(evaluation, entry, task, repeat, now, number < self.window)
            for number, (entry, task, repeat) in islice(plan, start, stop)
        ]

    def _count(self, evaluation: Evaluation) -> int:
        suite = self._suites.suite(evaluation.suite)
        return self._plans.count(suite, evaluation.entries, evaluation.repeats)
