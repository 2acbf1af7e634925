"""One bounded call, whatever the other side does: errors, limits, bytes, secrets."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.models import anthropic, compatible, openai, wire
from chalicelib.models.model import Answer, CallError, Model
from tests.models import test_anthropic, test_compatible, test_openai
from tests.models.conftest import KEY, Scene, ask_model, make_request

CONNECT: dict[str, Callable[[str], Model]] = {
    "openai": lambda url: openai.connect(KEY, url),
    "anthropic": lambda url: anthropic.connect(KEY, url),
    "compatible": lambda url: compatible.connect(KEY, url, allow_local=True),
}
GOOD: dict[str, Any] = {
    "openai": test_openai.body(test_openai.CALL),
    "anthropic": test_anthropic.body(test_anthropic.CALL),
    "compatible": test_compatible.body(test_compatible.MESSAGE),
}

pytestmark = pytest.mark.filterwarnings("error")
every_provider = pytest.mark.parametrize("provider", list(CONNECT))


def ask(scene: Scene, provider: str, seconds: float = 5.0) -> Answer:
    model = scene.close_later(CONNECT[provider](scene.url))
    return scene.run(ask_model(model, make_request(), seconds))


def fail(scene: Scene, provider: str, seconds: float = 5.0) -> CallError:
    with pytest.raises(CallError) as caught:
        ask(scene, provider, seconds)
    error = caught.value
    assert error.__suppress_context__ or error.__context__ is None
    assert KEY not in str(error)
    return error


@every_provider
class TestStatus:
    @pytest.mark.parametrize(
        ("status", "reason", "retriable", "billed"),
        [
            (307, "redirect", False, False),
            (400, "refused-request", False, False),
            (401, "key", False, False),
            (402, "quota", False, False),
            (403, "forbidden", False, False),
            (404, "unknown-model", False, False),
            (408, "timeout", True, True),
            (409, "overloaded", True, False),
            (413, "too-large", False, False),
            (418, "refused-request", False, False),
            (422, "refused-request", False, False),
            (429, "rate-limit", True, False),
            (500, "server", True, True),
            (502, "server", True, True),
            (503, "overloaded", True, False),
            (529, "overloaded", True, False),
        ],
    )
    def test_status(
        self,
        scene: Scene,
        provider: str,
        status: int,
        reason: str,
        retriable: bool,
        billed: bool,
    ) -> None:
        words = {"error": {"message": "Some words.", "type": "some_error"}}
        scene.reply(words, status, Location=f"{scene.url}/other", x_request_id="req_1")
        error = fail(scene, provider)
        assert (error.reason, error.retriable) == (reason, retriable)
        assert error.may_be_billed is billed
        assert error.status_code == status
        assert error.provider_request == "req_1"
        assert "Some words." in error.message
        assert len(scene.seen) == 1  # one try, and no redirect followed

    @pytest.mark.parametrize("status", [503, 529])
    def test_overload_in_unknown_words_may_be_billed(
        self, scene: Scene, provider: str, status: int
    ) -> None:
        scene.reply(b"<html>", status, Content_Type="text/html")
        assert fail(scene, provider).may_be_billed

    @pytest.mark.parametrize(
        "error",
        [
            {"code": "insufficient_quota", "message": "m"},
            {"type": "billing_error", "message": "m"},
            {"type": "invalid", "message": "Your credit balance is too low."},
        ],
    )
    def test_quota(self, scene: Scene, provider: str, error: Any) -> None:
        scene.reply({"error": error}, 429)
        found = fail(scene, provider)
        assert (found.reason, found.retriable) == ("quota", False)

    def test_prompt_too_long(self, scene: Scene, provider: str) -> None:
        scene.reply({"error": {"message": "prompt is too long: 9"}}, 400)
        assert fail(scene, provider).reason == "too-large"

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b'{"error": 3}'])
    def test_error_without_words(
        self, scene: Scene, provider: str, body: bytes
    ) -> None:
        scene.reply(body, 400)
        assert fail(scene, provider).reason == "refused-request"

    def test_secrets_in_an_error_are_taken_out(
        self, scene: Scene, provider: str
    ) -> None:
        said = f"Key {KEY} \x1b[1m sk-other123 tilts_ab12cd34_xyz x-api-key: abc"
        scene.reply({"error": {"message": said}}, 401)
        message = fail(scene, provider).message
        assert message == "HTTP 401: Key [key] [1m [key] [key] [key]"

    def test_wait(self, scene: Scene, provider: str) -> None:
        scene.reply({"error": {}}, 429, Retry_After="7")
        assert fail(scene, provider).retry_after == 7.0


@every_provider
class TestDelivery:
    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b'"x"', b"NaN", b"[" * 100_000]
    )
    def test_unreadable(self, scene: Scene, provider: str, body: bytes) -> None:
        scene.reply(body)
        error = fail(scene, provider)
        assert (error.reason, error.may_be_billed) == ("unreadable", True)

    def test_page_instead_of_json(self, scene: Scene, provider: str) -> None:
        scene.reply(b"<html>hello</html>", Content_Type="text/html")
        assert fail(scene, provider).reason == "unreadable"

    def test_json_by_another_name(self, scene: Scene, provider: str) -> None:
        scene.reply(GOOD[provider], Content_Type="text/plain")
        assert ask(scene, provider).failure is None

    def test_no_server(self, scene: Scene, provider: str) -> None:
        model = scene.close_later(CONNECT[provider]("http://127.0.0.1:9"))
        with pytest.raises(CallError) as caught:
            scene.run(ask_model(model, make_request(), 5.0))
        assert caught.value.reason == "connect"
        assert caught.value.retriable
        assert not caught.value.may_be_billed

    @pytest.mark.parametrize("start", [b"", b'{"id": '])
    def test_broken_connection(self, scene: Scene, provider: str, start: bytes) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "500"})
            if start:
                await response.prepare(request)
                await response.write(start)
            assert request.transport is not None
            request.transport.abort()
            return response

        scene.handlers.append(handle)
        error = fail(scene, provider)
        assert (error.reason, error.retriable) == ("reset", True)
        assert error.may_be_billed
        assert len(scene.seen) == 1

    def test_trickle_ends_at_the_deadline(self, scene: Scene, provider: str) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for _ in range(100):
                await response.write(b" ")
                await asyncio.sleep(0.02)
            return response

        scene.handlers.append(handle)
        error = fail(scene, provider, seconds=0.15)
        assert (error.reason, error.retriable) == ("timeout", True)
        assert error.may_be_billed

    def test_no_time(self, scene: Scene, provider: str) -> None:
        error = fail(scene, provider, seconds=0.0)
        assert (error.reason, error.may_be_billed) == ("timeout", False)
        assert scene.seen == []

    def test_cancellation_passes(self, scene: Scene, provider: str) -> None:
        arrived = asyncio.Event()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            arrived.set()
            await asyncio.sleep(5)
            return web.Response()

        scene.handlers.append(handle)
        model = scene.close_later(CONNECT[provider](scene.url))

        async def cancel() -> None:
            task = asyncio.ensure_future(ask_model(model, make_request(), 5.0))
            await arrived.wait()
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            scene.run(cancel())

    def test_compressed_reply_is_not_unpacked(
        self, scene: Scene, provider: str
    ) -> None:
        scene.reply(b"\x1f\x8b", Content_Encoding="gzip")
        assert fail(scene, provider).reason == "unreadable"
        assert scene.seen[0].headers["Accept-Encoding"] == "identity"

    def test_no_redirect_and_no_second_body(self, scene: Scene, provider: str) -> None:
        scene.reply(b"", 308, Location="https://elsewhere.example/")
        assert fail(scene, provider).reason == "redirect"
        assert len(scene.seen) == 1

    def test_lone_surrogate_in_a_prompt_is_sent_as_a_question_mark(
        self, scene: Scene, provider: str
    ) -> None:
        scene.reply(GOOD[provider])
        model = scene.close_later(CONNECT[provider](scene.url))
        scene.run(ask_model(model, make_request(prompt="a\ud800b"), 5.0))
        assert "a?b" in scene.seen[0].raw.decode()


class TestCap:
    def fetch(self, limit: int, chunks: list[bytes], **headers: str) -> bytes:
        class Inner(httpx2.AsyncBaseTransport):
            async def handle_async_request(
                self, request: httpx2.Request
            ) -> httpx2.Response:
                async def stream() -> Any:
                    for chunk in chunks:
                        yield chunk

                return httpx2.Response(200, headers=headers, content=stream())

        async def run() -> bytes:
            async with wire.open_client(Inner(), limit) as client:
                return (await client.get("http://example.org")).content

        return asyncio.run(run())

    def test_at_the_limit(self) -> None:
        assert self.fetch(6, [b"abc", b"def"]) == b"abcdef"

    @pytest.mark.parametrize("chunks", [[b"abcdefg"], [b"abc", b"def", b"g"]])
    def test_over_the_limit(self, chunks: list[bytes]) -> None:
        with pytest.raises(wire.ReplyTooLargeError):
            self.fetch(6, chunks)

    @pytest.mark.parametrize("length", ["7", "x", "-1"])
    def test_announced_length(self, length: str) -> None:
        with pytest.raises(wire.ReplyTooLargeError):
            self.fetch(6, [], **{"Content-Length": length})


DATE = "Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, 86_400.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:09 GMT", "date": DATE}, 9.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": DATE}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:09 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:09 GMT", "date": "x"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert wire.read_retry_after(httpx2.Headers(headers)) == seconds


@given(st.text(max_size=30))
def test_retry_after_of_any_text(text: str) -> None:
    try:
        headers = httpx2.Headers({"retry-after": text, "date": DATE})
    except UnicodeEncodeError:
        return
    seconds = wire.read_retry_after(headers)
    assert seconds is None or 0.0 <= seconds <= 86_400.0


def test_explain_unknown_exceptions() -> None:
    error = wire.explain(KeyError("x"))
    assert (error.reason, error.retriable, error.may_be_billed) == (
        "unreadable",
        False,
        True,
    )
    assert wire.explain(ssl.SSLError("x")).reason == "connect"
    known = CallError("x", "key", False, False)
    assert wire.explain(known) is known


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc.def", "[key]"),
        ("a sk-proj-ab_c-D9 b", "a [key] b"),
        ("sk-abc***xyz", "[key]"),
        ("{'x-api-key': 'abc'}", "{'[key]}"),
        ("a task-force", "a task-force"),
    ],
)
def test_redact(text: str, clean: str) -> None:
    assert wire.redact(text) == clean


def test_short_key_is_a_word_like_others() -> None:
    assert wire.redact("ollama says", "ollama") == "ollama says"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_error_body_gives_an_error(content: bytes) -> None:
    response = httpx2.Response(500, content=content)
    assert wire.explain_status(response, KEY).reason == "server"
