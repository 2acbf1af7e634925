"""The page of a server that runs, and who may ask for it."""

import re

import pytest

from tests.server.running import Running, problem_of

# Who may ask.


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}"])
@pytest.mark.parametrize("path", ["/", "/v1/health"])
def test_its_own_names_are_served(path: str, host: str, server: Running) -> None:
    name = host.format(port=server.port)
    own = {"Host": name, "Origin": f"http://{name}"}
    assert server.ask(path, headers=own).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "localhost", "localhost:1", "127.0.0.1",
     "localhost:{port}.evil.example", "169.254.169.254:{port}", "LOCALHOST.:{port}"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/v1/health", "/v1/socket", "/v1/none"])
def test_another_host_is_refused(path: str, host: str, server: Running) -> None:
    reply = server.ask(path, headers={"Host": host.format(port=server.port)})
    assert reply.status == 403
    problem_of(reply)


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://evil.example", "https://localhost:{port}", "http://localhost",
     "http://localhost:{port}.evil.example", "file://"],
)  # fmt: skip
def test_another_origin_is_refused(origin: str, server: Running) -> None:
    foreign = {"Origin": origin.format(port=server.port)}
    for path in ("/v1/health", "/v1/socket", "/"):
        reply = server.ask(path, headers=foreign)
        assert reply.status == 403, path
        problem_of(reply)
    body = {"suite": "core-1", "players": ["baseline~random~1"]}
    assert server.ask("/v1/evaluations", body, foreign).status == 403
    cancel = server.ask("/v1/evaluations/ev_0/cancel", headers=foreign, method="POST")
    assert cancel.status == 403


def test_a_request_without_a_host_is_refused(server: Running) -> None:
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET /v1/health HTTP/1.0\r\n\r\n"):
        assert server.talk(head)[0] in (400, 403)


# The page.


def test_the_page_is_served_with_a_policy(server: Running) -> None:
    reply = server.ask("/")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/html")
    policy = dict(
        part.strip().split(" ", 1)
        for part in reply.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    page = reply.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page), "an inline script is blocked"
    assert not re.search(r"\son\w+\s*=", page), "an inline handler is blocked"
    for name in re.findall(r'(?:src|href)="/?([\w.-]+\.(?:js|css|svg))"', page):
        assert server.ask(f"/{name}").status == 200, name


ESCAPES = [
    b"/../run.py", b"/../../etc/passwd", b"/..%2frun.py", b"/%2e%2e/%2e%2e/run.py",
    b"/%2e%2e%2f%2e%2e%2frun.py", b"/..%252frun.py", b"/.%2e/.%2e/run.py",
    b"/static/../../../run.py", b"//etc/passwd", b"/%2fetc%2fpasswd", b"/..\\..\\run.py",
    b"/%5c..%5c..%5crun.py", b"/index.html/../../../run.py", b"/index.html%00.js",
    b"/%00", b"/" + b"a" * 300, b"/" + b"a/" * 2000, b"/v1/../../run.py",
    b"/v1/%2e%2e/%2e%2e/run.py", b"/v1/socket/../../../run.py", b"/.git/config", b"/%ff",
    b"/index.html\xff", b"/.", b"/..", b"/%2e",
]  # fmt: skip


@pytest.mark.parametrize(
    "target", ESCAPES, ids=lambda target: target[:24].decode("latin")
)
def test_no_path_leads_out_of_the_page(target: bytes, server: Running) -> None:
    status, answer = server.get_raw(target)
    assert 400 <= status < 500, answer[:300]
    for secret in (b"import argparse", b"root:", b"[core]", b"Traceback"):
        assert secret not in answer


def test_an_absolute_target_is_no_way_around(server: Running) -> None:
    for target in (b"http://evil.example/v1/health", b"http://localhost:1/../run.py"):
        status, answer = server.get_raw(target)
        assert status < 500, answer
        assert b"import argparse" not in answer
