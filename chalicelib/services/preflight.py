"""The pre-flight: before any money is spent, ask each provider for its model.

It is free of charge and finds a wrong key, a model that is gone, or a server that is
not there, while nothing has been played yet.
"""

import logging

from chalicelib.errors import TransportError
from chalicelib.interfaces import Store
from chalicelib.players.model_player import ModelPlayer
from chalicelib.records import Evaluation, entry_player
from chalicelib.services.offers import Offers
from chalicelib.services.perform import Perform
from chalicelib.services.players import Players

CHECK_SECONDS = 20.0

log = logging.getLogger("tilts.preflight")


class Preflight:
    """Checks the models of evaluations that have just been submitted."""

    def __init__(
        self, store: Store, players: Players, offers: Offers, perform: Perform
    ) -> None:
        self._store = store
        self._players = players
        self._offers = offers
        self._perform = perform

    async def check(self, evaluation_id: str) -> bool:
        """Whether all models can be asked; if not, the evaluation ends as failed."""
        evaluation = await self._perform(self._store.evaluation, evaluation_id)
        if evaluation.status != "expanding":
            return True
        reason = await self._find_fault(evaluation)
        if reason is None:
            return True
        log.warning("%s cannot be played: %s", evaluation_id, reason)
        await self._perform(
            self._store.change_evaluation,
            evaluation_id,
            ["expanding"],
            "finished",
            "failed",
            reason,
        )
        money = await self._perform(self._store.money, evaluation_id)
        await self._perform(
            self._store.settle_reservation, evaluation_id, money.spent_microusd
        )
        return False

    async def _find_fault(self, evaluation: Evaluation) -> str | None:
        checked = set()
        for entry in evaluation.entries:
            player = self._players.find(entry_player(entry))
            if not isinstance(player, ModelPlayer) or player.row.id in checked:
                continue
            checked.add(player.row.id)
            fault = self._offers.refusal(player.row)
            if fault is None:
                fault = await self._ask(player)
            if fault is not None:
                return f"{player.row.id}: {fault}"
        return None

    async def _ask(self, player: ModelPlayer) -> str | None:
        try:
            await player.model().check(player.row.name, CHECK_SECONDS)
        except TransportError as error:
            return error.message
        return None
