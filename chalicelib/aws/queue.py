"""The queue of the cloud: SQS. Lambda's triggers are its receiving side."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from chalicelib.errors import QueueError, TooLargeError
from chalicelib.events import canonical_json

Json = dict[str, Any]

BATCH: Final = 10
BATCH_BYTES: Final = 256 * 1024
LONGEST_DELAY_SECONDS: Final = 900
"""SQS delays no longer. A message is a wake-up: whoever is woken too soon looks, and
asks to be woken again."""

ATTEMPTS: Final = 4
PAUSE_SECONDS: Final = 0.1


class SqsQueue:
    """`interfaces.Queue` over SQS; the queue `play` is there called `<prefix>-play`."""

    def __init__(
        self, sqs: Any, prefix: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._sqs = sqs
        self._prefix = prefix
        self._pause = pause
        self._urls: dict[str, str] = {}

    def send(
        self, queue: str, bodies: Sequence[Json], delay_seconds: float = 0
    ) -> None:
        """Send each body as a message of its own.

        TooLargeError for one that SQS does not take; QueueError when some could not be
        sent, though others were.
        """
        delay = min(LONGEST_DELAY_SECONDS, max(0, math.ceil(delay_seconds)))
        for batch in cut_batches([canonical_json(body) for body in bodies]):
            self._send_batch(queue, batch, delay)

    def _send_batch(self, queue: str, texts: Sequence[str], delay: int) -> None:
        """Send a batch, and again what of it was refused for no fault of ours."""
        left = dict(enumerate(texts))
        failed: list[Json] = []
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(PAUSE_SECONDS * 2**attempt)
            reply = self._sqs.send_message_batch(
                QueueUrl=self._url(queue),
                Entries=[
                    {"Id": str(number), "MessageBody": text, "DelaySeconds": delay}
                    for number, text in left.items()
                ],
            )
            failed = reply.get("Failed", [])
            left = {int(one["Id"]): left[int(one["Id"])] for one in failed}
            if not left or any(one.get("SenderFault") for one in failed):
                break
        if left:
            codes = ", ".join(sorted({str(one.get("Code")) for one in failed}))
            raise QueueError(f"{len(left)} messages to {queue} were not taken: {codes}")

    def _url(self, queue: str) -> str:
        if queue not in self._urls:
            name = f"{self._prefix}-{queue}"
            self._urls[queue] = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[queue]


def cut_batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """As few batches as possible that SQS takes, in order. TooLargeError."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if length > BATCH_BYTES:
            raise TooLargeError(f"A message of {length} bytes cannot be sent.")
        if len(batch) == BATCH or size + length > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch
