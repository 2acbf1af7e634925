"""PLAYERS: everyone who can be asked to play."""

from typing import Final

from chalicelib.errors import NotFoundError
from chalicelib.players.baselines import BASELINES
from chalicelib.players.mock import MOCKS
from chalicelib.players.player import Player

PLAYERS: Final[dict[str, Player]] = {
    player.id: player for player in (*BASELINES, *MOCKS)
}


def find_player(player_id: str) -> Player:
    """The player of an id; NotFoundError."""
    if player_id not in PLAYERS:
        raise NotFoundError(
            f"There is no player {player_id!r}; GET /v1/players lists them."
        )
    return PLAYERS[player_id]
