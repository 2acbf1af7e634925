"""Evaluations and their results."""

from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from chalicelib.errors import RequestError
from chalicelib.events import canonical_json
from chalicelib.records import Evaluation, NewEvaluation, Result
from chalicelib.routes import shapes
from chalicelib.routes.bodies import Body
from chalicelib.routes.endpoints import Plain, Request, Routes
from chalicelib.routes.paging import Cursor, PageQuery, read_cursor, write_cursor
from chalicelib.routes.tables import CSV_TYPE, write_csv
from chalicelib.routes.visibility import own_evaluation, see_evaluation
from chalicelib.wiring import tilts

Json = dict[str, Any]
routes = Routes(__name__)

JSON_LINES_TYPE: Final = "application/x-ndjson"
ROWS_AT_ONCE: Final = 5_000

Name = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, Field(min_length=1, max_length=120)]


class EvaluationBody(Body):
    """What to evaluate; naming a player twice adds a twin."""

    suite: Text
    players: Annotated[list[Text], Field(min_length=1, max_length=100)]
    name: Name = ""
    tags: Annotated[list[Name], Field(max_length=20, default_factory=list)]
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    visibility: Literal["public", "team"] = "public"
    budget_microusd: Annotated[int, Field(ge=0, le=10**12)] = 0
    episode_cap_microusd: Annotated[int, Field(ge=1, le=10**12)] | None = None
    webhook: Annotated[str, Field(max_length=500)] | None = None


class EntriesBody(Body):
    """Which players to add, and what may be spent besides."""

    players: Annotated[list[Text], Field(min_length=1, max_length=100)]
    budget_microusd: Annotated[int, Field(ge=0, le=10**12)] = 0


class RetryBody(Body):
    """What may be spent besides."""

    budget_microusd: Annotated[int, Field(ge=0, le=10**12)] = 0


class EvaluationsQuery(PageQuery):
    """Which evaluations to list."""

    suite: Text | None = None
    status: Literal["expanding", "queued", "running", "paused", "finished"] | None = (
        None
    )


class EpisodesQuery(PageQuery):
    """Which episodes of an evaluation to list."""

    status: Literal["waiting", "playing", "finished", "unplayed", "failed"] | None = (
        None
    )


class ResultsQuery(Body):
    """Which results to show, and how; csv and jsonl pages hold up to 5,000 rows."""

    format: Literal["json", "jsonl", "csv"] = "json"
    limit: Annotated[int, Field(ge=1, le=100)] | None = None
    cursor: Cursor | None = None


@routes.post("/evaluations", shapes.EvaluationShape, EvaluationBody, status=202)
def create_evaluation(request: Request) -> Json:
    """Have players evaluated on a suite."""
    wanted = read_wanted(request.body)
    key = request.headers.get("idempotency-key")
    if key is None and wanted.budget_microusd:
        raise RequestError(
            "An evaluation that costs needs an Idempotency-Key: any text of your own, "
            "the same when you send the same request again."
        )
    if key is not None and not 1 <= len(key) <= 200:
        raise RequestError("The Idempotency-Key is 1 to 200 characters long.")
    caller = request.caller
    created = tilts().evaluations.create(wanted, caller.team, key)
    return show_evaluation(created, webhook_secret=show_webhook(created))


@routes.post("/quotes", shapes.Quote, EvaluationBody)
def quote_evaluation(request: Request) -> Json:
    """What an evaluation would cost: low, expected, and the most."""
    return tilts().evaluations.quote(read_wanted(request.body))


@routes.get("/evaluations", shapes.Page[shapes.EvaluationShape], EvaluationsQuery)
def list_evaluations(request: Request) -> Json:
    """Evaluations, newest first."""
    query: EvaluationsQuery = request.query
    filters = query.model_dump(exclude_none=True, exclude={"limit", "cursor"})
    about = f"evaluations {canonical_json(filters)}"
    place = read_cursor(query.cursor, about)
    page = tilts().evaluations.list(filters, query.limit, place)
    progress = tilts().evaluations.progress
    return {
        "items": [
            show_evaluation(evaluation, progress(evaluation))
            for evaluation in page.items
            if evaluation.visibility == "public"
            or request.caller.is_of(evaluation.team)
        ],
        "next": write_cursor(page.next, about),
    }


@routes.get("/evaluations/{evaluation_id}", shapes.EvaluationShape)
def get_evaluation(request: Request, evaluation_id: str) -> Json:
    """One evaluation, with its progress."""
    evaluation = see_evaluation(request.caller, evaluation_id)
    return show_evaluation(evaluation, tilts().evaluations.progress(evaluation))


@routes.post("/evaluations/{evaluation_id}/pause", shapes.EvaluationShape)
def pause_evaluation(request: Request, evaluation_id: str) -> Json:
    """Stop after the moves in flight."""
    own_evaluation(request.caller, evaluation_id)
    return show_evaluation(tilts().evaluations.pause(evaluation_id))


@routes.post("/evaluations/{evaluation_id}/resume", shapes.EvaluationShape)
def resume_evaluation(request: Request, evaluation_id: str) -> Json:
    """Go on after a pause."""
    own_evaluation(request.caller, evaluation_id)
    return show_evaluation(tilts().evaluations.resume(evaluation_id))


@routes.post("/evaluations/{evaluation_id}/cancel", shapes.EvaluationShape)
def cancel_evaluation(request: Request, evaluation_id: str) -> Json:
    """End it; what was not played stays unplayed."""
    own_evaluation(request.caller, evaluation_id)
    return show_evaluation(tilts().evaluations.cancel(evaluation_id))


@routes.post("/evaluations/{evaluation_id}/retry", shapes.EvaluationShape, RetryBody)
def retry_evaluation(request: Request, evaluation_id: str) -> Json:
    """Play the episodes again that failed for no fault of a player."""
    own_evaluation(request.caller, evaluation_id)
    body: RetryBody = request.body
    return show_evaluation(
        tilts().evaluations.retry(evaluation_id, body.budget_microusd)
    )


@routes.post(
    "/evaluations/{evaluation_id}/entries", shapes.EvaluationShape, EntriesBody
)
def add_entries(request: Request, evaluation_id: str) -> Json:
    """Add players to an evaluation; naming one that is there adds a twin."""
    own_evaluation(request.caller, evaluation_id)
    body: EntriesBody = request.body
    return show_evaluation(
        tilts().evaluations.add_entries(
            evaluation_id, tuple(body.players), body.budget_microusd
        )
    )


@routes.post("/evaluations/{evaluation_id}/publish", shapes.EvaluationShape)
def publish_evaluation(request: Request, evaluation_id: str) -> Json:
    """Show a team's evaluation to everyone, whole."""
    own_evaluation(request.caller, evaluation_id)
    return show_evaluation(tilts().evaluations.publish(evaluation_id))


@routes.get(
    "/evaluations/{evaluation_id}/episodes",
    shapes.Page[shapes.EpisodeShape],
    EpisodesQuery,
)
def list_episodes(request: Request, evaluation_id: str) -> Json:
    """The episodes of an evaluation, in the order of its tasks."""
    see_evaluation(request.caller, evaluation_id)
    query: EpisodesQuery = request.query
    about = f"episodes {evaluation_id} {query.status}"
    place = read_cursor(query.cursor, about)
    page = tilts().store.episodes(evaluation_id, query.status, query.limit, place)
    return {
        "items": [episode.show() for episode in page.items],
        "next": write_cursor(page.next, about),
    }


@routes.get(
    "/evaluations/{evaluation_id}/results",
    shapes.Page[shapes.ResultShape],
    ResultsQuery,
    other_types=(JSON_LINES_TYPE, CSV_TYPE),
)
def list_results(request: Request, evaluation_id: str) -> Json | Plain:
    """One row per finished episode, as json, jsonl or csv."""
    see_evaluation(request.caller, evaluation_id)
    query: ResultsQuery = request.query
    about = f"results {evaluation_id}"
    limit = query.limit or (50 if query.format == "json" else ROWS_AT_ONCE)
    place = read_cursor(query.cursor, about)
    page = tilts().store.results(evaluation_id, limit, place)
    cursor = write_cursor(page.next, about)
    if query.format == "json":
        return {"items": [asdict(row) for row in page.items], "next": cursor}
    headers = {}
    if cursor is not None:
        headers["Link"] = (
            f"</v1/evaluations/{evaluation_id}/results?format={query.format}"
            f'&cursor={cursor}>; rel="next"'
        )
    if query.format == "csv":
        return Plain(write_csv(page.items), CSV_TYPE, headers)
    return Plain(write_lines(page.items), JSON_LINES_TYPE, headers)


def read_wanted(body: EvaluationBody) -> NewEvaluation:
    """What a body asks for."""
    if body.webhook is not None:
        tilts().webhooks.check_url(body.webhook)
    return NewEvaluation(
        suite=body.suite,
        players=tuple(body.players),
        name=body.name,
        tags=tuple(body.tags),
        repeats=body.repeats,
        visibility=body.visibility,
        budget_microusd=body.budget_microusd,
        episode_cap_microusd=body.episode_cap_microusd,
        webhook=body.webhook,
    )


def write_lines(rows: Any) -> str:
    """One JSON object a line."""
    results: list[Result] = list(rows)
    return "".join(canonical_json(asdict(row)) + "\n" for row in results)


def show_webhook(evaluation: Evaluation) -> str | None:
    """What signs the notices of an evaluation that has a webhook."""
    if not evaluation.pinned.get("webhook"):
        return None
    return tilts().webhooks.secret(evaluation.id)


def show_evaluation(
    evaluation: Evaluation,
    progress: Json | None = None,
    webhook_secret: str | None = None,
) -> Json:
    """An evaluation as the API shows it; the address of a webhook is never shown."""
    shown = evaluation.to_json()
    del shown["untended"], shown["retries"]
    pinned = {k: v for k, v in shown["pinned"].items() if k != "webhook"}
    return {
        **shown,
        "pinned": pinned,
        "has_webhook": bool(evaluation.pinned.get("webhook")),
        "webhook_secret": webhook_secret,
        "progress": progress,
    }
