"""The first start: something to see within seconds, made by the baselines."""

from typing import Final

from chalicelib.players.baselines import BASELINES
from chalicelib.records import NewEvaluation
from chalicelib.services.evaluations import Evaluations

FIRST_SUITE: Final = "core-1"
FIRST_NAME: Final = "Baselines"


def begin_first_evaluation(evaluations: Evaluations, team: str) -> bool:
    """Have the baselines play, unless there is an evaluation already."""
    if evaluations.list({}, 1, None).items:
        return False
    players = tuple(player.id for player in BASELINES)
    wanted = NewEvaluation(FIRST_SUITE, players, name=FIRST_NAME)
    evaluations.create(wanted, team, "first-start")
    return True
