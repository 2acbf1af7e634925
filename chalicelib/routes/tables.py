"""Results as a table for spreadsheets."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from chalicelib.records import Result

CSV_TYPE: Final = "text/csv; charset=utf-8"
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def write_csv(results: Sequence[Result]) -> str:
    """One row per result, one column per score, nested names joined by dots."""
    rows = [flatten(asdict(result)) for result in results]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([guard(row.get(name, "")) for name in columns])
    return text.getvalue()


def flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested object as one level."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat.update(flatten(item, f"{prefix}{name}."))
        else:
            flat[prefix + name] = item
    return flat


def guard(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula, made plain."""
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return "'" + cell
    return cell
