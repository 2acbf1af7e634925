"""Budgets: what an evaluation may cost, and that it never costs more.

Money is bounded before it is spent: a call by the bytes it sends and the tokens it may
give back; an episode by its cap, which is set aside from the evaluation's budget before
it starts; an evaluation by its budget, which is set aside from the team's month when it
is submitted. What a cap does not use comes free when its episode ends.
"""

from fractions import Fraction
from math import ceil

from chalicelib.interfaces import Store
from chalicelib.models.catalogue import ModelRow
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Player
from chalicelib.records import Evaluation, Suite
from chalicelib.services.accounts import Caps


def episode_caps(player: Player, suite: Suite, cap_microusd: int | None) -> Caps:
    """The caps of one episode of a player; scripted players have none."""
    if not isinstance(player, ModelPlayer):
        return Caps()
    tokens = int(suite.manifest["limits"]["tokens_per_episode"])
    most = ceil(tokens * dearest_token(player.row, tokens))
    return Caps(most if cap_microusd is None else min(most, cap_microusd), tokens)


def dearest_token(row: ModelRow, tokens: int) -> Fraction:
    """The highest price of any token in calls of at most so many, in micro-dollars."""
    return max(
        max(price.input, price.cached, price.cache_write, price.output)
        for price in row.prices
        if price.above < tokens
    )


def is_tight(evaluation: Evaluation) -> bool:
    """Whether the budget may not suffice for all: then episodes wait for one another."""
    most: int = evaluation.pinned.get("quote", {}).get("maximum_microusd", 0)
    return evaluation.budget_microusd < most


def settle_month(store: Store, evaluation: Evaluation) -> None:
    """An evaluation is over: give back what it did not spend."""
    if evaluation.budget_microusd:
        store.settle_reservation(
            evaluation.id, store.money(evaluation.id).spent_microusd
        )
