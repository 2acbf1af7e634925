"""Budgets: what an evaluation may cost, and that it never costs more.

Money is bounded before it is spent: a call by the bytes it sends and the tokens it may
give back; an episode by its cap, which is set aside from the evaluation's budget before
it starts; an evaluation by its budget, which is set aside from the team's month when it
is submitted. What a cap does not use comes free when its episode ends.
"""

from typing import Any, Final

from chalicelib.interfaces import Store
from chalicelib.models.catalogue import dearest_microusd_per_token
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Player
from chalicelib.records import Evaluation, Suite
from chalicelib.services.accounts import Caps

Json = dict[str, Any]

TOKENS_PER_EPISODE: Final = 400_000


def episode_caps(player: Player, suite: Suite, cap_microusd: int | None) -> Caps:
    """The caps of one episode of a player; scripted players have none."""
    if not isinstance(player, ModelPlayer):
        return Caps()
    tokens = int(suite.manifest["limits"].get("tokens_per_episode", TOKENS_PER_EPISODE))
    most = -(-tokens * dearest_microusd_per_token(player.row) // 1)
    return Caps(int(most if cap_microusd is None else min(most, cap_microusd)), tokens)


def settle_month(store: Store, evaluation: Evaluation) -> None:
    """An evaluation is over: give back what it did not spend."""
    if evaluation.budget_microusd:
        store.settle_reservation(
            evaluation.id, store.money(evaluation.id).spent_microusd
        )
