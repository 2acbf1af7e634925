"""Cleaning and counting, on any value."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.models import reading
from chalicelib.models.model import Tokens

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_cleaned_json_can_be_stored(value: Any) -> None:
    cleaned = reading.clean_json(value)
    text = json.dumps(cleaned, ensure_ascii=False)
    text.encode()
    assert reading.clean_json(cleaned) == cleaned


def test_deep_nesting_is_refused() -> None:
    value: Any = "x"
    for _ in range(50):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        reading.clean_json(value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1" * 5_000])
def test_numbers_beyond_json(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (each has its own words)
        reading.load_json(text)


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None, 10**10, [1]])
def test_no_count(value: Any) -> None:
    assert reading.count(value) is None


def test_tokens() -> None:
    assert reading.tokens_of(10, 4, 6, 3, 9) == Tokens(10, 4, 6, 3, 3)
    assert reading.tokens_of(10, 5, 6, 3, 0) is None
    assert reading.tokens_of(None, 0, 0, 3, 0) is None
    assert reading.part({"a": {"b": 3}}, "a", "b") == 3
    assert reading.part({"a": 3}, "a", "b") == 0
