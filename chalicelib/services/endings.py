"""How episodes and evaluations end: each terminal state is reached once.

The order is result, transcript, closed, so that closed implies the rest. Writing
any of them again is harmless.
"""

from collections.abc import Callable, Iterator
from typing import Any

from chalicelib.events import hash_log, write_transcript
from chalicelib.interfaces import Queue, Store
from chalicelib.records import Episode, Result
from chalicelib.services.accounts import Account, Caps
from chalicelib.services.perform import Perform
from chalicelib.services.transcripts import Transcript
from chalicelib.services.webhooks import WEBHOOK, webhook_message

Write = tuple[Callable[..., Any], tuple[Any, ...]]


def finishing_writes(
    store: Store, episode: Episode, transcript: Transcript, account: Account | None
) -> Iterator[Write]:
    """The writes, in order, that finish an episode whose log has ended."""
    packed = write_transcript(transcript.events)
    yield store.finish, (make_result(episode, transcript, hash_log(packed)),)
    yield store.put_transcript, (episode.id, packed)
    if account is not None and account.caps.microusd is not None:
        yield store.settle_hold, (episode.id, account.microusd)
    yield store.close, (episode.id, "finished", transcript.end, None)


def make_result(episode: Episode, transcript: Transcript, log_hash: str) -> Result:
    """The result row: a function of the log alone."""
    return Result(
        episode=episode.id,
        evaluation=episode.evaluation,
        entry=episode.entry,
        task=episode.task,
        game=episode.game,
        variant=episode.variant,
        suite=episode.suite,
        repeat=episode.repeat,
        log_hash=log_hash,
        oracle=transcript.game.oracle,
        end=transcript.end,
        started_at=episode.created_at,
        scores=transcript.events[-1].body["scores"],
    )


class Endings:
    """Ends episodes, and evaluations whose episodes are all over."""

    def __init__(self, store: Store, queue: Queue, perform: Perform) -> None:
        self._store = store
        self._queue = queue
        self._perform = perform

    async def finish(
        self, episode: Episode, transcript: Transcript, account: Account
    ) -> None:
        """Result, transcript, money, closed."""
        writes = finishing_writes(self._store, episode, transcript, account)
        for call, arguments in writes:
            await self._perform(call, *arguments)

    async def fail(
        self, episode: Episode, reason: str, account: Account | None
    ) -> None:
        """An infrastructure failure: never a loss of the player's."""
        await self._settle(episode, account)
        await self._perform(self._store.close, episode.id, "failed", "infra", reason)

    async def leave_unplayed(
        self, episode: Episode, why: str, account: Account | None
    ) -> None:
        """It was not played to its end, by decision."""
        await self._settle(episode, account)
        await self._perform(self._store.close, episode.id, "unplayed", why, None)

    async def complete(self, evaluation_id: str) -> None:
        """Finish the evaluation if nothing of it is open, and settle its money."""
        tally = await self._perform(self._store.tally, evaluation_id)
        if not tally or tally.get("waiting") or tally.get("playing"):
            return
        end = "capped" if tally.get("unplayed.budget") else "complete"
        has_ended = await self._perform(
            self._store.change_evaluation,
            evaluation_id,
            ["queued", "running"],
            "finished",
            end,
        )
        if has_ended:
            bodies = [webhook_message(evaluation_id)]
            await self._perform(self._queue.send, WEBHOOK, bodies)
        money = await self._perform(self._store.money, evaluation_id)
        if not money.held_microusd:
            await self._perform(
                self._store.settle_reservation, evaluation_id, money.spent_microusd
            )

    async def _settle(self, episode: Episode, account: Account | None) -> None:
        """What the episode cost takes the place of what was set aside for it."""
        if account is None:
            calls = await self._perform(self._store.calls, episode.id)
            account = Account(Caps(), calls)
        await self._perform(self._store.settle_hold, episode.id, account.microusd)
