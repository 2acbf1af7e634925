"""What is here: health, games, players, suites, tasks, and this API itself."""

from typing import Any

from chalicelib.games import GAMES, find_game
from chalicelib.records import Suite, Task
from chalicelib.routes import shapes
from chalicelib.routes.endpoints import JSON_TYPE, Plain, Request, Routes
from chalicelib.routes.openapi import write_openapi
from chalicelib.routes.paging import PageQuery, read_cursor, write_cursor
from chalicelib.settings import read_settings
from chalicelib.wiring import tilts

Json = dict[str, Any]
routes = Routes(__name__)


@routes.get("/health", shapes.Health)
def show_health(request: Request) -> Json:
    """Whether this installation works."""
    tilts().store.document("secret", "cursor")
    return {"status": "ok", "version": read_settings().version}


@routes.get("/openapi.json", None, other_types=(JSON_TYPE,))
def show_openapi(request: Request) -> Plain:
    """This API as an OpenAPI 3.1 document."""
    return Plain(write_openapi(read_settings().version), JSON_TYPE, {})


@routes.get("/games", shapes.Games)
def list_games(request: Request) -> Json:
    """All games, with their variants."""
    return {"items": [show_game(code) for code in GAMES]}


@routes.get("/players", shapes.Players)
def list_players(request: Request) -> Json:
    """Everyone who can be asked to play here; GET /models says what else there is."""
    return {
        "items": [
            {
                "id": player.id,
                "kind": player.kind,
                "games": list(player.games),
                "about": player.about,
            }
            for player in (*tilts().players.scripted(), *tilts().players.on_offer())
        ]
    }


@routes.get("/suites", shapes.Suites)
def list_suites(request: Request) -> Json:
    """All suites."""
    return {"items": [show_suite(suite) for suite in tilts().suites.all.values()]}


@routes.get("/suites/{suite_id}", shapes.SuiteShape)
def get_suite(request: Request, suite_id: str) -> Json:
    """One suite."""
    return show_suite(tilts().suites.suite(suite_id))


@routes.get("/suites/{suite_id}/tasks", shapes.Page[shapes.TaskShape], PageQuery)
def list_tasks(request: Request, suite_id: str) -> Json:
    """The tasks of a suite, in order."""
    tasks = tilts().suites.suite(suite_id).tasks
    about = f"tasks {suite_id}"
    start = int(read_cursor(request.query.cursor, about) or 0)
    stop = start + request.query.limit
    return {
        "items": [show_task(task, suite_id) for task in tasks[start:stop]],
        "next": write_cursor(str(stop) if stop < len(tasks) else None, about),
    }


@routes.get("/tasks/{task_id}", shapes.TaskShape)
def get_task(request: Request, task_id: str) -> Json:
    """One task."""
    suites = tilts().suites
    return show_task(suites.task(task_id), suites.suite_of(task_id))


def show_game(code: str) -> Json:
    """A game as the API shows it."""
    game = find_game(code)
    return {
        "code": game.code,
        "name": game.name,
        "kind": game.kind,
        "seats": game.seats,
        "engine": game.engine,
        "oracle": game.oracle,
        "generator": game.generator,
        "variants": dict(game.variants),
        "strategies": sorted(game.strategies),
    }


def show_suite(suite: Suite) -> Json:
    """A suite as the API shows it; the key of a public one derives its tasks."""
    games: dict[str, dict[str, int]] = {}
    for task in suite.tasks:
        counts = games.setdefault(task.game, {})
        counts[task.variant] = counts.get(task.variant, 0) + 1
    return {
        "id": suite.id,
        "title": suite.manifest["title"],
        "about": suite.manifest["about"],
        "split": suite.split,
        "tasks": len(suite.tasks),
        "games": games,
        "metrics": suite.manifest["metrics"],
        "limits": suite.manifest["limits"],
        "root": suite.manifest["root"],
        "key": suite.manifest["key"] if suite.split == "public" else None,
        "manifest_hash": suite.manifest_hash,
        "retires_at": suite.retires_at,
    }


def show_task(task: Task, suite_id: str) -> Json:
    """A public task as the API shows it."""
    return {
        "id": task.id,
        "game": task.game,
        "kind": task.kind,
        "variant": task.variant,
        "seed": task.seed,
        "generator": task.generator,
        "suite": suite_id,
    }
