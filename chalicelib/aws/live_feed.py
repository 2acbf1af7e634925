"""The way to spectators in the cloud: API Gateway's sockets.

A connection is named `<api id>/<stage>/<connection id>`: whoever has the name can
reach the socket, from any function, and nothing has to know the address beforehand.
"""

import logging
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.clients import Clients
from chalicelib.errors import ConnectionGoneError
from chalicelib.interfaces import Meter

log = logging.getLogger("tilts.live_feed")

FRAME_BYTES: Final = 128 * 1024
"""The most that API Gateway sends at once."""

GONE: Final = ("GoneException", "410", "BadRequestException")
"""What is said of a connection that has ended, or that never was one of this API."""


class GatewayFeed:
    """`interfaces.LiveFeed` over sockets of API Gateway, for any thread.

    A frame that cannot be sent just now is lost and counted: spectators notice the gap
    and ask again, while waiting would keep it from all others.
    """

    def __init__(self, clients: Clients, meter: Meter) -> None:
        self._clients = clients
        self._meter = meter

    def send(self, connection: str, frame: str) -> None:
        data = frame.encode()
        if len(data) > FRAME_BYTES:
            log.error("a frame of %d bytes cannot be sent", len(data))
            self._meter.count("FramesLost")
            return
        client, name = self._reach(connection)
        try:
            client.post_to_connection(ConnectionId=name, Data=data)
        except ClientError as error:
            code = code_of(error)
            if code in GONE:
                self._meter.count("SpectatorsGone")
                raise ConnectionGoneError(f"{connection} has left.") from error
            self._lose(code)
        except BotoCoreError as error:
            self._lose(type(error).__name__)
        else:
            self._meter.count("FramesSent")

    def close(self, connection: str) -> None:
        client, name = self._reach(connection)
        try:
            client.delete_connection(ConnectionId=name)
        except ClientError as error:
            if code_of(error) not in GONE:
                log.warning("a socket could not be closed: %s", code_of(error))
        except BotoCoreError as error:
            log.warning("a socket could not be closed: %s", type(error).__name__)

    def _lose(self, why: str) -> None:
        log.warning("a frame was lost: %s", why)
        self._meter.count("FramesLost")

    def _reach(self, connection: str) -> tuple[Any, str]:
        """The client of the socket's API, and the socket's name there."""
        parts = connection.split("/", 2)
        if len(parts) != 3:
            raise ConnectionGoneError(f"{connection} is no socket of API Gateway.")
        api, stage, name = parts
        host = f"{api}.execute-api.{self._clients.region}.amazonaws.com"
        endpoint = f"https://{host}/{stage}"
        return self._clients.get("apigatewaymanagementapi", endpoint), name


def code_of(error: ClientError) -> str:
    """What AWS calls the error."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))
