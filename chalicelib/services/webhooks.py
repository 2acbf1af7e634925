"""Webhooks: telling a server that an evaluation is over.

The request is signed with a secret of its evaluation, goes to the checked address and
nowhere else, follows nothing, and has five seconds for everything. What does not
arrive is tried again, later each time. A server may hear the same thing twice: the
`id` in the body says so.
"""

import hmac
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from chalicelib.errors import RequestError
from chalicelib.events import canonical_json
from chalicelib.interfaces import Clock, Queue, Store
from chalicelib.records import Evaluation, Money
from chalicelib.services.access import Pepper
from chalicelib.services.messages import VERSION
from chalicelib.services.moments import write_moment

if TYPE_CHECKING:
    from chalicelib.models.addresses import Address

Json = dict[str, Any]
Check = Callable[[str], "Address"]
Post = Callable[["Address", Mapping[str, str], bytes, float], int]

WEBHOOK: Final = "webhook"
"""The queue, and the kind of the documents that say how far a notice has come."""

SIGNATURE: Final = "X-Tilts-Signature"
SECONDS: Final = 5.0
DELAYS: Final = (10.0, 60.0, 300.0, 900.0)
"""Before the second try, the third, ..."""

TRIES: Final = len(DELAYS) + 1
SETTLE_SECONDS: Final = 30.0
REPLY_BYTES: Final = 1_024
INTERIM: Final = rb"(?:HTTP/1\.[01] 1\d\d[^\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)*"
STATUS: Final = re.compile(INTERIM + rb"HTTP/1\.[01] ([2-5]\d\d)[ \r\n]")

log = logging.getLogger("tilts.webhooks")


def webhook_message(evaluation: str, number: int = 1) -> Json:
    """Tell the server of an evaluation that it is over: try so many."""
    return {"v": VERSION, "webhook": evaluation, "try": number}


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """The signature header: HMAC-SHA256 over `<timestamp>.<body>`."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"


def payload(evaluation: Evaluation, tally: Mapping[str, int], money: Money) -> Json:
    """What is told of an evaluation that is over; its `id` goes with its content.

    Episodes are counted by how they came to rest, not by who won them.
    """
    counts: dict[str, int] = {}
    for state, number in sorted(tally.items()):
        status = state.partition(".")[0]
        counts[status] = counts.get(status, 0) + number
    told: Json = {
        "type": "evaluation.finished",
        "evaluation": {
            "id": evaluation.id,
            "name": evaluation.name,
            "tags": list(evaluation.tags),
            "suite": evaluation.suite,
            "status": evaluation.status,
            "end": evaluation.end,
            "created_at": evaluation.created_at,
        },
        "episodes": counts,
        "money": {"budget_microusd": evaluation.budget_microusd, **asdict(money)},
        "results": f"/v1/evaluations/{evaluation.id}/results",
    }
    digest = sha256(canonical_json(told).encode()).hexdigest()
    return {"id": f"wh_{digest[:32]}", **told}


async def look_up(url: str) -> "Address":
    """The address behind a URL, checked to be a public one. AddressError."""
    from chalicelib.models.addresses import check_address

    return await check_address(url)


class Webhooks:
    """Tells the servers that evaluations name, and keeps how far each notice came."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        clock: Clock,
        pepper: Pepper,
        check: Check,
        post: Post | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._pepper = pepper
        self._check = check
        self._post = post or post_pinned

    def check_url(self, url: str) -> None:
        """AddressError unless the URL may be called."""
        self._checked(url)

    def secret(self, evaluation_id: str) -> str:
        """What signs the notices of an evaluation: for its owner's eyes."""
        return "whsec_" + self._pepper.derive(f"webhook {evaluation_id}")

    def state(self, evaluation_id: str) -> Json | None:
        """How far the notice came: tries, whether delivered, the last status."""
        kept = self._store.document(WEBHOOK, evaluation_id)
        return kept and {key: kept[key] for key in ("tries", "delivered", "status")}

    def notify(self, evaluation_id: str, number: int) -> None:
        """Do what a message asks for: one try, and another later when it fails."""
        evaluation = self._store.evaluation(evaluation_id)
        url = evaluation.pinned.get("webhook")
        tally = self._store.tally(evaluation_id)
        if not url or tally.get("waiting") or tally.get("playing"):
            return
        if evaluation.status in ("queued", "running"):
            self._ask(evaluation_id, number, SETTLE_SECONDS)
            return
        if evaluation.status != "finished":
            return
        told = payload(evaluation, tally, self._store.money(evaluation_id))
        if self._is_done(evaluation_id, told["id"], number):
            return
        status = self._try(evaluation_id, url, canonical_json(told).encode())
        delivered = status is not None and 200 <= status < 300
        # Asked for before it is noted: a worker that dies in between tries once more.
        if not delivered and number < TRIES:
            self._ask(evaluation_id, number + 1, DELAYS[number - 1])
        self._note(evaluation_id, told["id"], number, delivered, status)

    def deliver(self, url: str, secret: str, body: bytes) -> int:
        """Send a signed body to a URL; the status of the reply.

        AddressError where the URL may not be called; OSError when no reply came.
        """
        ends_at = time.monotonic() + SECONDS
        address = self._checked(url)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Tilts",
            SIGNATURE: sign(secret, body, int(self._clock.now())),
        }
        return self._post(address, headers, body, seconds_until(ends_at))

    def _checked(self, url: str) -> "Address":
        if not url.lower().startswith("https://"):
            raise RequestError("A webhook must begin with https://.")
        return self._check(url)

    def _try(self, evaluation_id: str, url: str, body: bytes) -> int | None:
        try:
            status = self.deliver(url, self.secret(evaluation_id), body)
        except (RequestError, OSError) as error:
            # Neither the URL nor the reason: paths of webhooks are often secrets.
            log.info("webhook of %s: %s", evaluation_id, type(error).__name__)
            return None
        log.info("webhook of %s: status %d", evaluation_id, status)
        return status

    def _ask(self, evaluation_id: str, number: int, delay: float) -> None:
        self._queue.send(WEBHOOK, [webhook_message(evaluation_id, number)], delay)

    def _is_done(self, evaluation_id: str, notice: str, number: int) -> bool:
        """Whether this notice arrived, or was tried so often, before."""
        kept = self._store.document(WEBHOOK, evaluation_id)
        if kept is None or kept["notice"] != notice:
            return False
        return bool(kept["delivered"] or kept["tries"] >= number)

    def _note(
        self,
        evaluation_id: str,
        notice: str,
        number: int,
        delivered: bool,
        status: int | None,
    ) -> None:
        to = {
            "notice": notice,
            "tries": number,
            "delivered": delivered,
            "status": status,
            "at": write_moment(self._clock.now()),
        }
        while not self._is_done(evaluation_id, notice, number):
            was = self._store.document(WEBHOOK, evaluation_id)
            if self._store.change_document(WEBHOOK, evaluation_id, was, to):
                return


def post_pinned(
    address: "Address",
    headers: Mapping[str, str],
    body: bytes,
    seconds: float,
    context: ssl.SSLContext | None = None,
) -> int:
    """POST to the IP of an address under the name of its host; the status.

    Redirects are not followed, proxies are not used, and nothing is read but the
    first kilobyte at most. OSError.
    """
    ends_at = time.monotonic() + seconds
    name = name_of(address.url)
    context = context or ssl.create_default_context()
    with socket.create_connection((address.ip, address.port), seconds) as raw:
        raw.settimeout(seconds_until(ends_at))
        with context.wrap_socket(raw, server_hostname=name) as channel:
            rest = memoryview(write_request(address.url, headers, body))
            while rest:
                channel.settimeout(seconds_until(ends_at))
                rest = rest[channel.send(rest) :]
            return read_status(channel, ends_at)


def name_of(url: str) -> str:
    """The name that the certificate must be for. OSError where there can be none."""
    name = (urlsplit(url).hostname or "").rstrip(".")
    try:
        fits = bool(name.encode("idna"))
    except UnicodeError:
        fits = False
    if not fits:
        raise OSError("the host has a name that TLS does not take")
    return name


def write_request(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The request as bytes; the URL was checked to be printable ASCII without spaces."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def read_status(channel: ssl.SSLSocket, ends_at: float) -> int:
    """The status of the reply, from its first kilobyte. OSError."""
    reply = b""
    while len(reply) < REPLY_BYTES:
        channel.settimeout(seconds_until(ends_at))
        piece = channel.recv(REPLY_BYTES - len(reply))
        reply += piece
        if found := STATUS.match(reply):
            return int(found[1])
        if not piece:
            break
    raise OSError("what came is not a reply over HTTP")


def seconds_until(moment: float) -> float:
    """How long it is until a moment. TimeoutError when it is past."""
    left = moment - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left
