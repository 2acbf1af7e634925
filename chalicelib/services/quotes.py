"""Quotes: what an evaluation will cost: low, expected, and a hard maximum.

Expected comes from the past episodes of the same player on the same game and variant
where there are any, else from a rough sketch of such an episode; the quote says which.
The maximum is what the caps allow, whatever the model does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean, quantiles
from typing import Any, Final

from chalicelib.games import find_game
from chalicelib.interfaces import Store
from chalicelib.models.catalogue import cost_microusd
from chalicelib.models.model import Tokens
from chalicelib.players.model_player import ModelPlayer
from chalicelib.records import Result, Suite, Task
from chalicelib.services.budgets import episode_caps
from chalicelib.services.plans import Plans

Json = dict[str, Any]

ENOUGH_EPISODES: Final = 5
STEPS_OF_LONGEST: Final = 0.15
TURN_TOKENS: Final = 500
SYSTEM_TOKENS: Final = 900
ANSWER_TOKENS: Final = 400
LOW_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True)
class EntryQuote:
    """What one entry will cost, in micro-dollars."""

    entry: str
    episodes: int
    low: int
    expected: int
    maximum: int
    episode_cap: int
    basis: str

    def to_json(self) -> Json:
        """As the API shows it."""
        return {
            "entry": self.entry,
            "episodes": self.episodes,
            "low_microusd": self.low,
            "expected_microusd": self.expected,
            "maximum_microusd": self.maximum,
            "episode_cap_microusd": self.episode_cap,
            "basis": self.basis,
        }


class Quotes:
    """Forecasts."""

    def __init__(self, store: Store, plans: Plans) -> None:
        self._store = store
        self._plans = plans

    def quote(
        self, suite: Suite, entries: Sequence[str], repeats: int, cap: int | None
    ) -> Json:
        """The sums over all entries, and each entry's own."""
        quotes = [self._entry(suite, entry, repeats, cap) for entry in entries]
        return {
            "low_microusd": sum(quote.low for quote in quotes),
            "expected_microusd": sum(quote.expected for quote in quotes),
            "maximum_microusd": sum(quote.maximum for quote in quotes),
            "episodes": sum(quote.episodes for quote in quotes),
            "entries": [quote.to_json() for quote in quotes],
        }

    def _entry(
        self, suite: Suite, entry: str, repeats: int, cap: int | None
    ) -> EntryQuote:
        player = self._plans.player(entry)
        episodes = self._plans.count(suite, [entry], repeats)
        if not isinstance(player, ModelPlayer):
            return EntryQuote(entry, episodes, 0, 0, 0, 0, "free")
        most = episode_caps(player, suite, cap).microusd or 0
        past = self._past_costs(suite, player.id)
        low = expected = 0.0
        seen = sketched = 0
        for task in suite.tasks:
            if task.game not in player.games:
                continue
            costs = past.get((task.game, task.variant), [])
            if len(costs) >= ENOUGH_EPISODES:
                seen += 1
                mean = min(most, fmean(costs))
                low += min(mean, quantiles(costs, n=10, method="inclusive")[0])
                expected += mean
            else:
                sketched += 1
                sketch = min(most, sketch_cost(player, task))
                low += LOW_SHARE * sketch
                expected += sketch
        basis = "past episodes" if not sketched else "estimate"
        if seen and sketched:
            basis = "past episodes and estimate"
        return EntryQuote(
            entry,
            episodes,
            int(repeats * low),
            ceil(repeats * expected),
            episodes * most,
            most,
            basis,
        )

    def _past_costs(
        self, suite: Suite, player_id: str
    ) -> dict[tuple[str, str], list[int]]:
        """Cost of each past episode of the player on the suite, by game and variant."""
        costs: dict[tuple[str, str], list[int]] = {}
        for game in {task.game for task in suite.tasks}:
            for result in self._store.suite_results(suite.id, game):
                if is_of(result, player_id):
                    key = (result.game, result.variant)
                    costs.setdefault(key, []).append(result.scores["cost_microusd"])
        return costs


def is_of(result: Result, player_id: str) -> bool:
    """Whether a result with a known cost is one of the player's."""
    name = result.entry.partition("+")[0]
    return name == player_id and "cost_microusd" in result.scores


def sketch_cost(player: ModelPlayer, task: Task) -> int:
    """The cost of a rough sketch of an episode: steps, turns kept, answers."""
    steps = max(6, int(STEPS_OF_LONGEST * find_game(task.game).longest(task.variant)))
    kept = player.prompt.history_turns
    turns = steps / 2 if kept is None else min(kept, steps)
    each = SYSTEM_TOKENS + int((1 + turns) * TURN_TOKENS)
    tokens = Tokens(steps * each, 0, 0, steps * ANSWER_TOKENS, 0)
    return cost_microusd(player.row, tokens)
