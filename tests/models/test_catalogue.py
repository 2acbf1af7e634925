"""The table of models: what is in it, and the arithmetic of prices."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import NotFoundError
from chalicelib.models import PROVIDERS
from chalicelib.models.abilities import ABILITIES
from chalicelib.models.catalogue import (
    ModelRow,
    all_rows,
    cost_microusd,
    find_row,
    is_shut_down,
    max_microusd,
)
from chalicelib.models.model import Tokens

PRICED = [row for row in all_rows() if row.prices]
LUNA = find_row("openai~gpt-6-luna")
HAIKU = find_row("anthropic~claude-haiku-5-5")


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.id)
class TestRow:
    def test_is_complete_or_says_why_not(self, row: ModelRow) -> None:
        assert row.provider in PROVIDERS
        assert row.name
        if row.prices:
            assert row.reason is None
            assert None not in (row.source, row.as_of, row.price_version)
            assert row.context is not None
            assert row.output_limit is not None
        else:
            assert row.reason == "no price known"
            assert (row.source, row.as_of, row.price_version) == (None, None, None)

    def test_efforts_are_those_of_the_provider(self, row: ModelRow) -> None:
        assert set(row.efforts) <= set(ABILITIES[row.provider].efforts)
        assert row.default_effort is None or row.default_effort in row.efforts

    def test_prices_are_in_order(self, row: ModelRow) -> None:
        assert [price.above for price in row.prices] == sorted(
            {price.above for price in row.prices}
        )
        for price in row.prices:
            assert 0 < price.cached < price.input < price.cache_write < price.output
        assert not row.prices or row.prices[0].above == 0


def test_ids_are_unique() -> None:
    ids = [row.id for row in all_rows()]
    assert len(ids) == len(set(ids))


def test_find_row() -> None:
    assert (LUNA.provider, LUNA.name) == ("openai", "gpt-6-luna")
    assert LUNA.prices[0].to_json() == {
        "above": 0,
        "in": 0.1,
        "cached": 0.01,
        "cache_write": 0.125,
        "out": 0.5,
    }
    with pytest.raises(NotFoundError):
        find_row("openai~gpt-nonsense")


def test_no_price_no_cost() -> None:
    row = find_row("anthropic~claude-fable-5-2")
    with pytest.raises(NotFoundError):
        max_microusd(row, 1_000, 100)
    with pytest.raises(NotFoundError):
        cost_microusd(row, Tokens(1, 0, 0, 1, 0))


def test_shutdown() -> None:
    row = find_row("openai~gpt-5")
    assert not is_shut_down(row, date(2026, 12, 10))
    assert is_shut_down(row, date(2026, 12, 11))
    assert not is_shut_down(LUNA, date(2099, 1, 1))


@pytest.mark.parametrize(
    ("tokens", "cost"),
    [
        (Tokens(0, 0, 0, 0, 0), 0),
        (Tokens(1_000_000, 0, 0, 0, 0), 200_000),
        (Tokens(100_000, 0, 0, 0, 0), 10_000),
        (Tokens(1_500, 1_000, 300, 300, 200), 218),  # 20 + 10 + 37.5 + 150 = 217.5
        (Tokens(0, 0, 0, 1, 0), 1),  # 0.5 rounds up
        (Tokens(4, 0, 0, 0, 0), 0),  # 0.4
        (Tokens(5, 0, 0, 0, 0), 1),
    ],
)
def test_cost(tokens: Tokens, cost: int) -> None:
    assert cost_microusd(LUNA, tokens) == cost


def test_long_prompts_have_their_own_price() -> None:
    assert cost_microusd(HAIKU, Tokens(100_000, 0, 0, 0, 0)) == 10_000
    assert cost_microusd(HAIKU, Tokens(100_001, 0, 0, 0, 0)) == 50_001
    assert cost_microusd(HAIKU, Tokens(200_000, 200_000, 0, 10, 0)) == 10_025


counts = st.integers(0, 400_000)


@given(st.sampled_from(PRICED), counts, st.data())
def test_maximum_is_never_passed(
    row: ModelRow, whole: int, data: st.DataObject
) -> None:
    cached = data.draw(st.integers(0, whole))
    written = data.draw(st.integers(0, whole - cached))
    limit = data.draw(st.integers(1, 128_000))
    output = data.draw(st.integers(0, limit))
    body_bytes = data.draw(st.integers(max(0, whole - 1_024), whole * 5))
    cost = cost_microusd(row, Tokens(whole, cached, written, output, 0))
    assert cost <= max_microusd(row, body_bytes, limit)


@given(st.sampled_from(PRICED), counts, counts)
def test_cost_is_exact(row: ModelRow, whole: int, output: int) -> None:
    price = [price for price in row.prices if whole > price.above or not price.above][
        -1
    ]
    exact = whole * price.input + output * price.output
    cost = cost_microusd(row, Tokens(whole, 0, 0, output, 0))
    assert Fraction(-1, 2) < exact - cost < Fraction(1, 2) or cost - exact == Fraction(
        1, 2
    )
