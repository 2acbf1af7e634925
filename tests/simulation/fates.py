"""What goes wrong, and where: nothing, one thing at one point, or anything at random."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.simulation.processes import Fate

CALM = Fate()
SLOW = [Fate(travel=step / 50) for step in range(1, 4)] + [CALM] * 7
"""How long a request takes when nothing is wrong with it; mostly no time."""


class Fates(Protocol):
    """Chooses what happens at each io point."""

    def at(self, point: int, kind: str, name: str) -> Fate:
        """The fate of one io point: its number, whose it is, what is called."""


class Calm:
    """Nothing goes wrong."""

    def at(self, point: int, kind: str, name: str) -> Fate:
        return CALM


class Scripted:
    """What is to happen at the points of these numbers."""

    def __init__(self, script: Mapping[int, Fate]) -> None:
        self._script = script

    def at(self, point: int, kind: str, name: str) -> Fate:
        return self._script.get(point, CALM)


class AtCall:
    """One thing, at the n-th call of a name; `kind` narrows it to such processes."""

    def __init__(self, name: str, fate: Fate, times: int = 1, kind: str = "") -> None:
        self._name = name
        self._fate = fate
        self._left = times
        self._kind = kind

    def at(self, point: int, kind: str, name: str) -> Fate:
        if name != self._name or (self._kind and kind != self._kind):
            return CALM
        self._left -= 1
        return self._fate if self._left == 0 else CALM


@dataclass
class Weather:
    """How often things go wrong, per io point."""

    kill: float = 0.01
    freeze: float = 0.006
    refused: float = 0.004
    lost: float = 0.008
    repeated: float = 0.015

    def times(self, factor: float) -> "Weather":
        return Weather(
            self.kill * factor,
            self.freeze * factor,
            self.refused * factor,
            self.lost * factor,
            self.repeated * factor,
        )


class Stormy:
    """Anything, anywhere, until it is calmed."""

    def __init__(self, dice: Random, weather: Weather) -> None:
        self._dice = dice
        self._shares: list[tuple[str, float]] = []
        self._total = 0.0
        for name in ("kill", "freeze", "refused", "lost", "repeated"):
            self._total += getattr(weather, name)
            self._shares.append((name, self._total))
        self.is_over = False

    def at(self, point: int, kind: str, name: str) -> Fate:
        draw = self._dice.random()
        if self.is_over or draw >= self._total:
            return SLOW[int(draw * 1e6) % len(SLOW)]
        fault = next(name for name, until in self._shares if draw < until)
        side = "before" if self._dice.random() < 0.5 else "after"
        return self._fault(fault, side, self._dice.random() * 0.06)

    def _fault(self, fault: str, side: str, travel: float) -> Fate:
        if fault == "kill":
            return Fate(kill=side, travel=travel)
        if fault == "freeze":
            seconds = self._dice.uniform(20.0, 200.0)
            return Fate(freeze=side, seconds=seconds, travel=travel)
        if fault == "refused":
            return Fate(refused=True, travel=travel)
        if fault == "lost":
            return Fate(lost=True, travel=travel)
        return Fate(repeated=True, travel=travel)
