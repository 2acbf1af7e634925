"""How episodes and evaluations end: each terminal state is reached once.

What was played to its end is closed last, after result, transcript and money, so that
closed implies the rest; writing any of them again is harmless. What was not is closed
first, under its claim, so that a worker that has lost the claim settles nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from chalicelib.events import Event, hash_log, write_transcript
from chalicelib.interfaces import Queue, Store
from chalicelib.records import Episode, Result
from chalicelib.services.accounts import Account, Caps
from chalicelib.services.expansions import EXPANSION
from chalicelib.services.messages import EXPAND, expand_message
from chalicelib.services.perform import Perform
from chalicelib.services.webhooks import WEBHOOK, webhook_message

Write = tuple[Callable[..., Any], tuple[Any, ...]]
Spent = tuple[int, int]
"""What calls are known to have cost, and at most those nobody knows of."""
EPISODES_READ: Final = 500


def finishing_writes(
    store: Store, episode: Episode, events: Sequence[Event], spent: Spent | None
) -> Iterator[Write]:
    """The writes, in order, that finish an episode whose log has ended.

    `spent` takes the place of what was set aside; None: nothing was.
    """
    packed = write_transcript(events)
    result = make_result(episode, events, hash_log(packed))
    yield store.finish, (result,)
    yield store.put_transcript, (episode.id, packed)
    if spent is not None:
        yield store.settle_hold, (episode.id, *spent)
    yield store.close, (episode.id, "finished", result.end, None)


def make_result(episode: Episode, events: Sequence[Event], log_hash: str) -> Result:
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
        oracle=events[0].body["oracle"],
        end=events[-1].body["outcome"],
        started_at=episode.created_at,
        scores=events[-1].body["scores"],
    )


class Endings:
    """Ends episodes, and evaluations whose episodes are all over."""

    def __init__(self, store: Store, queue: Queue, perform: Perform) -> None:
        self._store = store
        self._queue = queue
        self._perform = perform
        self._ended: Counter[str] = Counter()

    async def finish(
        self, episode: Episode, events: Sequence[Event], account: Account | None
    ) -> None:
        """Result, transcript, money, closed; nothing when the claim is lost.

        Whoever claims it after this first write sees a log that has ended, and can only
        finish it, too: no row is ever written of an episode that is closed otherwise.
        """
        n = len(events)
        if not await self._perform(
            self._store.note_progress, episode.id, episode.epoch, n
        ):
            return
        if account is None:
            account = await self._read_account(episode)
        spent = account.spent if account.caps.microusd is not None else None
        writes = finishing_writes(self._store, episode, events, spent)
        for call, arguments in writes:
            await self._perform(call, *arguments)
        self._ended[episode.evaluation] += 1

    async def fail(
        self, episode: Episode, reason: str, account: Account | None
    ) -> None:
        """An infrastructure failure: never a loss of the player's."""
        await self._close(episode, "failed", "infra", reason, account)

    async def leave_unplayed(
        self, episode: Episode, why: str, account: Account | None
    ) -> None:
        """It was not played to its end, by decision."""
        await self._close(episode, "unplayed", why, None, account)

    async def complete(self, evaluation_id: str) -> None:
        """Finish the evaluation if nothing of it is open, and settle its money."""
        # Asked first, since a tally reads every row: here one that is open will do.
        if await self._perform(self._store.has_open, evaluation_id):
            await self._ask_for_more(evaluation_id)
            return
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
            # Tended once more, it has its transcripts packed.
            bodies = [expand_message(evaluation_id)]
            await self._perform(self._queue.send, EXPAND, bodies)
        await self.settle(evaluation_id)

    async def _ask_for_more(self, evaluation_id: str) -> None:
        """As many episodes of a large evaluation as have ended here."""
        ended = self._ended.pop(evaluation_id, 0)
        if not ended:
            return
        if await self._perform(self._store.document, EXPANSION, evaluation_id):
            bodies = [expand_message(evaluation_id, -ended)]
            await self._perform(self._queue.send, EXPAND, bodies)

    async def settle(self, evaluation_id: str) -> None:
        """Give back to the month what an evaluation that is over did not spend.

        While anything is set aside for what may still be played, nothing is.
        """
        money = await self._perform(self._store.money, evaluation_id)
        if money.held_microusd:
            await self.settle_what_is_left(evaluation_id)
            money = await self._perform(self._store.money, evaluation_id)
        if not money.held_microusd:
            await self._perform(
                self._store.settle_reservation, evaluation_id, money.spent_microusd
            )

    async def _close(
        self,
        episode: Episode,
        status: str,
        end: str,
        note: str | None,
        account: Account | None,
    ) -> None:
        """End it under this claim; what it cost takes the place of what was set aside."""
        if not await self._perform(
            self._store.close, episode.id, status, end, note, episode.epoch
        ):
            present = await self._perform(self._store.episode, episode.id)
            if not present.is_over:
                return
            # Closed just now, perhaps by this very request: the ledger knows the rest.
            account = None
        self._ended[episode.evaluation] += 1
        if account is None:
            account = await self._read_account(episode)
        await self._perform(self._store.settle_hold, episode.id, *account.spent)

    async def settle_what_is_left(self, evaluation_id: str) -> None:
        """Settle what is set aside for episodes that are over.

        A worker died between closing and settling, or held money for what was over.
        """
        cursor = None
        while True:
            page = await self._perform(
                self._store.episodes, evaluation_id, None, EPISODES_READ, cursor
            )
            for episode in page.items:
                if episode.is_over:
                    account = await self._read_account(episode)
                    await self._perform(
                        self._store.settle_hold, episode.id, *account.spent
                    )
            if page.next is None:
                return
            cursor = page.next

    async def _read_account(self, episode: Episode) -> Account:
        """What the ledger says; its cap is unknown here."""
        calls = await self._perform(self._store.calls, episode.id)
        return Account(Caps(microusd=0), calls)
