"""Everything that can start Tilts: blueprints, queue workers, schedules, the socket.

Handlers have at most five lines. Whatever they call is imported on first use, so
that a function pays only for what it does.
"""

from logging import INFO, getLogger

from chalice import Chalice, Rate
from chalice.app import CloudWatchEvent, SQSEvent, WebsocketEvent

from chalicelib.routes import (
    access,
    catalogue,
    episodes,
    evaluations,
    leaderboards,
    models,
)
from chalicelib.routes.endpoints import restate_refusal
from chalicelib.routes.origins import name_origin
from chalicelib.triggers import (
    connection_of,
    handle_messages,
    messages_in,
    observe,
    queue_name,
    seconds_left,
)
from chalicelib.wiring import tilts

getLogger("tilts.audit").setLevel(INFO)
app = Chalice(app_name="tilts", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])

app.register_middleware(observe, "all")
app.register_middleware(name_origin, "http")
app.register_middleware(restate_refusal, "http")
for noun in (catalogue, models, evaluations, episodes, leaderboards, access):
    app.register_blueprint(noun.routes.blueprint)

# Start of queue workers.


@app.on_sqs_message(queue=queue_name("expand"), batch_size=1, maximum_concurrency=5)
def expand_evaluation(event: SQSEvent) -> None:
    handle_messages(event, lambda asked: tilts().tend(asked["expand"], asked["start"]))


@app.on_sqs_message(queue=queue_name("play"), batch_size=1, maximum_concurrency=10)
def play_episodes(event: SQSEvent) -> None:
    episode_ids = [one for message in messages_in(event) for one in message["play"]]
    tilts().play(episode_ids, seconds_left(event))


@app.on_sqs_message(queue=queue_name("broadcast"), batch_size=1, maximum_concurrency=10)
def broadcast(event: SQSEvent) -> None:
    handle_messages(event, tilts().spectators.broadcast)


@app.on_sqs_message(queue=queue_name("webhook"), batch_size=1, maximum_concurrency=2)
def notify(event: SQSEvent) -> None:
    webhooks = tilts().webhooks
    handle_messages(
        event, lambda asked: webhooks.notify(asked["webhook"], asked["try"])
    )


# End of queue workers. Start of schedules.


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    tilts().sweep()


# End of schedules. Start of the socket.


@app.on_ws_connect()
def websocket_connect(event: WebsocketEvent) -> None:
    tilts().spectators.connect(connection_of(event))


@app.on_ws_message()
def websocket_message(event: WebsocketEvent) -> None:
    tilts().spectators.receive(connection_of(event), event.body)


@app.on_ws_disconnect()
def websocket_disconnect(event: WebsocketEvent) -> None:
    tilts().spectators.disconnect(connection_of(event))
