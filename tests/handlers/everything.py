"""Everything that each function can be asked for, done once over moto."""

from typing import Any

from chalicelib.aws.secrets import FRESH_SECONDS
from chalicelib.games import find_game
from chalicelib.records import NewEvaluation
from chalicelib.services.heartbeats import LEASE_SECONDS
from chalicelib.services.sweeps import ASK_AGAIN_SECONDS
from tests.handlers.cloud import Stage, captured

Json = dict[str, Any]


def do_everything(stage: Stage) -> None:
    """Every function is asked for all it can do."""
    _, key = stage.tilts.access.create("admin", "owner", "for tests")
    follow_and_leave(stage)
    play_models(stage, key)
    change_evaluations(stage, key)
    tell_a_server(stage)
    read_all(stage, key)
    visit(stage)
    sweep(stage, key)


def follow_and_leave(stage: Stage) -> None:
    for name in ("c1=", "c2=", "c3="):
        stage.say("connect", connection=name)
        stage.say("message", {"action": "watch", "topic": "live"}, name)
    stage.feed.gone.add("a1b2c3d4e5/v1/c3=")
    stage.say("message", {"action": "nonsense"}, "c2=")
    stage.say("message", {"action": "unwatch", "topic": "live"}, "c2=")
    stage.say("disconnect", connection="c2=")


def play_models(stage: Stage, key: str) -> None:
    wanted = {
        "suite": "tiny-1",
        "players": ["openai~gpt-6-luna~low"],
        "budget_microusd": 10**9,
        "visibility": "team",
    }
    status, made = stage.request("POST", "/evaluations", wanted, key)
    assert status == 202, made
    status, ticket = stage.request("POST", "/tickets", None, key)
    assert status in (200, 201), ticket
    topic = f"evaluation:{made['id']}"
    stage.say("message", {"action": "watch", "topic": topic, **ticket})
    # Each function reads secrets by itself: what others have read is too old by then.
    stage.clock.turn(FRESH_SECONDS)
    stage.deliver("expand")
    stage.clock.turn(FRESH_SECONDS)
    stage.deliver("play", seconds=131.0)
    stage.work()
    assert stage.tilts.store.money(made["id"]).spent_microusd > 0


def change_evaluations(stage: Stage, key: str) -> None:
    wanted = {"suite": "tiny-1", "players": ["baseline~random~1"], "name": "changed"}
    _, made = stage.request("POST", "/evaluations", wanted, key)
    one = {"evaluation_id": made["id"]}
    stage.deliver("expand")
    for episode in stage.tilts.store.episodes(made["id"], None, 3, None).items:
        stage.say("message", {"action": "watch", "topic": f"episode:{episode.id}"})
    for act in ("pause", "resume", "publish"):
        path = f"/evaluations/{{evaluation_id}}/{act}"
        status, said = stage.request("POST", path, None, key, **one)
        assert status == 200, said
        stage.deliver("expand")
    stage.work()
    added = {"players": ["baseline~safest~1"], "budget_microusd": 0}
    stage.request("POST", "/evaluations/{evaluation_id}/entries", added, key, **one)
    stage.work()
    stage.request("POST", "/evaluations/{evaluation_id}/retry", {}, key, **one)
    stage.work()
    _, other = stage.request(
        "POST", "/evaluations", {**wanted, "name": "cancelled"}, key
    )
    path = "/evaluations/{evaluation_id}/cancel"
    stage.deliver("expand")
    stage.lose("play")
    status, said = stage.request("POST", path, None, key, evaluation_id=other["id"])
    assert status == 200, said
    stage.work()


def tell_a_server(stage: Stage) -> None:
    # Not over REST, which looks first whether the address may be called.
    wanted = NewEvaluation("tiny-1", ("mock~random~1",), webhook="https://127.0.0.1/")
    stage.tilts.evaluations.create(wanted, "owner", None)
    stage.deliver("expand")
    stage.deliver("play")
    stage.clock.turn(FRESH_SECONDS)
    stage.deliver("webhook")
    stage.work()


def read_all(stage: Stage, key: str) -> None:
    stage.clock.turn(FRESH_SECONDS)
    evaluation = stage.tilts.store.evaluations({}, 100, None).items[-1]
    (episode, *_) = stage.tilts.store.episodes(evaluation.id, None, 1, None).items
    names = {
        "evaluation_id": evaluation.id,
        "episode_id": episode.id,
        "suite_id": "tiny-1",
        "task_id": episode.task,
        "board_id": "tiny-1",
    }
    for path in (
        "/health", "/games", "/models", "/players", "/suites", "/suites/{suite_id}",
        "/suites/{suite_id}/tasks", "/tasks/{task_id}", "/evaluations",
        "/evaluations/{evaluation_id}", "/evaluations/{evaluation_id}/episodes",
        "/evaluations/{evaluation_id}/results", "/episodes/{episode_id}",
        "/episodes/{episode_id}/events", "/episodes/{episode_id}/transcript",
        "/episodes/{episode_id}/calls", "/leaderboards", "/leaderboards/{board_id}",
        "/live", "/kill-switch", "/me", "/keys",
    ):  # fmt: skip
        parts = {name: one for name, one in names.items() if f"{{{name}}}" in path}
        status, said = stage.request("GET", path, None, key, **parts)
        assert status < 500, (path, said)
    quote = {"suite": "tiny-1", "players": ["baseline~random~1"]}
    assert stage.request("POST", "/quotes", quote, key)[0] == 200
    _, made = stage.request("POST", "/keys", {"role": "viewer", "team": "blue"}, key)
    path = "/keys/{key_id}"
    assert stage.request("DELETE", path, None, key, key_id=made["id"])[0] == 200
    for stopped in (True, False):
        body = {"stopped": stopped}
        assert stage.request("POST", "/kill-switch", body, key)[0] == 200


def visit(stage: Stage) -> None:
    """A visitor solves a task, and leaves another one unfinished."""
    tasks = stage.tilts.suites.suite("tiny-1").tasks
    task = next(one for one in tasks if one.game == "MM-I")
    game = find_game(task.game)
    guess = game.reveal(game.new(task.variant, task.seed))["secret"]
    assert stage.request("POST", "/episodes", {"task": task.id})[0] == 201
    status, started = stage.request("POST", "/episodes", {"task": task.id})
    assert status == 201, started
    status, moved = stage.request(
        "POST",
        "/episodes/{episode_id}/moves",
        {"step": 1, "move": {"guess": guess}, "token": started["token"]},
        episode_id=started["id"],
    )
    assert (status, moved["status"]) == (200, "finished")


def sweep(stage: Stage, key: str) -> None:
    stage.work()
    wanted = {"suite": "tiny-1", "players": ["baseline~random~1"], "name": "left"}
    stage.request("POST", "/evaluations", wanted, key)
    stage.lose("expand")
    stage.call("sweep", captured("schedule"))
    stage.deliver("expand")
    stage.lose("play")
    evaluation = stage.tilts.store.evaluations({}, 1, None).items[0]
    (left, *_) = stage.tilts.store.episodes(evaluation.id, None, 1, None).items
    stage.tilts.store.claim(left.id, "dead", stage.clock.now(), LEASE_SECONDS)
    stage.clock.turn(ASK_AGAIN_SECONDS)
    stage.call("sweep", captured("schedule"))
    stage.clock.turn(25 * 3600.0)
    stage.call("sweep", captured("schedule"))
    stage.work()
