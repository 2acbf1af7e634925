"""Which addresses are called: a table of URLs, and a name service that lies."""

import asyncio
from collections.abc import Iterable

import httpx2
import pytest

from chalicelib.models.addresses import (
    Address,
    AddressError,
    PinnedTransport,
    check_address,
)

PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class Names:
    """A name service that gives its answers in turn."""

    def __init__(self, *answers: Iterable[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Iterable[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def check(url: str, *found: str, allow_local: bool = False) -> Address:
    return asyncio.run(check_address(url, allow_local, Names(found or (PUBLIC,))))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org:443/v1",
        "https://EXAMPLE.org/v1?hook=1",
        "https://sub.example.org./x",
        "https://xn--bcher-kva.example/",
        f"https://{PUBLIC}/v1",
        f"https://[{PUBLIC_V6}]/v1",
    ],
)
def test_public_addresses(url: str) -> None:
    assert check(url).port == 443


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "https://example.org:8443",
        "https://example.org:80",
        "ftp://example.org",
        "file:///etc/passwd",
        "gopher://example.org",
        "//example.org",
        "example.org",
        "",
        "https://",
        "https:///path",
        "https://user@example.org",
        "https://user:secret@example.org",
        "https://@example.org",
        "https://example.org#fragment",
        "https://example.org\\@evil.example",
        "https://exa mple.org",
        "https://example.org/\r\nX-Header: 1",
        "https://bücher.example",
        "https://ⓔxample.org",
        "https://127.0.0.1",
        "https://127.1",
        "https://127.0.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.0x0.0x0.0x1",
        "https://0177.0.0.1",
        "https://0.0.0.0",
        "https://10.0.0.1",
        "https://172.16.0.1",
        "https://192.168.1.1",
        "https://100.64.0.1",
        "https://100.100.100.200",
        "https://169.254.169.254/latest/meta-data",
        "https://168.63.129.16",
        "https://192.0.0.192",
        "https://198.18.0.1",
        "https://224.0.0.1",
        "https://240.0.0.1",
        "https://255.255.255.255",
        "https://[::1]",
        "https://[::]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://[fec0::1]",
        "https://[ff02::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:93.184.215.14]",
        "https://[::127.0.0.1]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://[2002:7f00:1::]",
        "https://[2001:0:7f00:1::]",
        "https://[2001:db8::1]",
        "https://[fe80::1%25eth0]",
        "https://example.org:99999",
        "https://" + "a" * 3_000 + ".org",
    ],
)
@pytest.mark.parametrize("allow_local", [False, True])
def test_addresses_that_are_not_called(url: str, allow_local: bool) -> None:
    local = ("https://127.0.0.1", "https://[::1]")
    if allow_local and url in local:
        assert check(url, allow_local=True).ip in url
        return
    with pytest.raises(AddressError):
        check(url, allow_local=allow_local)


@pytest.mark.parametrize(
    "found",
    [
        ("127.0.0.1",),
        (PUBLIC, "10.0.0.1"),
        (PUBLIC, "::1"),
        (PUBLIC_V6, "fe80::1"),
        ("::ffff:10.0.0.1",),
        ("169.254.169.254",),
        ("not an address",),
    ],
)
def test_every_address_of_a_name_counts(found: tuple[str, ...]) -> None:
    with pytest.raises(AddressError):
        check("https://models.example.org", *found)


def test_name_without_addresses() -> None:
    with pytest.raises(AddressError):
        asyncio.run(check_address("https://example.org", resolve=Names(())))


def test_unknown_name() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(AddressError):
        asyncio.run(check_address("https://example.org", resolve=resolve))


def test_ipv4_is_preferred() -> None:
    assert check("https://example.org", PUBLIC_V6, PUBLIC).ip == PUBLIC


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:11434/v1", "http://[::1]:8080", "http://localhost:8000"]
)
def test_local_servers(url: str) -> None:
    assert check(url, "127.0.0.1", "::1", allow_local=True).url == url
    with pytest.raises(AddressError):
        check(url, "127.0.0.1", "::1")


@pytest.mark.parametrize("found", ["10.0.0.1", "192.168.0.1", PUBLIC, "0.0.0.0"])
def test_local_means_this_machine(found: str) -> None:
    with pytest.raises(AddressError):
        check("http://ollama.example:11434", found, allow_local=True)


class Inner(httpx2.AsyncBaseTransport):
    """Keeps the requests that would be sent."""

    def __init__(self) -> None:
        self.sent: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        return httpx2.Response(200, json={})


class TestPinned:
    def fetch(self, names: Names, *urls: str, seconds: float = 300.0) -> Inner:
        inner = Inner()

        async def run() -> None:
            pinned = PinnedTransport(
                inner, "https://example.org/v1", resolve=names, seconds=seconds
            )
            async with httpx2.AsyncClient(transport=pinned) as client:
                for url in urls:
                    await client.get(url)

        asyncio.run(run())
        return inner

    def test_connection_goes_to_the_checked_ip(self) -> None:
        inner = self.fetch(Names((PUBLIC,)), "https://example.org/v1/chat")
        request = inner.sent[0]
        assert request.url.host == PUBLIC
        assert request.url.path == "/v1/chat"
        assert request.headers["Host"] == "example.org"
        assert request.extensions["sni_hostname"] == "example.org"

    def test_name_that_moves_later_is_not_followed(self) -> None:
        names = Names((PUBLIC,), ("127.0.0.1",))
        url = "https://example.org/v1"
        inner = self.fetch(names, url, url, url)
        assert [request.url.host for request in inner.sent] == [PUBLIC] * 3
        assert len(names.asked) == 1

    def test_name_is_checked_again_and_refused(self) -> None:
        names = Names((PUBLIC,), ("127.0.0.1",))
        url = "https://example.org/v1"
        with pytest.raises(AddressError):
            self.fetch(names, url, url, seconds=-1.0)

    @pytest.mark.parametrize(
        "url", ["https://other.example/v1", "http://example.org/v1", "https://a.b:444"]
    )
    def test_no_other_host(self, url: str) -> None:
        with pytest.raises(AddressError):
            self.fetch(Names((PUBLIC,)), url)
