"""The models of the owner's own server, as the setting COMPATIBLE_MODELS names them.

`name=in/cached/out, name=in/cached/out`, prices in dollars per million tokens; a name
alone is free of charge. ValueError when it cannot be read.
"""

from fractions import Fraction
from typing import Final

from chalicelib.models.catalogue import ModelRow, Price

OUTPUT_LIMIT: Final = 16_000


def read_own_rows(text: str) -> tuple[ModelRow, ...]:
    """A row for each named model."""
    return tuple(read_own_row(part) for part in text.split(",") if part.strip())


def read_own_row(part: str) -> ModelRow:
    """The row of `name=in/cached/out`."""
    name, _, prices = part.strip().partition("=")
    numbers = [Fraction(number) for number in prices.split("/")] if prices else [0] * 3
    if len(numbers) != 3 or min(numbers) < 0 or not name or "~" in name:
        raise ValueError(
            f"COMPATIBLE_MODELS: {part.strip()!r} is not name=in/cached/out"
        )
    fresh, cached, output = map(Fraction, numbers)
    return ModelRow(
        id=f"compatible~{name}",
        context=None,
        output_limit=OUTPUT_LIMIT,
        efforts=(),
        default_effort=None,
        forced=True,
        prices=(Price(0, fresh, cached, fresh, output),),
        price_version=f"{name}@{prices or 'free'}",
        source="the owner's settings",
        as_of=None,
        shutdown=None,
        reason=None,
    )
