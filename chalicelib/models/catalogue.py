"""The models that can be asked for: what each can do, and what it costs.

Prices stand in `models.json` with their source and date, in dollars per million
tokens, which is micro-dollars per token. A model without a known price is listed and
not usable. Long prompts may cost more: the whole call then has the higher price.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, Final

from chalicelib.errors import NotFoundError
from chalicelib.models.model import Json, Tokens

_PATH: Final = Path(__file__).with_name("models.json")

# What a provider may put around a prompt on its own: the frame of a tool, for one.
FRAME_TOKENS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars per token, for calls of more than `above` tokens of input."""

    above: int
    input: Fraction
    cached: Fraction
    cache_write: Fraction
    output: Fraction

    def to_json(self) -> Json:
        """In dollars per million tokens."""
        return {
            "above": self.above,
            "in": float(self.input),
            "cached": float(self.cached),
            "cache_write": float(self.cache_write),
            "out": float(self.output),
        }


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model. `forced`: whether it can be made to call the tool.

    `prices` has the price of each size of prompt, smallest first; it is empty where
    none is known, and `reason` then says why the model is not usable.
    """

    id: str
    context: int | None
    output_limit: int | None
    efforts: Sequence[str]
    default_effort: str | None
    forced: bool
    prices: Sequence[Price]
    price_version: str | None
    source: str | None
    as_of: date | None
    shutdown: date | None
    reason: str | None
    call_seconds: float = 120.0

    @property
    def provider(self) -> str:
        """Whose service it is."""
        return self.id.partition("~")[0]

    @property
    def name(self) -> str:
        """The provider's own name of it."""
        return self.id.partition("~")[2]


@cache
def all_rows() -> tuple[ModelRow, ...]:
    """Every model that is known, as `models.json` has them."""
    found = json.loads(_PATH.read_text("utf-8"))["models"]
    return tuple(_read_row(row) for row in found)


def find_row(model: str) -> ModelRow:
    """The model of an id like `openai~gpt-6-luna`; NotFoundError."""
    for row in all_rows():
        if row.id == model:
            return row
    raise NotFoundError(f"There is no model {model!r}.")


def is_shut_down(row: ModelRow, today: date) -> bool:
    """Whether the provider's announced end has come."""
    return row.shutdown is not None and today >= row.shutdown


def max_microusd(row: ModelRow, body_bytes: int, output_tokens: int) -> int:
    """What a call cannot exceed: every byte a token, all of them written to the cache.

    NotFoundError where no price is known.
    """
    tokens = body_bytes + FRAME_TOKENS
    worst = max(
        tokens * max(price.input, price.cached, price.cache_write)
        + output_tokens * price.output
        for price in _known(row)
        if tokens > price.above
    )
    return ceil(worst)


def cost_microusd(row: ModelRow, tokens: Tokens) -> int:
    """What a call cost, rounded once, half up. NotFoundError where no price is known."""
    fits = [price for price in _known(row) if tokens.input > price.above]
    price = fits[-1] if fits else _known(row)[0]
    fresh = tokens.input - tokens.cached - tokens.cache_write
    exact = (
        fresh * price.input
        + tokens.cached * price.cached
        + tokens.cache_write * price.cache_write
        + tokens.output * price.output
    )
    return int(exact + Fraction(1, 2))


def _known(row: ModelRow) -> Sequence[Price]:
    if not row.prices:
        raise NotFoundError(f"No price of {row.id} is known.")
    return row.prices


def _read_row(row: dict[str, Any]) -> ModelRow:
    return ModelRow(
        id=row["id"],
        context=row["context"],
        output_limit=row["output_limit"],
        efforts=tuple(row["efforts"]),
        default_effort=row["default_effort"],
        forced=row["forced"],
        prices=tuple(_read_price(price) for price in row["prices"] or ()),
        price_version=row["price_version"],
        source=row["source"],
        as_of=_read_date(row["as_of"]),
        shutdown=_read_date(row["shutdown"]),
        reason=row.get("reason"),
        call_seconds=row.get("call_seconds", 120.0),
    )


def _read_price(price: dict[str, Any]) -> Price:
    return Price(
        price["above"],
        Fraction(price["in"]),
        Fraction(price["cached"]),
        Fraction(price["cache_write"]),
        Fraction(price["out"]),
    )


def _read_date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
