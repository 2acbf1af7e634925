"""The receiving side of a queue, which in the cloud is the trigger's."""

from collections.abc import Sequence
from typing import Any, Protocol

from chalicelib.interfaces import Queue


class Received(Protocol):
    """A message that is out, until it is deleted or comes back."""

    @property
    def body(self) -> dict[str, Any]: ...
    @property
    def receives(self) -> int: ...


class ReceivingQueue(Queue, Protocol):
    """A queue that tests can also take messages from."""

    def receive(
        self, queue: str, limit: int, visibility_seconds: float
    ) -> Sequence[Received]: ...

    def delete(self, messages: Sequence[Any]) -> None: ...
