"""Playing episodes: claim, replay, ask, commit, tell; result, transcript, close.

The append-only log is the commit point, the lease only saves money, and a message
is only a wake-up: a lost reply, a second worker or a kill at any point changes
nothing that was committed.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from chalicelib.errors import (
    EngineChangedError,
    EventExistsError,
    GenerationError,
    IllegalMoveError,
    InvalidMoveError,
)
from chalicelib.events import Event
from chalicelib.interfaces import Clock, Ids, Queue, Store
from chalicelib.players.conversations import Conversation
from chalicelib.players.player import Choice, Player, Turn
from chalicelib.players.roster import find_player
from chalicelib.records import Call, Episode, entry_player
from chalicelib.services import messages
from chalicelib.services.accounts import Account, Caps
from chalicelib.services.endings import Endings
from chalicelib.services.ledgers import StepLedger
from chalicelib.services.perform import Perform
from chalicelib.services.suites import Suites
from chalicelib.services.tellers import Teller
from chalicelib.services.transcripts import Transcript

LEASE_SECONDS = 90.0
HEARTBEAT_SECONDS = 30.0
BARREN_CLAIMS = 5
MARGIN_SECONDS = 10.0
EVENTS_READ = 500
STATUS_SECONDS = 1.0

log = logging.getLogger("tilts.episodes")


class LeftError(Exception):
    """This worker no longer plays the episode; what is committed stands."""


@dataclass
class Holding:
    """An episode that this worker holds."""

    episode: Episode
    transcript: Transcript
    player: Player
    playing: "asyncio.Task[str | None]"
    account: Account
    conversation: Conversation
    settled: Call | None = None
    is_lost: bool = False


class Episodes:
    """Plays slices of episodes, all of a slice at once in one event loop."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        clock: Clock,
        ids: Ids,
        suites: Suites,
        endings: Endings,
        perform: Perform,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._ids = ids
        self._suites = suites
        self._endings = endings
        self._perform = perform
        self._statuses: dict[str, tuple[float, str]] = {}

    async def play(self, episode_ids: Sequence[str], stop_at: float) -> None:
        """Play them until each is over, held by another, or out of time at `stop_at`.

        What is out of time is released and queued again.
        """
        owner = self._ids.new("worker_")
        holdings: dict[str, Holding] = {}
        teller = Teller(self._queue, self._clock, self._perform)
        tasks = [
            asyncio.create_task(
                self._play_one(episode_id, owner, holdings, teller, stop_at)
            )
            for episode_id in episode_ids
        ]
        helpers = [
            asyncio.create_task(self._beat(holdings)),
            asyncio.create_task(teller.run()),
        ]
        try:
            left = await asyncio.gather(*tasks)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await teller.flush()
        await self._queue_again([one for one in left if one is not None])
        for evaluation in self._statuses:
            await self._endings.complete(evaluation)
        self._statuses = {}

    async def _queue_again(self, episode_ids: Sequence[str]) -> None:
        if not episode_ids:
            return
        first = await self._perform(self._store.episode, episode_ids[0])
        bodies = messages.play_messages(messages.provider_of(first), episode_ids)
        await self._perform(self._queue.send, messages.PLAY, bodies)

    async def _play_one(
        self,
        episode_id: str,
        owner: str,
        holdings: dict[str, Holding],
        teller: Teller,
        stop_at: float,
    ) -> str | None:
        """The id when the episode is to be queued again, else None."""
        episode = await self._perform(
            self._store.claim, episode_id, owner, self._clock.now(), LEASE_SECONDS
        )
        if episode is None:
            return None
        try:
            holdings[episode_id] = await self._take_up(episode)
            finished = await self._play_on(holdings[episode_id], teller, stop_at)
        except LeftError:
            return None
        except asyncio.CancelledError:
            if episode_id in holdings and holdings[episode_id].is_lost:
                log.info("another worker has taken over %s", episode_id)
                return None
            raise
        except (EngineChangedError, GenerationError) as error:
            await self._endings.fail(episode, str(error))
            return None
        except Exception:
            # The others of the slice go on; this one is taken up again when its lease
            # ends, and fails for good when claims keep committing nothing.
            log.exception("playing %s failed", episode_id)
            return None
        finally:
            holdings.pop(episode_id, None)
        return None if finished else episode_id

    async def _take_up(self, episode: Episode) -> Holding:
        """Replay the log; LeftError when the episode cannot go on under this claim."""
        player = find_player(entry_player(episode.entry))
        task = self._suites.task(episode.task)
        transcript = Transcript(episode.id, task, player.id)
        while batch := await self._perform(
            self._store.events, episode.id, transcript.n, EVENTS_READ
        ):
            transcript.replay(batch)
        if transcript.n > episode.reached:
            await self._perform(
                self._store.note_progress, episode.id, episode.epoch, transcript.n
            )
        elif episode.barren > BARREN_CLAIMS:
            await self._endings.fail(
                episode, f"{BARREN_CLAIMS} claims in a row committed nothing"
            )
            raise LeftError
        return await self._open_books(episode, transcript, player)

    async def _open_books(
        self, episode: Episode, transcript: Transcript, player: Player
    ) -> Holding:
        """Read the ledger of what was played before, if the player has one."""
        calls: Sequence[Call] = ()
        if transcript.n and player.kind != "baseline":
            calls = await self._perform(self._store.calls, episode.id)
        by_id = {call.id: call for call in calls}
        taken_up = [event.body.get("call") for event in transcript.events]
        return Holding(
            episode,
            transcript,
            player,
            cast("asyncio.Task[str | None]", asyncio.current_task()),
            Account(Caps(), calls),
            Conversation(by_id[name] for name in taken_up if name in by_id),
            find_settled(calls, transcript.n + 1),
        )

    async def _play_on(self, holding: Holding, teller: Teller, stop_at: float) -> bool:
        """True when the episode is over, false when time ran out first."""
        transcript = holding.transcript
        if not transcript.n:
            await self._commit(holding, transcript.draft_started(), teller)
        while not transcript.ended:
            await self._check_status(holding)
            call_ends = self._clock.now() + holding.player.call_seconds
            if call_ends + MARGIN_SECONDS > stop_at and not transcript.is_decided:
                await self._release(holding, self._clock.now())
                return False
            await self._commit(holding, await self._next_event(holding), teller)
            await asyncio.sleep(0)
        await self._endings.finish(holding.episode, transcript)
        return True

    async def _next_event(self, holding: Holding) -> Event:
        transcript = holding.transcript
        if transcript.is_decided:
            return transcript.draft_ended(holding.account.totals())
        if transcript.must_forfeit:
            return transcript.draft_forfeited(
                f"{transcript.tries} attempts at step {transcript.step} failed"
            )
        choice = await self._ask(holding)
        return draft_choice(transcript, choice)

    async def _ask(self, holding: Holding) -> Choice:
        transcript, episode = holding.transcript, holding.episode
        turn = Turn(
            transcript.task,
            0,
            transcript.step,
            transcript.tries,
            transcript.observation,
            lambda: transcript.game.legal_moves(transcript.state),
            transcript.events,
            transcript.complaint,
            transcript.player_chance(),
            holding.conversation,
            holding.settled,
        )
        holding.settled = None
        ledger = StepLedger(
            self._store,
            self._perform,
            holding.account,
            self._permit,
            episode.id,
            transcript.n + 1,
            episode.epoch,
        )
        deadline = self._clock.now() + holding.player.call_seconds
        choice = await holding.player.choose(turn, ledger, deadline)
        if choice.call is not None:
            holding.conversation.add(choice.call)
        return choice

    async def _permit(self) -> None:
        """Whether a call may be made now."""

    async def _commit(self, holding: Holding, event: Event, teller: Teller) -> None:
        """Put if absent; LeftError when another worker is ahead."""
        try:
            await self._perform(self._store.append, event)
        except EventExistsError as refusal:
            if not is_same_event(event, refusal.existing):
                raise LeftError from refusal
            event = refusal.existing
        holding.transcript.add(event)
        teller.note(holding.episode, event.n)

    async def _check_status(self, holding: Holding) -> None:
        """LeftError when the evaluation is paused or was cancelled."""
        episode = holding.episode
        status = await self._evaluation_status(episode.evaluation)
        if status == "paused":
            await self._release(holding, None)
            raise LeftError
        if status == "finished":
            await self._endings.leave_unplayed(episode, "cancelled")
            raise LeftError

    async def _evaluation_status(self, evaluation: str) -> str:
        now = self._clock.now()
        read_at, status = self._statuses.get(evaluation, (0.0, ""))
        if now - read_at >= STATUS_SECONDS:
            found = await self._perform(self._store.evaluation, evaluation)
            status = found.status
            if status == "queued":
                await self._perform(
                    self._store.change_evaluation, evaluation, ["queued"], "running"
                )
            self._statuses[evaluation] = (now, status)
        return status

    async def _release(self, holding: Holding, due_at: float | None) -> None:
        episode, n = holding.episode, holding.transcript.n
        await self._perform(self._store.note_progress, episode.id, episode.epoch, n)
        await self._perform(self._store.release, episode.id, episode.epoch, due_at)

    async def _beat(self, holdings: dict[str, Holding]) -> None:
        """Renew every lease; an episode whose renewal is refused is let go."""
        while True:
            await self._clock.sleep(HEARTBEAT_SECONDS)
            for holding in list(holdings.values()):
                episode = holding.episode
                until = self._clock.now() + LEASE_SECONDS
                held = await self._perform(
                    self._store.renew, episode.id, episode.epoch, until
                )
                if not held:
                    holding.is_lost = True
                    holding.playing.cancel()


def draft_choice(transcript: Transcript, choice: Choice) -> Event:
    """The event of an answer: a move, or an attempt and what was wrong with it."""
    call = choice.call.id if choice.call else None
    failure, complaint = choice.failure, choice.complaint
    if failure is None:
        try:
            return transcript.draft_moved(choice.arguments, choice.said, call)
        except InvalidMoveError as error:
            failure, complaint = "invalid", error.message
        except IllegalMoveError as error:
            failure, complaint = "illegal", error.message
    complaint = complaint or f"The answer was {failure}."
    return transcript.draft_attempted(failure, complaint, choice.said, call)


def find_settled(calls: Sequence[Call], n: int) -> Call | None:
    """The call for event n that was paid for and not taken up, if there is one."""
    found = None
    for call in calls:
        if call.status == "settled" and call.id.startswith(f"{n}."):
            found = call
    return found


def is_same_event(event: Event, existing: Event) -> bool:
    """Whether the stored event is our own append, whose reply was lost."""
    call = event.body.get("call")
    if call is not None and existing.body.get("call") == call:
        return True
    return event.line() == existing.line()
