"""A process: one invocation of a handler, which may be killed, frozen, or lied to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

T = TypeVar("T")

START = 1_795_000_000.0


MOMENT_SECONDS = 0.5
LOOK_SECONDS = 3.0


class Killed(BaseException):
    """The process is dead: nothing it would have done is done."""


class OutageError(Exception):
    """The store or the queue gave no answer."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What goes wrong at one io point.

    `kill` and `freeze` before or after it has its effect; `refused`: no effect and an
    error; `lost`: the effect, and an error; `repeated`: the client asks twice because
    the first answer was lost.
    """

    kill: str | None = None
    freeze: str | None = None
    seconds: float = 0.0
    refused: bool = False
    lost: bool = False
    repeated: bool = False
    travel: float = 0.0


class Process:
    """A `perform` whose every call is an io point, and the clock of its machine."""

    def __init__(
        self,
        simulation: "Simulation",
        name: str,
        kind: str,
        skew: float,
        seconds: float,
    ) -> None:
        self.simulation = simulation
        self.name = name
        self.kind = kind
        self.skew = skew
        self.stop_at = simulation.now() + seconds
        self.frozen_until = 0.0
        self.was_frozen = False
        self.was_let_down = False
        self.is_dead = False
        self.is_over = False
        self.calls: dict[str, str] = {}
        """Episode -> the call that was asked, and whose answer is not in the ledger."""

    def now(self) -> float:
        return self.simulation.now() + self.skew

    async def sleep(self, seconds: float) -> None:
        # Those that look again and again look less often here: most looks find nothing.
        await asyncio.sleep(LOOK_SECONDS if seconds < MOMENT_SECONDS else seconds)
        if self.is_dead or self.simulation.now() < self.frozen_until:
            await self.thaw()

    @property
    def is_excused(self) -> bool:
        """Whether something was done to it that may cost it its leases."""
        return self.was_frozen or self.was_let_down or self.is_dead

    @property
    def is_alive(self) -> bool:
        return not (self.is_dead or self.is_over)

    def kill(self) -> None:
        if not self.is_dead:
            self.is_dead = True
            self.simulation.note_death(self)

    def freeze(self, seconds: float) -> None:
        """Stand still, heartbeat and all."""
        self.was_frozen = True
        self.frozen_until = max(self.frozen_until, self.simulation.now() + seconds)
        self.simulation.count("freezes")

    async def thaw(self) -> None:
        """Go on when the process does; Killed when it does not."""
        while self.simulation.now() < self.frozen_until and not self.is_dead:
            await asyncio.sleep(self.frozen_until - self.simulation.now())
        if self.is_dead:
            raise Killed
        if self.simulation.now() >= self.stop_at:
            self.simulation.note_timeout(self)
            self.kill()
            raise Killed

    async def strike(self, side: str, fate: Fate) -> None:
        """Let what is to happen on this side of an io point happen."""
        if fate.kill == side:
            self.simulation.count("kills")
            self.kill()
        if fate.freeze == side:
            self.freeze(fate.seconds)
        await self.thaw()

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        simulation, name = self.simulation, call.__name__
        fate = simulation.next_fate(self, name)
        if fate.travel:
            await asyncio.sleep(fate.travel)
        await self.strike("before", fate)
        if fate.refused:
            if name == "settle":
                # The answer was paid for, and nobody will ever hear it.
                simulation.allow(args[0].episode, "unsettled")
            self._let_down(name)
            raise OutageError(name)
        try:
            simulation.before(self, name, args)
            result = call(*args)
            simulation.after(self, name, args, result)
            if fate.repeated:
                simulation.count("repeated")
                again = call(*args)
                simulation.after(self, name, args, again)
                result = again
        finally:
            await self.strike("after", fate)
        if fate.lost:
            if name == "renew":
                simulation.witness.refused.discard((self.name, args[0]))
            self._let_down(name)
            raise OutageError(name)
        return result

    def _let_down(self, name: str) -> None:
        self.was_let_down = True
        self.simulation.count("lost replies")
