"""The queue: it loses, doubles, delays and reorders messages, and forgets deletes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

Json = dict[str, Any]

VISIBILITY_SECONDS = 960.0


@dataclass(eq=False)
class Letter:
    """A message on its way, or with its handler."""

    queue: str
    body: Json
    receives: int = 1
    is_deleted: bool = False


class Post:
    """`interfaces.Queue`, and the trigger that hands messages to processes."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.is_calm = False
        self.sent: list[tuple[str, Json]] = []

    def send(
        self, queue: str, bodies: Sequence[Json], delay_seconds: float = 0
    ) -> None:
        simulation, dice = self._simulation, self._simulation.dice
        scenario = simulation.scenario
        for body in bodies:
            self.sent.append((queue, body))
            simulation.count("messages")
            if not self.is_calm and dice.random() < scenario.lost_messages:
                simulation.count("lost messages")
                continue
            self._bring(Letter(queue, body), delay_seconds)
            if not self.is_calm and dice.random() < scenario.doubled_messages:
                simulation.count("duplicates")
                self._bring(Letter(queue, body), delay_seconds)

    def delete(self, letter: Letter) -> None:
        """Its work is done; sometimes nobody hears of it."""
        dice, scenario = self._simulation.dice, self._simulation.scenario
        if not self.is_calm and dice.random() < scenario.lost_deletes:
            self._simulation.count("lost deletes")
            return
        letter.is_deleted = True

    def _bring(self, letter: Letter, delay: float) -> None:
        dice = self._simulation.dice
        delay += dice.uniform(0.01, 0.2)
        if not self.is_calm and dice.random() < self._simulation.scenario.late_messages:
            delay += dice.expovariate(1 / 30.0)
        self._simulation.loop.call_later(delay, self._hand_over, letter)

    def _hand_over(self, letter: Letter) -> None:
        if letter.is_deleted:
            return
        self._simulation.arrive(letter)
        again = replace(letter, receives=letter.receives + 1)
        self._simulation.loop.call_later(
            VISIBILITY_SECONDS, self._come_back, letter, again
        )

    def _come_back(self, letter: Letter, again: Letter) -> None:
        if not letter.is_deleted:
            self._simulation.count("redelivered")
            self._hand_over(again)
