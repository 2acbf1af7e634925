"""The worker of one machine: takes messages and calls the app's real handlers."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from chalicelib.events import canonical_json
from chalicelib.local.queue import Message, SqliteQueue

log = logging.getLogger("tilts.worker")

IDLE_SECONDS: Final = 0.05
SLICE_SECONDS: Final = 900.0
RECEIVES: Final = 5
AT_ONCE: Final = {"play": 5}
"""Slices that are played together, so that slow players do not wait for each other."""

SWEEP_SECONDS: Final = 60.0

Handler = Callable[[dict[str, Any], Any], Any]


class Context:
    """What Lambda tells a handler of its time."""

    function_name = "local"

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function would be stopped."""
        return max(0, int(1000 * (self._ends - time.monotonic())))


class Consumer:
    """Delivers the messages of some queues to their handlers, one call at a time."""

    def __init__(self, queue: SqliteQueue, handlers: dict[str, Handler]) -> None:
        self._queue = queue
        self._handlers = handlers

    def consume(self) -> bool:
        """Deliver what each queue has next; whether there was anything."""
        found = False
        for name, handler in self._handlers.items():
            if not self._queue.has_message(name):
                continue
            at_once = AT_ONCE.get(name, 1)
            messages = self._queue.receive(name, at_once, SLICE_SECONDS)
            found = found or bool(messages)
            fresh = [message for message in messages if not self._bury(name, message)]
            if fresh:
                self._deliver(name, handler, fresh)
        return found

    def _bury(self, name: str, message: Message) -> bool:
        """Put aside a message that has failed too often; whether it has."""
        if message.receives <= RECEIVES:
            return False
        log.error("%s: given up after %d tries: %s", name, RECEIVES, message.body)
        self._queue.send(f"{name}-dead", [message.body])
        self._queue.delete([message])
        return True

    def _deliver(self, name: str, handler: Handler, messages: list[Message]) -> None:
        try:
            handler(queue_event(name, messages), Context(SLICE_SECONDS))
        except Exception:
            if len(messages) > 1:
                # One that cannot be handled must not take the others with it.
                for message in messages:
                    self._deliver(name, handler, [message])
            else:
                log.exception("%s: a message failed and will come again", name)
            return
        self._queue.delete(messages)


def run_worker(
    consumer: Consumer, sweep: Handler, should_stop: Callable[[], bool]
) -> None:
    """Consume and sweep until told to stop; the first sweep is at once."""
    sweep_at = time.monotonic()
    while not should_stop():
        if time.monotonic() >= sweep_at:
            try:
                sweep(schedule_event(), Context(SWEEP_SECONDS))
            except Exception:
                log.exception("a sweep failed; the next one is in a minute")
            sweep_at = time.monotonic() + SWEEP_SECONDS
        if not consumer.consume():
            time.sleep(IDLE_SECONDS)


def queue_event(name: str, messages: list[Message]) -> dict[str, Any]:
    """The event that SQS sends to a handler."""
    return {
        "Records": [
            {
                "messageId": str(message.serial),
                "receiptHandle": str(message.serial),
                "body": canonical_json(message.body),
                "attributes": {"ApproximateReceiveCount": str(message.receives)},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:local:0:tilts-{name}",
            }
            for message in messages
        ]
    }


def schedule_event() -> dict[str, Any]:
    """The event that a schedule sends to a handler."""
    return {
        "version": "0",
        "id": "local",
        "account": "local",
        "region": "local",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": "",
        "resources": [],
        "detail": {},
    }
