"""The sweeper: what guarantees that everything that was begun is finished."""

import logging

from chalicelib.errors import ConflictError, TiltsError
from chalicelib.interfaces import Clock, Queue, Store
from chalicelib.records import VISITS, Episode, Evaluation
from chalicelib.services import messages
from chalicelib.services.budgets import is_tight
from chalicelib.services.endings import Endings
from chalicelib.services.perform import Perform
from chalicelib.services.visits import Visits
from chalicelib.services.webhooks import WEBHOOK, webhook_message

log = logging.getLogger("tilts.sweeps")

SHARDS = 16
NEWEST_FINISHED = 100
FOUND_AT_ONCE = 1_000
ASK_AGAIN_SECONDS = 300.0
WOKEN_AT_ONCE = 100


class Sweeps:
    """Finds what nobody holds, and asks for it again."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        clock: Clock,
        endings: Endings,
        visits: Visits,
        perform: Perform,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._endings = endings
        self._visits = visits
        self._perform = perform

    async def sweep(self) -> int:
        """Ask for every due episode, tend open evaluations; how many were due."""
        found = 0
        for shard in range(SHARDS):
            now = self._clock.now()
            due = await self._perform(self._store.due, now, shard, FOUND_AT_ONCE)
            found += len(due)
            episodes = [await self._perform(self._store.episode, e) for e in due]
            # What was claimed in the meantime is somebody's again.
            await self._ask([e for e in episodes if e.due_at and e.due_at <= now])
        await self._tend()
        return found

    async def _ask(self, episodes: list[Episode]) -> None:
        providers: dict[str, list[str]] = {}
        for episode in episodes:
            if episode.evaluation == VISITS:
                await self._expire(episode)
                continue
            # Asked for once in a while, so that a long queue is not asked for twice.
            later = self._clock.now() + ASK_AGAIN_SECONDS
            if await self._perform(
                self._store.release, episode.id, episode.epoch, later
            ):
                provider = messages.provider_of(episode)
                providers.setdefault(provider, []).append(episode.id)
        for provider, ids in providers.items():
            bodies = messages.play_messages(provider, ids)
            await self._perform(self._queue.send, messages.PLAY, bodies)

    async def _expire(self, episode: Episode) -> None:
        try:
            await self._perform(self._visits.expire, episode)
        except ConflictError:
            log.info("%s was moved in its last moment", episode.id)
        except TiltsError as error:
            await self._endings.fail(episode, error.message, None)

    async def _tend(self) -> None:
        for status in ("expanding", "queued", "running", "paused"):
            cursor = None
            while True:
                page = await self._perform(
                    self._store.evaluations, {"status": status}, 100, cursor
                )
                for evaluation in page.items:
                    await self._look_after(evaluation)
                if page.next is None:
                    break
                cursor = page.next
        cancelled = {"status": "finished", "untended": "1"}
        untended = await self._perform(self._store.evaluations, cancelled, 100, None)
        for evaluation in untended.items:
            await self._look_after(evaluation)
        newest = await self._perform(
            self._store.evaluations, {"status": "finished"}, NEWEST_FINISHED, None
        )
        for evaluation in newest.items:
            if evaluation.budget_microusd and not evaluation.untended:
                # A worker may have died before it gave the month its money back.
                await self._endings.settle(evaluation.id)
            await self._remind(evaluation)

    async def _remind(self, evaluation: Evaluation) -> None:
        """Ask for a webhook of which nothing has been heard."""
        if not evaluation.pinned.get("webhook"):
            return
        if await self._perform(self._store.document, WEBHOOK, evaluation.id) is None:
            bodies = [webhook_message(evaluation.id)]
            await self._perform(self._queue.send, WEBHOOK, bodies)

    async def _wake(self, evaluation_id: str) -> None:
        """Where nothing is played or asked for, ask for what waits.

        Each episode that ends asks for the next; a worker may have died before it did.
        """
        playing = await self._perform(
            self._store.episodes, evaluation_id, "playing", 1, None
        )
        if playing.items:
            return
        waiting = await self._perform(
            self._store.episodes, evaluation_id, "waiting", WOKEN_AT_ONCE, None
        )
        if not any(episode.due_at is not None for episode in waiting.items):
            await self._ask(list(waiting.items))

    async def _look_after(self, evaluation: Evaluation) -> None:
        if evaluation.untended or evaluation.status == "expanding":
            bodies = [messages.expand_message(evaluation.id)]
            await self._perform(self._queue.send, messages.EXPAND, bodies)
        elif evaluation.status != "paused":
            if is_tight(evaluation):
                # What a dead worker did not settle would be waited for.
                money = await self._perform(self._store.money, evaluation.id)
                if money.held_microusd:
                    await self._endings.settle_what_is_left(evaluation.id)
            await self._wake(evaluation.id)
            await self._endings.complete(evaluation.id)
