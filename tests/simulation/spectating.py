"""Spectators on a bad connection: frames get lost and doubled; they ask again."""

import json
from random import Random
from typing import TYPE_CHECKING, Any

from chalicelib.events import canonical_json
from tests.simulation.witness import Witness

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

Json = dict[str, Any]


class Studio:
    """`interfaces.LiveFeed`: what it lets through is seen by the witness first."""

    def __init__(self, witness: Witness, dice: Random) -> None:
        self._witness = witness
        self._dice = dice
        self.seats: dict[str, Spectator] = {}
        self.is_calm = False

    def send(self, connection: str, frame: str) -> None:
        seen = json.loads(frame)
        if seen["type"] == "event":
            episode = seen["topic"].partition(":")[2]
            self._witness.see_frame(episode, seen["n"], canonical_json(seen["event"]))
        if not self.is_calm and self._dice.random() < 0.1:
            self._witness.counts["lost frames"] += 1
            return
        if connection in self.seats:
            self.seats[connection].take(seen)

    def close(self, connection: str) -> None:
        self.seats.pop(connection, None)


class Spectator:
    """Watches every episode, as the page does: drops what it has, holds what leaves a gap."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        self._simulation = simulation
        self.name = name
        self.shown: dict[str, list[Json]] = {}
        self.held: dict[str, dict[int, Json]] = {}
        simulation.studio.seats[name] = self
        simulation.loop.call_later(10.0, self.look)

    def take(self, frame: Json) -> None:
        if frame["type"] != "event":
            return
        episode = frame["topic"].partition(":")[2]
        self.held.setdefault(episode, {})[frame["n"]] = frame["event"]
        shown = self.shown.setdefault(episode, [])
        while len(shown) + 1 in self.held[episode]:
            shown.append(self.held[episode][len(shown) + 1])

    def look(self) -> None:
        """Watch what there is, from what it has."""
        process = self._simulation.birth("socket")
        hall = self._simulation.make_spectators(process)
        hall.connect(self.name)
        for episode in self._simulation.store.all_episodes:
            topic, n = f"episode:{episode}", len(self.shown.get(episode, []))
            hall.receive(
                self.name,
                json.dumps({"action": "watch", "topic": topic, "after": n}),
            )

    def leave(self) -> None:
        """One last look over a good line."""
        self._simulation.studio.is_calm = True
        self.look()
