"""The account of one episode: what its calls cost, and how much they may."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chalicelib.records import Call

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that one episode may cost and use; None: no call is paid for."""

    microusd: int | None = None
    tokens: int | None = None


class Account:
    """Sums over the ledger rows of an episode; an open intent counts at its maximum."""

    def __init__(self, caps: Caps, calls: Iterable[Call] = ()) -> None:
        self.caps = caps
        self.microusd = 0
        self.orphaned = 0
        self.tokens: dict[str, int] = {}
        self.seconds = 0.0
        self.calls = 0
        self.models: set[str] = set()
        for call in calls:
            self.microusd += counted(call)
            self.orphaned += call.max_microusd if call.status == "intent" else 0
            self._take_up(call)

    @property
    def spent(self) -> tuple[int, int]:
        """What calls are known to have cost, and at most those nobody knows of."""
        return self.microusd - self.orphaned, self.orphaned

    def has_room(self, max_microusd: int) -> bool:
        """Whether a call that may cost so much stays under the cap."""
        cap = self.caps.microusd
        return cap is None or self.microusd + max_microusd <= cap

    def open(self, call: Call) -> None:
        """Count an intent at its maximum."""
        self.microusd += call.max_microusd
        self.orphaned += call.max_microusd

    def close(self, call: Call) -> None:
        """Count what came of an intent instead of its maximum."""
        self.microusd += counted(call) - call.max_microusd
        self.orphaned -= call.max_microusd
        self._take_up(call)

    @property
    def has_tokens_left(self) -> bool:
        """Whether a further call may be made under the suite's cap on tokens."""
        cap = self.caps.tokens
        used = self.tokens.get("in", 0) + self.tokens.get("out", 0)
        return cap is None or used < cap

    def totals(self) -> Json:
        """Calls, the snapshots that answered, tokens, cost, seconds: part of the scores."""
        return {
            "calls": self.calls,
            "models": sorted(self.models),
            "tokens": dict(self.tokens),
            "cost_microusd": self.microusd,
            "seconds": round(self.seconds, 3),
        }

    def _take_up(self, call: Call) -> None:
        self.calls += 1
        reply = call.body.get("reply", {})
        self.seconds += reply.get("seconds", 0.0)
        if reply.get("model"):
            self.models.add(reply["model"])
        for name, number in call.tokens.items():
            self.tokens[name] = self.tokens.get(name, 0) + number


def counted(call: Call) -> int:
    """What a call counts: its cost, or its maximum while nobody knows."""
    return call.max_microusd if call.status == "intent" else call.cost_microusd
