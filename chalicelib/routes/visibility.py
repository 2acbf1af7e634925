"""What a caller may see and change: everyone's, and a team's own.

What belongs to another team is not there: 404, never 403.
"""

from chalicelib.errors import AccessError, NotFoundError
from chalicelib.records import VISITS, Episode, Evaluation
from chalicelib.services.access import Caller
from chalicelib.wiring import tilts


def see_evaluation(caller: Caller, evaluation_id: str) -> Evaluation:
    """The evaluation, if it is public or the caller's. NotFoundError."""
    evaluation = tilts().store.evaluation(evaluation_id)
    if evaluation.visibility != "public" and not caller.is_of(evaluation.team):
        raise NotFoundError(f"There is no evaluation {evaluation_id!r}.")
    return evaluation


def own_evaluation(caller: Caller, evaluation_id: str) -> Evaluation:
    """The evaluation, if it is the caller's to change. NotFoundError, AccessError."""
    evaluation = see_evaluation(caller, evaluation_id)
    if not caller.is_of(evaluation.team):
        raise AccessError("Only the team that submitted an evaluation may change it.")
    return evaluation


def see_episode(caller: Caller, episode_id: str) -> Episode:
    """The episode, if its evaluation may be seen. NotFoundError."""
    episode = tilts().store.episode(episode_id)
    if episode.evaluation != VISITS:
        try:
            see_evaluation(caller, episode.evaluation)
        except NotFoundError as error:
            raise NotFoundError(f"There is no episode {episode_id!r}.") from error
    return episode


def read_episode(caller: Caller, episode_id: str) -> Episode:
    """The episode, if its log may be read. NotFoundError, AccessError."""
    episode = see_episode(caller, episode_id)
    if episode.evaluation == VISITS and not episode.is_over:
        raise AccessError("This episode is played by a visitor: sealed until it ends.")
    return episode
