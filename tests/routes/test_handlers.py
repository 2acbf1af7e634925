"""The handlers of queues, schedules and the socket, called as AWS calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib.records import NewEvaluation
from tests.world import World

Json = dict[str, Any]

EVENTS = Path(__file__).parents[1] / "data" / "events"


class Context:
    """What Lambda hands to a function besides its event."""

    function_name = "tilts-dev"
    aws_request_id = "d3b07384-d9a0-4c9b-8f0b-1a2b3c4d5e6f"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def captured(name: str, **body: Any) -> Json:
    """An event as AWS sends it, with other fields in the body of its message."""
    event: Json = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    if body:
        record = event["Records"][0]
        record["body"] = json.dumps({**json.loads(record["body"]), **body})
    return event


def test_the_workers_do_what_their_messages_ask(client: Client, world: World) -> None:
    made = client.http.post(
        "/evaluations",
        headers={"Content-Type": "application/json"},
        body=json.dumps({"suite": "tiny-1", "players": ["baseline~random~1"]}).encode(),
    ).json_body
    world.tilts.spectators.connect("someone")
    world.tilts.spectators.receive(
        "someone", json.dumps({"action": "watch", "topic": f"evaluation:{made['id']}"})
    )
    app.expand_evaluation(captured("sqs-expand", expand=made["id"]), Context())
    episodes = world.store.episodes(made["id"], "waiting", 100, None).items
    assert len(episodes) == 8
    ids = [episode.id for episode in episodes]
    event = captured("sqs-play", play=ids[:3])
    event["Records"] += captured("sqs-play", play=ids[3:])["Records"]
    app.play_episodes(event, Context())
    assert all(world.store.episode(one).is_over for one in ids)
    world.clock.turn(5)
    world.feed.sent.clear()
    message = {"episode": ids[0], "evaluation": made["id"], "after": 0, "n": 2}
    app.broadcast(captured("sqs-broadcast", **message), Context())
    (_, frame) = world.feed.sent[-1]
    assert json.loads(frame)["state"]["status"] == "finished"


def test_the_schedule_asks_again_for_what_nobody_holds(
    client: Client, world: World
) -> None:
    body = {"suite": "tiny-1", "players": ["baseline~random~1"]}
    client.http.post(
        "/evaluations",
        headers={"Content-Type": "application/json"},
        body=json.dumps(body).encode(),
    )
    world.expand()
    world.drain("play", lambda lost: None)
    world.clock.turn(3600)
    app.sweep(captured("schedule"), Context())
    (message,) = world.queue.receive("play", 10, 60)
    assert len(message.body["play"]) == 8


def test_a_webhook_that_is_refused_is_asked_for_again(
    client: Client, world: World
) -> None:
    wanted = NewEvaluation(
        "tiny-1", ("baseline~random~1",), webhook="https://127.0.0.1/hook"
    )
    made = world.tilts.evaluations.create(wanted, "blue", None)
    world.work()
    world.queue.receive("webhook", 10, 60)
    app.notify(captured("sqs-webhook", webhook=made.id), Context())
    assert world.tilts.webhooks.state(made.id) == {
        "tries": 1,
        "delivered": False,
        "status": None,
    }
    assert world.queue.receive("webhook", 10, 60) == []
    world.clock.turn(11)
    (message,) = world.queue.receive("webhook", 10, 60)
    assert message.body == {"v": 1, "webhook": made.id, "try": 2}


@pytest.mark.parametrize(
    "handler", ["play_episodes", "expand_evaluation", "broadcast", "notify"]
)
def test_a_message_of_a_version_that_is_not_known_is_passed_over_loudly(
    world: World, caplog: pytest.LogCaptureFixture, handler: str
) -> None:
    getattr(app, handler)(captured("sqs-of-another-version"), Context())
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "version 99" in record.getMessage()


def test_a_message_about_what_is_not_there_is_not_asked_for_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    app.expand_evaluation(captured("sqs-expand", expand="ev_nowhere"), Context())
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "ev_nowhere" in record.getMessage()


def test_what_fails_in_itself_is_asked_for_again(world: World) -> None:
    world.database.connection().execute("DROP TABLE evaluations")
    with pytest.raises(Exception, match="evaluations"):
        app.expand_evaluation(captured("sqs-expand"), Context())


def test_the_socket_does_what_api_gateway_tells(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    event = captured("socket-connect")
    context = event["requestContext"]
    connection = f"{context['apiId']}/{context['stage']}/{context['connectionId']}"
    app.websocket_connect(event, Context())
    app.websocket_message(captured("socket-message"), Context())
    assert world.store.watchers("live") == [connection]
    assert [(to, json.loads(frame)["type"]) for to, frame in world.feed.sent] == [
        (connection, "state")
    ]
    app.websocket_disconnect(captured("socket-disconnect"), Context())
    assert world.store.watchers("live") == []
