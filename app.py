"""Everything that can start Tilts: blueprints, queue workers, schedules, the socket.

Handlers have at most five lines. Whatever they call is imported on first use, so
that a function pays only for what it does.
"""

from json import loads as read_json
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
from chalicelib.services.messages import check_version
from chalicelib.wiring import seconds_left, tilts

getLogger("tilts.audit").setLevel(INFO)
app = Chalice(app_name="tilts", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])

app.register_middleware(restate_refusal, "http")
for noun in (catalogue, models, evaluations, episodes, leaderboards, access):
    app.register_blueprint(noun.routes.blueprint)

# Start of queue workers.


@app.on_sqs_message(queue="tilts-expand", batch_size=1)
def expand_evaluation(event: SQSEvent) -> None:
    for record in event:
        message = check_version(read_json(record.body))
        tilts().tend(message["expand"], message["start"])


@app.on_sqs_message(queue="tilts-play", batch_size=1)
def play_episodes(event: SQSEvent) -> None:
    messages = [check_version(read_json(record.body)) for record in event]
    episode_ids = [one for message in messages for one in message["play"]]
    tilts().play(episode_ids, seconds_left(event))


@app.on_sqs_message(queue="tilts-broadcast", batch_size=1)
def broadcast(event: SQSEvent) -> None:
    for record in event:
        tilts().spectators.broadcast(read_json(record.body))


@app.on_sqs_message(queue="tilts-webhook", batch_size=1)
def notify(event: SQSEvent) -> None:
    for record in event:
        message = check_version(read_json(record.body))
        tilts().webhooks.notify(message["webhook"], message["try"])


# End of queue workers. Start of schedules.


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    tilts().sweep()


# End of schedules. Start of the socket.


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    tilts().spectators.connect(event.connection_id)


@app.on_ws_message()
def receive(event: WebsocketEvent) -> None:
    tilts().spectators.receive(event.connection_id, event.body)


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    tilts().spectators.disconnect(event.connection_id)
