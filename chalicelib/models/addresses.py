"""Which addresses may be called: public https servers, pinned to the checked IP.

Whoever names a server (a compatible model, a webhook) names it through here, so that
Tilts cannot be made to call what only it can reach. The check covers every address
that the name stands for, and the connection goes to the one that was checked.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import httpx2

from chalicelib.errors import RequestError

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]
RESOLVE_SECONDS: Final = 5.0
URL_LIMIT: Final = 2_000

_REFUSED_V4: Final = (
    ip_network("192.0.0.0/24"),  # protocols; one cloud's metadata among them
    ip_network("168.63.129.16/32"),  # answers from inside one cloud only
    ip_network("192.88.99.0/24"),  # relays to 6to4
)
_UNICAST_V6: Final = IPv6Network("2000::/3")
_REFUSED_V6: Final = (
    ip_network("2001::/23"),  # protocols, Teredo among them
    ip_network("2001:db8::/32"),
    ip_network("2002::/16"),  # 6to4: an IPv4 address inside
    ip_network("3fff::/20"),
)


class AddressError(RequestError):
    """An address that Tilts does not call."""

    title = "The address may not be called"


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address: `url` as it was given, `ip` to connect to."""

    url: str
    scheme: str
    host: str
    port: int
    ip: str


async def check_address(
    url: str, allow_local: bool = False, resolve: Resolve | None = None
) -> Address:
    """The address behind a URL, if it may be called.

    `allow_local` also allows servers of this very machine, over http and on any port;
    `resolve` stands in for the name service. AddressError says what is wrong.
    """
    parsed = _read_url(url)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    found = await _look_up(parsed.host, port, resolve or resolve_host)
    if allow_local and all(ip.is_loopback for ip in found):
        return Address(url, parsed.scheme, parsed.host, port, _pick(found))
    if parsed.scheme != "https":
        raise AddressError("Only https addresses are called.")
    if port != 443:
        raise AddressError("Only port 443 is called.")
    if not all(is_public(ip) for ip in found):
        raise AddressError("The address leads into a network that is not public.")
    return Address(url, parsed.scheme, parsed.host, port, _pick(found))


async def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a host, as the system's name service gives them. OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public network and hides no other inside."""
    if isinstance(ip, IPv4Address):
        refused = any(ip in network for network in _REFUSED_V4)
        return ip.is_global and not ip.is_multicast and not refused
    refused = any(ip in network for network in _REFUSED_V6)
    return ip in _UNICAST_V6 and ip.is_global and not refused


def _read_url(url: str) -> httpx2.URL:
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not plain or len(url) > URL_LIMIT:
        raise AddressError("The address is not a plain URL.")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise AddressError("The address is not a URL.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise AddressError("The address must begin with https:// and name a host.")
    if parsed.userinfo or "@" in url.split("?")[0]:
        raise AddressError("The address must not hold a user name or password.")
    if parsed.fragment:
        raise AddressError("The address must not hold a fragment.")
    return parsed


async def _look_up(
    host: str, port: int, resolve: Resolve
) -> list[IPv4Address | IPv6Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        _check_name(host)
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = [ip_address(text) for text in await resolve(host, port)]
    except (OSError, ValueError, UnicodeError) as error:
        raise AddressError("The host of the address is not known.") from error
    if not found:
        raise AddressError("The host of the address is not known.")
    return found


def _check_name(host: str) -> None:
    """A last label without a letter is an IPv4 address in one of its odd spellings."""
    last = host.rstrip(".").rsplit(".", 1)[-1].lower()
    if last.startswith("0x") or not any(mark.isalpha() for mark in last):
        raise AddressError("The host of the address is written in an odd way.")


def _pick(found: list[IPv4Address | IPv6Address]) -> str:
    return str(min(found, key=lambda ip: ip.version))


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Connects to the checked IP of one URL's host, and to nothing else.

    The check is made at the first request and again after `seconds`. TLS still
    verifies the name of the host. AddressError where the URL may not be called.
    """

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        url: str,
        allow_local: bool = False,
        resolve: Resolve | None = None,
        seconds: float = 300.0,
    ) -> None:
        self._inner = inner
        self._url = url
        self._allow_local = allow_local
        self._resolve = resolve
        self._seconds = seconds
        self._address: Address | None = None
        self._checked = 0.0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        address = await self._check()
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        if (url.scheme, url.host, port) != (address.scheme, address.host, address.port):
            raise AddressError("The request leads away from the checked address.")
        request.url = url.copy_with(host=address.ip)
        request.extensions = {**request.extensions, "sni_hostname": address.host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _check(self) -> Address:
        now = asyncio.get_running_loop().time()
        if self._address is None or now - self._checked > self._seconds:
            self._address = await check_address(
                self._url, self._allow_local, self._resolve
            )
            self._checked = now
        return self._address
