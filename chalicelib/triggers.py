"""What every trigger of app.py does: reads its event, and says how it went."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

from chalicelib.errors import RequestError, TiltsError
from chalicelib.services.messages import check_version
from chalicelib.settings import queue_prefix
from chalicelib.wiring import tilts

log = logging.getLogger("tilts.triggers")


def queue_name(queue: str) -> str:
    """What a queue of services/messages.py is called where this process runs."""
    return f"{queue_prefix()}-{queue}"


def observe(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Middleware around everything that can start."""
    context = getattr(event, "context", None)
    if isinstance(context, dict):
        context = event.lambda_context
    with tilts().ways.around(context):
        return get_response(event)


def seconds_left(event: Any) -> float:
    """How long the function that handles this event may still run."""
    return float(event.context.get_remaining_time_in_millis()) / 1000


def connection_of(event: Any) -> str:
    """The name under which the socket of this event can be reached from anywhere."""
    context = event.to_dict()["requestContext"]
    return f"{context['apiId']}/{context['stage']}/{context['connectionId']}"


def messages_in(event: Any) -> Iterator[dict[str, Any]]:
    """The messages of an event that this code knows.

    Of another version none is kept: whatever it asked for, the sweeper asks again.
    """
    for record in event:
        try:
            yield check_version(json.loads(record.body))
        except (RequestError, ValueError) as error:
            name = record.to_dict()["eventSourceARN"].rpartition(":")[2]
            log.error("a message in %s is passed over: %s", name, error)
            tilts().ways.meter.count("MessagesRefused", queue=name)


def handle_messages(event: Any, act: Callable[[dict[str, Any]], Any]) -> None:
    """Do what each message asks for; what is refused for good is not asked again."""
    for message in messages_in(event):
        try:
            act(message)
        except TiltsError as error:
            if error.status >= 500:
                raise
            log.error("%s cannot be done: %s", message, error.message)
