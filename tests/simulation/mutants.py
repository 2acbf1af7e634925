"""Mutants of the protocol: real pieces, each with one thing left out or done wrong.

A mutant shows that the simulator would see it. Nothing is patched: a mutant is a piece
handed in where the real one would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.events import Event
from chalicelib.records import Call, Episode, Evaluation, Result
from chalicelib.services.accounts import Account
from chalicelib.services.endings import Endings, finishing_writes
from chalicelib.services.episodes import Episodes
from chalicelib.services.evaluations import Evaluations
from chalicelib.services.expansions import EXPANSION, Expansions
from chalicelib.services.tellers import Teller
from chalicelib.services.turns import Sitting
from tests.simulation.memory import MemoryStore
from tests.simulation.simulation import Parts

Json = dict[str, Any]


class BlindPut(MemoryStore):
    def append(self, event: Event) -> None:
        log = self.lines.setdefault(event.episode, [])
        log[:] = [one for one in log if one.n != event.n] + [event]
        log.sort(key=lambda one: one.n)


class ResultCounter(MemoryStore):
    def finish(self, result: Result) -> None:
        number = len(self.kept)
        self.kept[(result.episode, f"{result.oracle}#{number}")] = result


class NoIntent(MemoryStore):
    def intend(self, call: Call) -> None:
        """The call is only written down when it is settled."""

    def settle(self, call: Call) -> None:
        super().intend(call)


class NoLease(MemoryStore):
    def claim(
        self, episode_id: str, owner: str, now: float, lease_seconds: float
    ) -> Episode | None:
        one = self.all_episodes[episode_id]
        if not one.is_over:
            self.all_episodes[episode_id] = replace(one, lease_until=0.0)
        return super().claim(episode_id, owner, now, lease_seconds)


class EpochIgnoredOnRenew(MemoryStore):
    def renew(self, episode_id: str, epoch: int, until: float) -> bool:
        return self.change(episode_id, None, lease_until=until, due_at=until)


class EpochIgnoredOnClose(MemoryStore):
    def close(
        self,
        episode_id: str,
        status: str,
        end: str,
        note: str | None,
        epoch: int | None = None,
    ) -> bool:
        return super().close(episode_id, status, end, note, None)


class EpochIgnoredOnRelease(MemoryStore):
    def release(self, episode_id: str, epoch: int, due_at: float | None) -> bool:
        return self.change(episode_id, None, owner=None, lease_until=0.0, due_at=due_at)


class HoldAddsUp(MemoryStore):
    """A counter in the place of a row."""

    def settle_hold(self, episode: str, cost: int, orphaned: int = 0) -> None:
        if episode in self.holds:
            evaluation, was, is_final = self.holds[episode]
            total = was * is_final + cost + orphaned
            self.holds[episode] = (evaluation, total, True)


class HoldWithoutLimit(MemoryStore):
    def hold(
        self,
        evaluation: str,
        episode: str,
        amount: int,
        budget: int,
        in_order: bool = False,
    ) -> str:
        return super().hold(evaluation, episode, amount, 10**12, False)


class ClosedTwice(MemoryStore):
    def close(
        self,
        episode_id: str,
        status: str,
        end: str,
        note: str | None,
        epoch: int | None = None,
    ) -> bool:
        one = self.all_episodes[episode_id]
        if epoch not in (None, one.epoch):
            return False
        ended: Any = status
        self.all_episodes[episode_id] = replace(
            one, status=ended, end=end, owner=None, lease_until=0.0, due_at=None
        )
        return True


class NoHeartbeat(MemoryStore):
    """Every renewal is lost on its way, and nobody says so."""

    def renew(self, episode_id: str, epoch: int, until: float) -> bool:
        one = self.all_episodes[episode_id]
        return one.epoch == epoch and not one.is_over


class RenewalRefusalIgnored(Episodes):
    """It hears of every refusal as of a success."""

    def __init__(self, *args: Any) -> None:
        super().__init__(DeafStore(args[0]), *args[1:])


class DeafStore:
    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def renew(self, episode_id: str, epoch: int, until: float) -> bool:
        self._real.renew(episode_id, epoch, until)
        return True


class ReleaseBeforeAppend(Episodes):
    async def _commit(self, sitting: Sitting, event: Event, teller: Teller) -> None:
        if event.type == "moved":
            episode, now = sitting.episode, self._clock.now()
            await self._perform(self._store.release, episode.id, episode.epoch, now)
        await super()._commit(sitting, event, teller)


class TellBeforeCommit(Episodes):
    async def _commit(self, sitting: Sitting, event: Event, teller: Teller) -> None:
        teller.note(sitting.episode, event.n)
        await teller.flush()
        await super()._commit(sitting, event, teller)


class StatusForgotten(Episodes):
    async def _check_status(self, sitting: Sitting) -> None:
        """Paused or cancelled: it does not look."""


class NoPoisonLimit(Episodes):
    async def _check_barren(self, episode: Episode, n: int) -> None:
        """It tries for ever."""


class NoRelease(Episodes):
    async def play(self, episode_ids: Sequence[str], stop_at: float) -> None:
        await super().play(episode_ids, stop_at + 10**6)


class FailsNewer(Episodes):
    """An old worker fails what newer rules have written."""

    def _is_young(self, episode: Episode) -> bool:
        return False


class NoLeaseCheckAfterIntent(Episodes):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._permits.is_held = lambda lease_until: True  # type: ignore[method-assign]  # the mutant's own piece


class CloseBeforeResult(Endings):
    async def finish(
        self, episode: Episode, events: Sequence[Event], account: Account | None
    ) -> None:
        spent = account.spent if account and account.caps.microusd else None
        writes = list(finishing_writes(self._store, episode, events, spent))
        for call, arguments in reversed(writes):
            await self._perform(call, *arguments)


class NoFence(Endings):
    async def finish(
        self, episode: Episode, events: Sequence[Event], account: Account | None
    ) -> None:
        if account is None:
            account = await self._read_account(episode)
        spent = account.spent if account.caps.microusd is not None else None
        for call, arguments in finishing_writes(self._store, episode, events, spent):
            await self._perform(call, *arguments)


class SettleBeforeClose(Endings):
    """Who has lost the claim settles what another still spends."""

    async def _close(
        self,
        episode: Episode,
        status: str,
        end: str,
        note: str | None,
        account: Account | None,
    ) -> None:
        account = account or await self._read_account(episode)
        await self._perform(self._store.settle_hold, episode.id, *account.spent)
        await super()._close(episode, status, end, note, account)


class LeftOverUnsettled(Endings):
    async def settle_what_is_left(self, evaluation_id: str) -> None:
        """What a dead worker left set aside stays set aside."""


class CancelsWhatIsPlayed(Evaluations):
    """A cancellation settles and closes what a worker may just have claimed."""

    def _leave_unplayed(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._store.settle_hold(episode.id, 0)
            self._store.close(episode.id, "unplayed", "cancelled", None)


class Paged(Expansions):
    """The real expansion, with pages and a window as small as the suites here."""

    page = 2
    window = 3


class SmallPages(Evaluations):
    expansions = Paged


class EveryPageAgain(Paged):
    """Whoever asks for a page gets it, and all that follow."""

    def place(self, evaluation: Evaluation, start: int) -> tuple[int, Json | None]:
        return start, self._store.document(EXPANSION, evaluation.id)

    def make_page(
        self, evaluation: Evaluation, start: int, known: Json | None
    ) -> int | None:
        after = super().make_page(evaluation, start, known)
        is_last = start + self.page >= self._count(evaluation)
        return after if after is not None or is_last else start + self.page


class ChainsMultiply(Evaluations):
    expansions = EveryPageAgain


@dataclass(frozen=True)
class Mutant:
    """One mutant: what it is built of, and what it does wrong."""

    parts: Parts
    about: str


MUTANTS = {
    "blind_put": Mutant(Parts(store=BlindPut), "an event is put over another"),
    "result_counter": Mutant(Parts(store=ResultCounter), "results are counted up"),
    "no_intent": Mutant(Parts(store=NoIntent), "calls are written after they are made"),
    "no_lease": Mutant(Parts(store=NoLease), "what is held can be claimed"),
    "no_heartbeat": Mutant(Parts(store=NoHeartbeat), "leases are not renewed"),
    "epoch_ignored_on_renew": Mutant(
        Parts(store=EpochIgnoredOnRenew), "an old claim renews a lease"
    ),
    "epoch_ignored_on_close": Mutant(
        Parts(store=EpochIgnoredOnClose), "an old claim closes an episode"
    ),
    "epoch_ignored_on_release": Mutant(
        Parts(store=EpochIgnoredOnRelease), "an old claim releases a new one"
    ),
    "hold_adds_up": Mutant(Parts(store=HoldAddsUp), "settling twice counts twice"),
    "hold_without_limit": Mutant(
        Parts(store=HoldWithoutLimit), "more is set aside than there is"
    ),
    "closed_twice": Mutant(Parts(store=ClosedTwice), "a terminal state is overwritten"),
    "renewal_refusal_ignored": Mutant(
        Parts(episodes=RenewalRefusalIgnored), "a lost episode is played on"
    ),
    "release_before_append": Mutant(
        Parts(episodes=ReleaseBeforeAppend), "an episode is let go before its commit"
    ),
    "tell_before_commit": Mutant(
        Parts(episodes=TellBeforeCommit), "spectators hear of what may not be"
    ),
    "status_forgotten": Mutant(
        Parts(episodes=StatusForgotten), "pause and cancel are not looked for"
    ),
    "no_poison_limit": Mutant(
        Parts(episodes=NoPoisonLimit), "what always breaks is tried for ever"
    ),
    "no_release": Mutant(
        Parts(episodes=NoRelease), "play goes on to the function's end"
    ),
    "fails_newer": Mutant(
        Parts(episodes=FailsNewer), "an old worker fails an episode of newer rules"
    ),
    "no_lease_check_after_intent": Mutant(
        Parts(episodes=NoLeaseCheckAfterIntent),
        "a call is made on a lease that ran out",
    ),
    "close_before_result": Mutant(
        Parts(endings=CloseBeforeResult), "closed does not imply a result"
    ),
    "no_fence": Mutant(
        Parts(endings=NoFence), "who has lost the claim writes a result"
    ),
    "settle_before_close": Mutant(
        Parts(endings=SettleBeforeClose), "an old claim settles a new one's money"
    ),
    "left_over_unsettled": Mutant(
        Parts(endings=LeftOverUnsettled), "money of a dead worker stays set aside"
    ),
    "cancels_what_is_played": Mutant(
        Parts(evaluations=CancelsWhatIsPlayed), "a cancellation closes under a worker"
    ),
    "chains_multiply": Mutant(
        Parts(evaluations=ChainsMultiply), "a page asked for twice goes on twice"
    ),
    "no_sweeper": Mutant(Parts(sweeps=None), "nobody looks for what is left"),
    "no_reuse": Mutant(Parts(is_forgetful=True), "what was paid for is asked again"),
}
