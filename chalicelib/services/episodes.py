"""Playing episodes: claim, replay, ask, commit, tell; result, transcript, close.

The append-only log is the commit point, the lease only saves money, and a message
is only a wake-up: a lost reply, a second worker or a kill at any point changes
nothing that was committed.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, cast

from chalicelib.errors import (
    BusyError,
    CallsStoppedError,
    CapReachedError,
    EngineChangedError,
    EventExistsError,
    GenerationError,
    NotFoundError,
    TransportError,
)
from chalicelib.events import Event
from chalicelib.games import find_game
from chalicelib.interfaces import Clock, Ids, Queue, Store
from chalicelib.models.model import CallError
from chalicelib.records import Call, Episode, Evaluation, entry_player
from chalicelib.services import messages
from chalicelib.services.accounts import Account
from chalicelib.services.budgets import episode_caps, is_tight
from chalicelib.services.endings import Endings
from chalicelib.services.heartbeats import LEASE_SECONDS, Heartbeat, Holding
from chalicelib.services.ledgers import LeaseLostError
from chalicelib.services.moments import read_moment
from chalicelib.services.perform import Perform
from chalicelib.services.permits import Permits
from chalicelib.services.players import Players
from chalicelib.services.suites import Suites
from chalicelib.services.tellers import Teller
from chalicelib.services.transcripts import Games, NewerEngineError, Transcript
from chalicelib.services.turns import Sitting, Turns, sit_down

BARREN_CLAIMS: Final = 5
MARGIN_SECONDS: Final = 10.0
WAIT_SECONDS: Final = 3.0
"""Until an episode that must wait (for money, a place, the switch) is asked for again."""
LONGEST_WAIT_SECONDS: Final = 60.0
WAIT_SHARE: Final = 0.05
NEWER_SECONDS: Final = 30.0
"""Until an episode of newer rules is asked for again."""
DEPLOY_SECONDS: Final = 24 * 3600.0
"""No deploy takes longer: an older episode of newer rules was left by a way back."""
EVENTS_READ: Final = 500
FOR_THE_OWNER: Final = ("key", "forbidden", "quota", "unknown-model")
"""Reasons of a failed call that go away only when the owner does something."""

log = logging.getLogger("tilts.episodes")


class LeftError(Exception):
    """This worker no longer plays the episode; what is committed stands."""


class Episodes:
    """Plays slices of episodes, all of a slice at once in one event loop."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        clock: Clock,
        ids: Ids,
        suites: Suites,
        players: Players,
        endings: Endings,
        perform: Perform,
        games: Games = find_game,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._ids = ids
        self._games = games
        self._suites = suites
        self._players = players
        self._endings = endings
        self._perform = perform
        self._permits = Permits(store, clock, perform)
        self._turns = Turns(store, perform, self._permits)

    async def play(self, episode_ids: Sequence[str], stop_at: float) -> None:
        """Play them until each is over, held by another, or out of time at `stop_at`.

        What is out of time is released and queued again.
        """
        owner = self._ids.new("worker_")
        holdings: dict[str, Holding] = {}
        heartbeat = Heartbeat(self._store, self._clock, self._perform, holdings)
        teller = Teller(self._queue, self._clock, self._perform)
        tasks = [
            asyncio.create_task(
                self._play_one(episode_id, owner, holdings, teller, stop_at)
            )
            # Named twice, it would be claimed twice: this worker is one owner.
            for episode_id in dict.fromkeys(episode_ids)
        ]
        helpers = [
            asyncio.create_task(heartbeat.run()),
            asyncio.create_task(teller.run()),
        ]
        try:
            left = await asyncio.gather(*tasks)
        finally:
            # None may outlive this slice: a warm process would go on with it later.
            for task in (*tasks, *helpers):
                task.cancel()
            await asyncio.gather(*tasks, *helpers, return_exceptions=True)
            await teller.flush()
        await self._queue_again([one for one in left if one is not None], 0)
        for evaluation in self._permits.seen:
            await self._endings.complete(evaluation)

    async def _queue_again(self, episode_ids: Sequence[str], delay: float) -> None:
        providers: dict[str, list[str]] = {}
        for episode_id in episode_ids:
            episode = await self._perform(self._store.episode, episode_id)
            providers.setdefault(messages.provider_of(episode), []).append(episode_id)
        for provider, ids in providers.items():
            bodies = messages.play_messages(provider, ids)
            await self._perform(self._queue.send, messages.PLAY, bodies, delay)

    async def _play_one(
        self,
        episode_id: str,
        owner: str,
        holdings: dict[str, Holding],
        teller: Teller,
        stop_at: float,
    ) -> str | None:
        """The id when the episode is to be queued again at once, else None."""
        playing = cast("asyncio.Task[str | None]", asyncio.current_task())
        try:
            episode = await self._perform(
                self._store.claim, episode_id, owner, self._clock.now(), LEASE_SECONDS
            )
            if episode is None:
                return None
            sitting = await self._take_up(episode)
            holdings[episode_id] = Holding(sitting, playing)
            finished = await self._play_on(sitting, teller, stop_at)
        except LeftError:
            return None
        except asyncio.CancelledError:
            if episode_id in holdings and holdings[episode_id].is_lost:
                log.info("another worker has taken over %s", episode_id)
                return None
            raise
        except Exception:
            # The others of the slice go on; this one is taken up again when its lease
            # ends, and fails for good when claims keep committing nothing.
            log.exception("playing %s failed", episode_id)
            return None
        finally:
            holdings.pop(episode_id, None)
        return None if finished else episode_id

    async def _take_up(self, episode: Episode) -> Sitting:
        """Replay the log; LeftError when the episode cannot go on under this claim."""
        events: list[Event] = []
        while batch := await self._perform(
            self._store.events, episode.id, len(events), EVENTS_READ
        ):
            events += batch
        if events and events[-1].type == "ended":
            # Whatever the rules and players are today: the log says all.
            await self._endings.finish(episode, events, None)
            raise LeftError
        try:
            player = self._players.find(entry_player(episode.entry))
            task = self._suites.task(episode.task)
            transcript = Transcript(episode.id, task, player.id, self._games)
            transcript.replay(events)
        except (EngineChangedError, GenerationError, NotFoundError) as error:
            if isinstance(error, NewerEngineError) and self._is_young(episode):
                await self._leave_to_newer(episode)
                raise LeftError from error
            await self._endings.fail(episode, str(error), None)
            raise LeftError from error
        await self._check_barren(episode, transcript.n)
        calls: Sequence[Call] = ()
        if player.kind != "baseline":
            calls = await self._perform(self._store.calls, episode.id)
        evaluation = await self._permits.evaluation(episode.evaluation)
        cap = evaluation.pinned.get("episode_cap_microusd")
        caps = episode_caps(player, self._suites.suite(episode.suite), cap)
        sitting = sit_down(episode, transcript, player, Account(caps, calls), calls)
        if caps.microusd is not None and not transcript.is_decided:
            await self._set_aside(sitting, caps.microusd, evaluation)
        return sitting

    def _is_young(self, episode: Episode) -> bool:
        age = self._clock.now() - read_moment(episode.created_at)
        return age < DEPLOY_SECONDS

    async def _leave_to_newer(self, episode: Episode) -> None:
        """In the middle of a deploy: a worker of the newer rules goes on."""
        log.info("%s is left to a worker with newer rules", episode.id)
        reached, due_at = episode.reached, self._clock.now() + NEWER_SECONDS
        await self._perform(
            self._store.note_progress, episode.id, episode.epoch, reached
        )
        await self._perform(self._store.release, episode.id, episode.epoch, due_at)

    async def _check_barren(self, episode: Episode, n: int) -> None:
        """LeftError when claim after claim has committed nothing."""
        if n > episode.reached:
            await self._perform(self._store.note_progress, episode.id, episode.epoch, n)
        elif episode.barren > BARREN_CLAIMS:
            reason = f"{BARREN_CLAIMS} claims in a row committed nothing"
            await self._endings.fail(episode, reason, None)
            raise LeftError

    async def _set_aside(
        self, sitting: Sitting, cap: int, evaluation: Evaluation
    ) -> None:
        """Hold the episode's cap of the budget; LeftError when it does not fit.

        Where the budget may not suffice for all, they start in the order of the plan,
        so that what is played remains paired.
        """
        episode, budget = sitting.episode, evaluation.budget_microusd
        held = await self._perform(
            self._store.hold,
            evaluation.id,
            episode.id,
            cap,
            budget,
            is_tight(evaluation),
        )
        if held == "wait":
            await self._wait(sitting)
        elif held == "refused":
            await self._endings.leave_unplayed(episode, "budget", sitting.account)
            raise LeftError

    async def _play_on(self, sitting: Sitting, teller: Teller, stop_at: float) -> bool:
        """True when the episode is over, false when time ran out first."""
        transcript = sitting.transcript
        if not transcript.n:
            await self._check_status(sitting)
            await self._commit(sitting, transcript.draft_started(), teller)
        latest = stop_at - MARGIN_SECONDS
        while not transcript.ended:
            if not transcript.is_decided:
                await self._check_status(sitting)
            call_ends = self._clock.now() + sitting.player.call_seconds
            if call_ends > latest and not transcript.is_decided:
                await self._release(sitting, self._clock.now())
                return False
            event = await self._next_event(sitting, latest)
            await self._commit(sitting, event, teller)
            await asyncio.sleep(0)
        events = transcript.events
        await self._endings.finish(sitting.episode, events, sitting.account)
        return True

    async def _next_event(self, sitting: Sitting, latest: float) -> Event:
        """The next event; LeftError when none can be made under this claim."""
        try:
            return await self._turns.next_event(sitting, latest)
        except CapReachedError as error:
            await self._endings.leave_unplayed(
                sitting.episode, "budget", sitting.account
            )
            raise LeftError from error
        except LeaseLostError as error:
            await self._step_back(sitting)
            raise LeftError from error
        except CallsStoppedError as error:
            await self._check_status(sitting)
            await self._wait(sitting)
            raise LeftError from error
        except BusyError as error:
            await self._wait(sitting)
            raise LeftError from error
        except TransportError as error:
            if isinstance(error, CallError) and error.reason in FOR_THE_OWNER:
                await self._pause(sitting, error)
                raise LeftError from error
            await self._endings.fail(sitting.episode, error.message, sitting.account)
            raise LeftError from error

    async def _pause(self, sitting: Sitting, error: CallError) -> None:
        """What only the owner can mend would fail every episode: wait for the owner."""
        log.warning("%s is paused: %s", sitting.episode.evaluation, error.message)
        await self._perform(
            self._store.change_evaluation,
            sitting.episode.evaluation,
            ["queued", "running"],
            "paused",
            None,
            error.message,
        )
        await self._park(sitting)

    async def _commit(self, sitting: Sitting, event: Event, teller: Teller) -> None:
        """Put if absent; LeftError when another worker is ahead."""
        try:
            await self._perform(self._store.append, event)
        except EventExistsError as refusal:
            if not is_same_event(event, refusal.existing):
                await self._step_back(sitting)
                raise LeftError from refusal
            event = refusal.existing
        try:
            sitting.transcript.add(event)
        except EngineChangedError as error:
            # Our own call, taken up by a worker of other rules.
            await self._step_back(sitting)
            raise LeftError from error
        teller.note(sitting.episode, event.n)

    async def _check_status(self, sitting: Sitting) -> None:
        """LeftError when the evaluation is paused or was cancelled."""
        episode = sitting.episode
        status = (await self._permits.evaluation(episode.evaluation)).status
        if status == "paused":
            await self._park(sitting)
            raise LeftError
        if status == "finished":
            await self._endings.leave_unplayed(episode, "cancelled", sitting.account)
            raise LeftError

    async def _park(self, sitting: Sitting) -> None:
        """Let go until the evaluation is resumed."""
        episode = sitting.episode
        await self._release(sitting, None)
        present = await self._perform(self._store.evaluation, episode.evaluation)
        if present.status != "paused":
            # Resumed before the release: nobody else asks for this episode.
            await self._release(sitting, self._clock.now())
            await self._queue_again([episode.id], 0)

    async def _step_back(self, sitting: Sitting) -> None:
        """Another worker is ahead: let whoever claims next go on from the log.

        If this claim is an old one nothing is released, and the other plays on.
        """
        episode, now = sitting.episode, self._clock.now()
        if await self._perform(self._store.release, episode.id, episode.epoch, now):
            await self._queue_again([episode.id], 0)

    async def _wait(self, sitting: Sitting) -> None:
        """Let go, to be asked for again; such waiting is no failure. LeftError.

        The longer it has waited the later, so that many that wait are little work.
        """
        now = self._clock.now()
        waited = now - read_moment(sitting.episode.created_at)
        later = min(LONGEST_WAIT_SECONDS, max(WAIT_SECONDS, waited * WAIT_SHARE))
        await self._release(sitting, now + 2 * later)
        await self._queue_again([sitting.episode.id], later)
        raise LeftError

    async def _release(self, sitting: Sitting, due_at: float | None) -> None:
        episode, n = sitting.episode, sitting.transcript.n
        # A renewal that comes after this is refused, and rightly so.
        sitting.is_let_go = True
        await self._perform(self._store.note_progress, episode.id, episode.epoch, n)
        await self._perform(self._store.release, episode.id, episode.epoch, due_at)


def is_same_event(event: Event, existing: Event) -> bool:
    """Whether the stored event is our own append, whose reply was lost."""
    call = event.body.get("call")
    if call is not None and existing.body.get("call") == call:
        return True
    return event.line() == existing.line()
