"""The witness: sees everything that happens, and says when something must not be."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib.events import Event
from chalicelib.records import Call, Episode
from chalicelib.services import messages
from tests.simulation.memory import MemoryStore
from tests.simulation.processes import Process

Args = tuple[Any, ...]

AFTER_PAUSE_SECONDS = 130.0
"""A call that was in flight may still be answered, and its move committed."""
SMALL_SKEW_SECONDS = 20.0
"""Clocks that differ by less never cost a lease: it is renewed when 60 s are left."""


class Violation(BaseException):
    """An invariant does not hold."""


@dataclass
class Holder:
    """Who holds an episode, as the store has told it."""

    process: Process
    epoch: int
    until: float


class Witness:
    """The history of one run, and the invariants that hold at every moment of it."""

    def __init__(self, store: MemoryStore, now: Callable[[], float]) -> None:
        self.store = store
        self.now = now
        self.history: dict[str, list[str]] = {}
        self.bills: dict[tuple[str, str], int] = {}
        self.budgets: dict[str, int] = {}
        self.holders: dict[str, Holder] = {}
        self.playing: dict[str, dict[str, Process]] = {}
        self.closed: dict[str, tuple[str, str]] = {}
        self.allowed: Counter[str] = Counter()
        self.refused: set[tuple[str, str]] = set()
        self.stopped_at: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def before(self, process: Process, name: str, args: Args) -> None:
        """Look at a call just before its effect."""
        check = getattr(self, f"before_{name}", None)
        if check is not None:
            check(process, *args)

    def after(self, process: Process, name: str, args: Args, result: Any) -> None:
        """Look at a call just after its effect."""
        check = getattr(self, f"after_{name}", None)
        if check is not None:
            check(process, result, *args)

    # The log.

    def before_append(self, process: Process, event: Event) -> None:
        holder = self.holders.get(event.episode)
        is_held = holder is not None and holder.process is process
        if not (is_held or process.is_excused or self.is_skewed(process)):
            raise Violation(
                f"{process.name} appends to {event.episode} without a lease"
            )
        episode = self.store.episode(event.episode)
        stopped = self.stopped_at.get(episode.evaluation)
        late = stopped is not None and self.now() > stopped + AFTER_PAUSE_SECONDS
        if late and event.type != "ended" and not process.is_excused:
            raise Violation(f"{event.episode} goes on though its evaluation is stopped")

    def after_append(self, process: Process, result: Any, event: Event) -> None:
        lines = self.history.setdefault(event.episode, [])
        if event.n == len(lines) + 1:
            lines.append(event.line())
            return
        if event.n > len(lines):
            raise Violation(f"{event.episode}: event {event.n} follows {len(lines)}")
        raise Violation(f"{event.episode}: event {event.n} was committed twice")

    def before_send(
        self, process: Process, queue: str, bodies: Any, delay: float = 0.0
    ) -> None:
        if queue != messages.BROADCAST:
            return
        for body in bodies:
            there = len(self.history.get(body.get("episode", ""), []))
            if "n" in body and body["n"] > there:
                raise Violation(f"told of {body['n']}, committed are {there}")

    def see_frame(self, episode: str, n: int, line: str) -> None:
        """An event reaches a spectator."""
        lines = self.history.get(episode, [])
        if n > len(lines) or lines[n - 1] != line:
            raise Violation(f"the feed shows event {n} of {episode}: not committed so")

    # Leases.

    def after_claim(
        self,
        process: Process,
        result: Episode | None,
        episode: str,
        owner: str,
        now: float,
        seconds: float,
    ) -> None:
        if result is None:
            return
        prior = self.holders.get(episode)
        if prior is not None and prior.process is not process:
            self.check_takeover(process, prior, episode, now)
        known = self.playing.setdefault(episode, {})
        if any(other.is_alive for other in known.values() if other is not process):
            # What an old one has in flight, and what the new one asks again.
            self.allowed[episode] += 2
        known[process.name] = process
        self.refused.discard((process.name, episode))
        self.holders[episode] = Holder(process, result.epoch, now + seconds)

    def check_takeover(
        self, process: Process, prior: Holder, episode: str, now: float
    ) -> None:
        if prior.until >= now:
            raise Violation(f"{process.name} claims {episode}, which is held")
        if prior.process.is_dead:
            return
        self.counts["zombies"] += 1
        is_skewed = self.is_skewed(process) or self.is_skewed(prior.process)
        is_poison = "poison" in self.store.episode(episode).entry
        if not (prior.process.is_excused or is_skewed or is_poison):
            raise Violation(f"{prior.process.name} lost {episode} without a fault")

    def after_renew(
        self, process: Process, held: bool, episode: str, epoch: int, until: float
    ) -> None:
        holder = self.holders.get(episode)
        if not held:
            self.playing[episode].pop(process.name, None)
            if process.calls.pop(episode, None):
                # It is let go in the middle of a call.
                self.allowed[episode] += 1
            self.refused.add((process.name, episode))
        elif self.store.episode(episode).epoch != epoch:
            raise Violation(f"{process.name} renews {episode} under an old claim")
        elif holder is not None:
            holder.until = until

    def after_release(
        self, process: Process, done: bool, episode: str, epoch: int, due: Any
    ) -> None:
        holder = self.holders.get(episode)
        self.playing.get(episode, {}).pop(process.name, None)
        if not done or holder is None or holder.epoch != epoch:
            return
        if holder.process is process:
            del self.holders[episode]
        else:
            # The sweeper, when by its clock the lease has run out: it is anyone's.
            holder.until = 0.0
            holder.process.was_let_down |= self.is_skewed(process)

    def after_close(
        self, process: Process, done: bool, episode: str, status: str, end: str, *_: Any
    ) -> None:
        if not done:
            return
        if episode in self.closed:
            raise Violation(f"{episode} is closed twice")
        self.closed[episode] = (status, end)
        self.holders.pop(episode, None)
        if status != "finished":
            # An answer that was paid for may not be taken up any more.
            self.allowed[episode] += 1

    def is_skewed(self, process: Process) -> bool:
        return abs(process.skew) > SMALL_SKEW_SECONDS

    # Money.

    def see_bill(self, process: Process, episode: str, call: str, cost: int) -> None:
        """A call has reached the provider, and is paid for."""
        if (episode, call) in self.bills:
            raise Violation(f"{call} of {episode} is made twice")
        row = self.store.rows.get(episode, {}).get(call)
        if row is None or row.status != "intent":
            raise Violation(f"{call} of {episode} is made without an intent")
        if row.max_microusd < cost:
            raise Violation(f"{call} of {episode} costs more than its maximum")
        if self.store.episode(episode).is_over and not process.is_excused:
            raise Violation(f"{process.name} asks for {episode}, which is over")
        if (process.name, episode) in self.refused:
            raise Violation(f"{process.name} asks for {episode}, which it has lost")
        self.bills[(episode, call)] = cost
        process.calls[episode] = call
        evaluation = self.store.episode(episode).evaluation
        self.check_budget(evaluation)

    def check_budget(self, evaluation: str) -> None:
        spent = sum(
            cost
            for (episode, _), cost in self.bills.items()
            if self.store.episode(episode).evaluation == evaluation
        )
        if spent > self.budgets[evaluation]:
            raise Violation(f"{evaluation} has spent {spent}: more than its budget")

    def after_settle(self, process: Process, result: Any, call: Call) -> None:
        process.calls.pop(call.episode, None)

    def after_hold(
        self, process: Process, answer: str, evaluation: str, *args: Any
    ) -> None:
        money = self.store.money(evaluation)
        if money.held_microusd + money.spent_microusd > self.budgets[evaluation]:
            raise Violation(f"{evaluation} holds more than its budget: {money}")

    def see_death(self, process: Process) -> None:
        """What it had in flight is lost."""
        for episode in process.calls:
            self.allowed[episode] += 1
        process.calls.clear()
