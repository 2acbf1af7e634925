"""Pages elsewhere: which may read replies, and what each reply tells a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from chalicelib.routes.origins import is_allowed
from chalicelib.settings import Settings
from tests.routes.api import Api, opened

PAGE = "https://tilts.example"
PREVIEWS = "https://tilts-*.pages.example"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with opened(Settings(tmp_path, origins=(PAGE, PREVIEWS))) as made:
        yield made


@pytest.mark.parametrize("path", ["/games", "/evaluations/ev_nowhere"])
@pytest.mark.parametrize("origin", [PAGE, "https://tilts-pr-7.pages.example"])
def test_a_page_of_ours_may_read_replies_and_refusals(
    api: Api, path: str, origin: str
) -> None:
    reply = api.get(path, {"Origin": origin})
    assert reply.header("Access-Control-Allow-Origin") == origin
    assert reply.header("Vary") == "Origin"
    assert "ETag" in (reply.header("Access-Control-Expose-Headers") or "")
    assert reply.header("Access-Control-Allow-Credentials") is None


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "null", PAGE + ".evil.example", PAGE + "/"]
)
def test_no_other_page_is_told_that_it_may(api: Api, origin: str | None) -> None:
    reply = api.get("/games", {"Origin": origin} if origin else {})
    assert reply.status == 200
    assert not [
        name for name in reply.headers if name.lower().startswith("access-control")
    ]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://tilts-a1.pages.example", True),
        ("https://tilts-.pages.example", True),
        ("https://tilts-a.b.pages.example", False),
        ("https://tilts-a/.pages.example", False),
        ("http://tilts-a1.pages.example", False),
        ("https://tilts-a1.pages.example.evil.example", False),
        ("https://tilts-a1.pagesxexample", False),
        ("https://tilts-a1.pages.example\n", False),
    ],
)
def test_a_star_is_part_of_one_name_in_a_host(origin: str, expected: bool) -> None:
    assert is_allowed(origin, [PREVIEWS]) is expected


def test_without_settings_no_page_elsewhere_may() -> None:
    assert not is_allowed(PAGE, ())


def test_every_route_has_a_preflight() -> None:
    for methods in app.app.routes.values():
        for route in methods.values():
            headers = route.cors.get_access_control_headers()
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert "Idempotency-Key" in headers["Access-Control-Allow-Headers"]
            assert "Access-Control-Allow-Credentials" not in headers
