"""What can go wrong, and the HTTP status of each.

TiltsError                     500
├── RequestError               400  the request cannot be understood
│   ├── TooLargeError          413
│   ├── MediaTypeError         415
│   └── MoveError              422
│       ├── InvalidMoveError        cannot be read
│       └── IllegalMoveError        is read, and not allowed
├── UnauthorizedError          401  no key, or none that counts
├── AccessError                403
├── NotFoundError              404
├── ConflictError              409
│   ├── StepError                   a move for another step than the next
│   ├── KeyReusedError              an idempotency key with another body
│   ├── EventExistsError            the log already holds another event n
├── BudgetError                402  the money does not suffice
├── LimitError                 429
├── InconsistentBoardError          nothing hidden agrees with what is seen
├── GenerationError                 no board found within the bound
├── EngineChangedError              a log that today's rules do not reproduce
├── TransportError                  a model could not be reached
├── BusyError                       no place for a call in time
├── CapReachedError                 a further call might go over the episode's cap
├── CallsStoppedError               no call is to be made now
├── ConnectionGoneError             a spectator has left
├── StoreBusyError             503  what keeps the data cannot do it now
├── QueueError                      a queue did not take all messages
└── StartError                      this installation cannot start: one line says why
"""

from typing import Any, ClassVar


class TiltsError(Exception):
    """Root of all errors that Tilts raises on purpose."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong here"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class RequestError(TiltsError):
    """The request cannot be understood as it is."""

    status = 400
    title = "The request is not valid"


class TooLargeError(RequestError):
    """The body is larger than what is accepted."""

    status = 413
    title = "The request is too large"


class MediaTypeError(RequestError):
    """The body is not declared as JSON."""

    status = 415
    title = "The body must be JSON"


class MoveError(RequestError):
    """A move that is not played."""

    status = 422
    title = "The move is not accepted"


class InvalidMoveError(MoveError):
    """A move that cannot be read."""

    title = "The move cannot be read"


class IllegalMoveError(MoveError):
    """A move that is read, and not allowed in this position."""

    title = "The move is not allowed"


class UnauthorizedError(TiltsError):
    """The caller has to say who it is, with a key that counts."""

    status = 401
    title = "A key is needed"


class AccessError(TiltsError):
    """The caller may not do this."""

    status = 403
    title = "This is not allowed"


class NotFoundError(TiltsError):
    """There is no such thing, or not for this caller."""

    status = 404
    title = "Not found"


class ConflictError(TiltsError):
    """The state of things forbids it now."""

    status = 409
    title = "It conflicts with what is there"


class StepError(ConflictError):
    """A move for another step than the next one."""

    title = "The step is not the next one"


class KeyReusedError(ConflictError):
    """An idempotency key that was used with another body."""

    title = "The idempotency key was used before"


class EventExistsError(ConflictError):
    """The log already holds another event under this number."""

    def __init__(self, message: str, existing: Any) -> None:
        super().__init__(message)
        self.existing = existing


class BudgetError(TiltsError):
    """The money does not suffice, or none was set aside."""

    status = 402
    title = "The budget does not suffice"


class LimitError(TiltsError):
    """Too many requests of one kind from one source."""

    status = 429
    title = "Too many at once"


class InconsistentBoardError(TiltsError):
    """No layout or code agrees with what is seen."""


class GenerationError(TiltsError):
    """No board with the wanted property was found within the bound."""


class EngineChangedError(TiltsError):
    """A stored log that the present rules do not reproduce."""


class TransportError(TiltsError):
    """A model could not be reached, or its answer did not arrive."""


class BusyError(TiltsError):
    """No place for a call came free in time."""


class CapReachedError(TiltsError):
    """A further call might go over the cap of its episode."""


class CallsStoppedError(TiltsError):
    """No call is to be made now: a pause, a cancellation, or the kill switch."""


class ConnectionGoneError(TiltsError):
    """The spectator behind a connection has left."""


class QueueError(TiltsError):
    """A queue did not take all messages, though it was asked several times."""


class StoreBusyError(TiltsError):
    """What keeps the data cannot be reached, or cannot do it now."""

    status = 503
    title = "The data cannot be reached now"


class StartError(TiltsError):
    """This installation cannot start; the message is the one line to show."""
