"""Clients of AWS services: made on first use, kept for the life of the process."""

import threading
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

from chalicelib.errors import StartError

if TYPE_CHECKING:
    from botocore.session import Session

THREADS: Final = 32
"""How many calls to AWS one process makes at a time."""

ATTEMPTS: Final = 4
CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = {"apigatewaymanagementapi": 3.0}
"""A spectator's frame is not worth waiting for: what is lost is sent again."""

USUAL_READ_SECONDS: Final = 10.0


class LaterClient:
    """Stands for the client of a service, which is made at its first call."""

    def __init__(self, clients: "Clients", service: str) -> None:
        self._clients = clients
        self._service = service

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clients.get(self._service), name)


class Clients:
    """boto3's clients, one per service and address, for any thread."""

    def __init__(self, region: str, session: "Session | None" = None) -> None:
        if not region:
            raise StartError(
                "No AWS region is set: AWS_REGION names it (Lambda does so by itself)."
            )
        self.region = region
        self._session = session
        self._made: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.RLock()

    def get(self, service: str, endpoint: str | None = None) -> Any:
        """The client of a service, at another address than the usual one if given."""
        key = (service, endpoint)
        if key not in self._made:
            # Making clients of one session is not safe from several threads.
            with self._lock:
                if key not in self._made:
                    self._made[key] = self._make(service, endpoint)
        return self._made[key]

    def later(self, service: str) -> Any:
        """A client that is made when it is first used: most functions need but one."""
        return LaterClient(self, service)

    def account(self) -> str:
        """The number of the account that these clients act for."""
        return str(self.get("sts").get_caller_identity()["Account"])

    def _make(self, service: str, endpoint: str | None) -> Any:
        if self._session is None:
            from botocore.session import get_session

            self._session = get_session()
        return self._session.create_client(
            service,
            region_name=self.region,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS.get(service, USUAL_READ_SECONDS),
                max_pool_connections=THREADS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            ),
        )
