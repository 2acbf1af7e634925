"""Episodes: their logs and ledgers, and playing one yourself."""

from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from chalicelib.errors import NotFoundError
from chalicelib.records import VISITS
from chalicelib.routes import shapes
from chalicelib.routes.bodies import Body
from chalicelib.routes.endpoints import Plain, Request, Routes
from chalicelib.routes.visibility import own_evaluation, read_episode, see_episode
from chalicelib.wiring import tilts

Json = dict[str, Any]
routes = Routes(__name__)

TRANSCRIPT_TYPE: Final = "application/x-ndjson"


class EventsQuery(Body):
    """Which events to show."""

    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 100


class EpisodeBody(Body):
    """Which public task to play, and whether a person or a program plays it."""

    task: Annotated[str, Field(min_length=1, max_length=80)]
    kind: Literal["human", "bot"] = "human"


class MoveBody(Body):
    """A move: its step, its arguments, and the token that came with the episode."""

    step: Annotated[int, Field(ge=1, le=2**53)]
    move: Json
    token: Annotated[str, Field(min_length=1, max_length=100)]


@routes.post("/episodes", shapes.StartedPosition, EpisodeBody, status=201)
def start_episode(request: Request) -> Json:
    """Play a public task yourself."""
    body: EpisodeBody = request.body
    return tilts().visits.start(body.task, body.kind, request.source)


@routes.post("/episodes/{episode_id}/moves", shapes.Position, MoveBody)
def play_move(request: Request, episode_id: str) -> Json:
    """Make a move in an episode you play; 409 for another step than the next."""
    see_episode(request.caller, episode_id)
    body: MoveBody = request.body
    return tilts().visits.move(episode_id, body.step, body.move, body.token)


@routes.get("/episodes/{episode_id}", shapes.EpisodeShape)
def get_episode(request: Request, episode_id: str) -> Json:
    """One episode."""
    return see_episode(request.caller, episode_id).show()


@routes.get("/episodes/{episode_id}/events", shapes.Events, EventsQuery)
def list_events(request: Request, episode_id: str) -> Json:
    """The events of an episode after a number."""
    query: EventsQuery = request.query
    read_episode(request.caller, episode_id)
    events = tilts().store.events(episode_id, query.after, query.limit + 1)
    shown = events[: query.limit]
    return {
        "episode": episode_id,
        "items": [event.to_json() for event in shown],
        "last": shown[-1].n if shown else query.after,
        "more": len(events) > len(shown),
    }


@routes.get("/episodes/{episode_id}/transcript", None, other_types=(TRANSCRIPT_TYPE,))
def get_transcript(request: Request, episode_id: str) -> Plain:
    """The whole log of an episode that is over, as ndjson."""
    read_episode(request.caller, episode_id)
    transcript = tilts().store.transcript(episode_id)
    if transcript is None:
        raise NotFoundError(
            "There is no transcript before the episode is over: read its events."
        )
    name = {"Content-Disposition": f'attachment; filename="{episode_id}.ndjson"'}
    return Plain(transcript.decode(), TRANSCRIPT_TYPE, name)


@routes.get("/episodes/{episode_id}/calls", shapes.Calls)
def list_calls(request: Request, episode_id: str) -> Json:
    """The calls to models that an episode made, with tokens and cost: its team's."""
    episode = read_episode(request.caller, episode_id)
    if episode.evaluation != VISITS:
        own_evaluation(request.caller, episode.evaluation)
    calls = []
    for call in tilts().store.calls(episode_id):
        shown = asdict(call)
        del shown["episode"]
        calls.append(shown)
    return {"items": calls}
