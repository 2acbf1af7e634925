"""Everyone who can be asked to play: scripted players, and models with their settings.

A model player's id is `provider~model~effort~prompt~hash`; without the hash it names
the same player under today's prompt and tools. The hash covers everything that is sent
but the board, so a changed prompt is another player.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from chalicelib.errors import NotFoundError, RequestError
from chalicelib.games import GAMES
from chalicelib.interfaces import Clock
from chalicelib.models import PROVIDERS, find_provider
from chalicelib.models.catalogue import ModelRow
from chalicelib.players.gates import Gate
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Player
from chalicelib.players.prompts import (
    DEFAULT_PROMPT,
    find_prompt,
    hash_prompt,
    prompt_versions,
)
from chalicelib.players.roster import PLAYERS
from chalicelib.services.offers import Offers, Service

Json = dict[str, Any]

NO_EFFORT: Final = "default"
"""Stands in an id for a model that is asked without a word on effort."""
OUTPUT_TOKENS: Final = 16_000
"""The most one answer may have, reasoning included."""


class Players:
    """Finds players by id, and keeps one connection and one gate per provider."""

    def __init__(
        self,
        clock: Clock,
        offers: Offers,
        gate_changed: Callable[[str, int], None],
        allow_local_models: bool,
    ) -> None:
        self._clock = clock
        self._offers = offers
        self._allow_local_models = allow_local_models
        self._gate_changed = gate_changed
        self._gates: dict[str, Gate] = {}
        self._models: dict[tuple[str, Service], Any] = {}

    def find(self, player_id: str) -> Player:
        """The player of an id, or of one without its hash. NotFoundError."""
        if player_id in PLAYERS:
            return PLAYERS[player_id]
        parts = player_id.split("~")
        if parts[0] not in PROVIDERS:
            raise NotFoundError(
                f"There is no player {player_id!r}; GET /v1/players lists them."
            )
        return self._find_model_player(player_id, parts)

    def find_usable(self, player_id: str) -> Player:
        """The player, if it can be asked here. NotFoundError, RequestError."""
        player = self.find(player_id)
        if isinstance(player, ModelPlayer):
            refusal = self._offers.refusal(player.row)
            if refusal is not None:
                raise RequestError(f"{player.row.id} cannot be used here. {refusal}")
        return player

    async def aclose(self) -> None:
        """Give back the connections to models."""
        models, self._models = self._models, {}
        for model in models.values():
            await model.aclose()

    def scripted(self) -> list[Player]:
        """The players that need no model."""
        return list(PLAYERS.values())

    def on_offer(self) -> list[ModelPlayer]:
        """Every usable model at its usual effort, with every prompt."""
        return [
            self._make(row, row.default_effort, version)
            for row in self._offers.rows()
            if self._offers.refusal(row) is None
            for version in prompt_versions()
        ]

    def _find_model_player(self, player_id: str, parts: list[str]) -> ModelPlayer:
        if len(parts) > 5:
            raise NotFoundError(
                f"{player_id!r} has too many parts: an id is "
                "provider~model~effort~prompt~hash."
            )
        parts = parts + ["", "", "", "", ""][len(parts) :]
        provider, name, effort, version, digest = parts[:5]
        row = self._offers.row(f"{provider}~{name}")
        chosen = effort or row.default_effort or NO_EFFORT
        player = self._make(
            row,
            None if chosen == NO_EFFORT else chosen,
            version or DEFAULT_PROMPT,
        )
        if digest and player.id != player_id:
            raise NotFoundError(
                f"{player_id!r} was another player: its prompt or tools have changed. "
                f"Today's is {player.id!r}."
            )
        return player

    def _make(self, row: ModelRow, effort: str | None, version: str) -> ModelPlayer:
        if effort is not None and effort not in row.efforts:
            known = ", ".join(row.efforts) or NO_EFFORT
            raise RequestError(f"{row.id} has no effort {effort!r}; it has {known}.")
        prompt = find_prompt(version)
        output_tokens = min(OUTPUT_TOKENS, row.output_limit or OUTPUT_TOKENS)
        digest = hash_prompt(version, output_tokens)
        return ModelPlayer(
            id=f"{row.id}~{effort or NO_EFFORT}~{version}~{digest}",
            row=row,
            effort=effort,
            prompt=prompt,
            games=tuple(code for code in GAMES if code in prompt.systems),
            output_tokens=output_tokens,
            model=lambda: self._connect(row.provider),
            gate=self._gate(row.provider),
            timer=self._clock,
        )

    def _connect(self, provider: str) -> Any:
        service = self._offers.service(provider)
        # A key that was changed gets a connection of its own; calls under way end
        # on the one they have.
        key = (provider, service)
        if key not in self._models:
            connect = find_provider(provider).connect
            if provider == "compatible":
                connect = partial(connect, allow_local=self._allow_local_models)
            self._models[key] = connect(service.key or "", service.base_url)
        return self._models[key]

    def _gate(self, provider: str) -> Gate:
        if provider not in self._gates:
            changed = partial(self._gate_changed, provider)
            self._gates[provider] = Gate(self._clock, changed)
        return self._gates[provider]
