"""The bytes of a request: JSON of any value, and exchanges that are encoded once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.models import anthropic, compatible, openai, writing
from chalicelib.models.model import Exchange, ModelRequest, Tool
from tests.models.conftest import KEY, make_request

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_encode_is_json(value: Any) -> None:
    text = writing.encode(value).decode()
    if json.dumps(value, ensure_ascii=False).isprintable():
        assert json.loads(text) == value


@given(st.dictionaries(st.text(min_size=1), json_values), st.lists(json_values))
def test_join_body(head: Any, items: list[Any]) -> None:
    head["model"] = "m"
    head.pop("input", None)
    pieces = [writing.encode(item) for item in items]
    body = writing.join_body(writing.encode(head), "input", pieces)
    assert json.loads(body) == {**head, "input": items}


def test_a_head_is_written_once_for_all_that_have_it_in_common() -> None:
    written: list[str] = []

    def write(request: ModelRequest) -> dict[str, Any]:
        written.append(request.model)
        return {"model": request.model}

    heads = writing.Heads(write, limit=2)
    for model in ("a", "b", "a", "c", "a", "b"):
        request = make_request(model=model, conversation=model * len(written))
        assert json.loads(heads.encoded(request)) == {"model": model}
    assert written == ["a", "b", "c", "b"]


OTHER_TOOL = Tool("reveal", "Opens other cells.", {"type": "object"})
CHANGES: dict[str, Any] = {
    "model": "another",
    "effort": "low",
    "system": "Other rules.",
    "tool": OTHER_TOOL,
    "output_tokens": 7,
    "forced": False,
    "prompt": "Another board.",
}
PROVIDERS = {
    "openai": lambda: openai.connect(KEY, None),
    "anthropic": lambda: anthropic.connect(KEY, None),
    "compatible": lambda: compatible.connect(KEY, "https://models.example"),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_remembered_of_one_request_is_in_no_other(
    provider: str, name: str
) -> None:
    used, fresh = PROVIDERS[provider](), PROVIDERS[provider]()
    first = used.write(make_request())
    changed = make_request(**{name: CHANGES[name]})
    assert used.write(changed) == fresh.write(changed) != first
    assert used.write(make_request()) == first


def test_a_conversation_has_its_own_key_of_the_cache() -> None:
    model = PROVIDERS["openai"]()
    for name in ("episode-1", "episode-2"):
        body = json.loads(model.write(make_request(conversation=name)))
        assert body["prompt_cache_key"] == name


class TestHistories:
    def make(self, limit: int = 1_000) -> tuple[writing.Histories, list[str]]:
        encoded: list[str] = []

        def encode(exchange: Exchange, previous: Exchange | None) -> bytes:
            encoded.append(exchange.prompt)
            before = previous.prompt if previous else "-"
            return f"{before}>{exchange.prompt}".encode()

        return writing.Histories(encode, limit), encoded

    def test_each_exchange_is_encoded_once(self) -> None:
        histories, encoded = self.make(1_000_000)
        history: list[Exchange] = []
        for step in range(200):
            pieces = histories.encoded(make_request(list(history)))
            assert len(pieces) == step
            history.append(Exchange(str(step), ()))
        assert encoded == [str(step) for step in range(199)]

    def test_conversations_do_not_mix(self) -> None:
        histories, encoded = self.make()
        shared = Exchange("a", ())
        for name in ("one", "two", "one", "two"):
            found = histories.encoded(make_request([shared], conversation=name))
            assert found == [b"->a"]
        assert encoded == ["a", "a"]

    def test_what_goes_before_counts(self) -> None:
        histories, _ = self.make()
        first, second = Exchange("a", ()), Exchange("b", ())
        both = histories.encoded(make_request([first, second]))
        assert both == [b"->a", b"a>b"]
        assert histories.encoded(make_request([second])) == [b"->b"]
        assert histories.encoded(make_request([first, second])) == both

    def test_equal_is_not_the_same(self) -> None:
        histories, encoded = self.make()
        for _ in range(2):
            histories.encoded(make_request([Exchange("a", ())]))
        assert encoded == ["a", "a"]

    def test_oldest_conversation_is_dropped(self) -> None:
        histories, encoded = self.make(limit=8)
        kept = {name: Exchange(name, ()) for name in ("one", "two")}
        for name in ("one", "two", "two", "one"):
            request = make_request([kept[name]], conversation=name)
            assert histories.encoded(request) == [f"->{name}".encode()]
        assert encoded == ["one", "two", "one"]
