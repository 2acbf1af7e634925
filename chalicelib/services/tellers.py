"""Telling the broadcaster how far episodes have come, without waiting for it."""

import logging

from chalicelib.interfaces import Clock, Queue
from chalicelib.records import Episode
from chalicelib.services import messages
from chalicelib.services.perform import Perform

TELL_SECONDS = 0.1

log = logging.getLogger("tilts.tellers")


class Teller:
    """Gathers what was committed and sends it on a few times a second."""

    def __init__(self, queue: Queue, clock: Clock, perform: Perform) -> None:
        self._queue = queue
        self._clock = clock
        self._perform = perform
        self._news: dict[str, tuple[str, int, int]] = {}

    def note(self, episode: Episode, n: int) -> None:
        """Event n of the episode is committed."""
        _, after, _ = self._news.get(episode.id, ("", n - 1, n))
        self._news[episode.id] = (episode.evaluation, after, n)

    async def run(self) -> None:
        """Send what there is, again and again, until cancelled."""
        while True:
            await self._clock.sleep(TELL_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Send what there is now; news that cannot be sent are dropped.

        Spectators ask for what they miss, and play must not end for it.
        """
        news, self._news = self._news, {}
        bodies = [
            messages.reached_message(episode, evaluation, after, n)
            for episode, (evaluation, after, n) in news.items()
        ]
        if not bodies:
            return
        try:
            await self._perform(self._queue.send, messages.BROADCAST, bodies)
        except Exception:
            log.exception("news of %d episodes were not told", len(bodies))
