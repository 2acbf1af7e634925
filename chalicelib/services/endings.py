"""How episodes and evaluations end: each terminal state is reached once.

The order is result, transcript, closed, so that closed implies the rest. Writing
any of them again is harmless.
"""

from collections.abc import Callable, Iterator
from typing import Any

from chalicelib.events import hash_log, write_transcript
from chalicelib.interfaces import Store
from chalicelib.records import Episode, Result
from chalicelib.services.perform import Perform
from chalicelib.services.transcripts import Transcript

Write = tuple[Callable[..., Any], tuple[Any, ...]]


def finishing_writes(
    store: Store, episode: Episode, transcript: Transcript
) -> Iterator[Write]:
    """The writes, in order, that finish an episode whose log has ended."""
    packed = write_transcript(transcript.events)
    yield store.finish, (make_result(episode, transcript, hash_log(packed)),)
    yield store.put_transcript, (episode.id, packed)
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

    def __init__(self, store: Store, perform: Perform) -> None:
        self._store = store
        self._perform = perform

    async def finish(self, episode: Episode, transcript: Transcript) -> None:
        """Result, transcript, closed."""
        for call, arguments in finishing_writes(self._store, episode, transcript):
            await self._perform(call, *arguments)

    async def fail(self, episode: Episode, reason: str) -> None:
        """An infrastructure failure: never a loss of the player's."""
        await self._perform(self._store.close, episode.id, "failed", "infra", reason)

    async def leave_unplayed(self, episode: Episode, why: str) -> None:
        """It was not played to its end, by decision."""
        await self._perform(self._store.close, episode.id, "unplayed", why, None)

    async def complete(self, evaluation: str) -> None:
        """Finish the evaluation if nothing of it is open."""
        tally = await self._perform(self._store.tally, evaluation)
        if tally and not tally.get("waiting") and not tally.get("playing"):
            await self._perform(
                self._store.change_evaluation,
                evaluation,
                ["queued", "running"],
                "finished",
                "complete",
            )
