"""CSV that spreadsheets open: what a cell may hold, and how lines are written (RFC 4180)."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.clock import rfc3339

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets run a cell for when it begins with it (ASVS 1.2.10)."""


def text(value: object) -> str:
    """Write a value as text without markup."""
    if isinstance(value, datetime):
        return rfc3339(value.astimezone(UTC))
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def harmless(value: object) -> object:
    """Return a value as it is put into a cell: a text that would be run gets a quote mark."""
    if value is None:
        return ""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return value
    return _harmless_text(("yes" if value else "no") if isinstance(value, bool) else text(value))


def harmless_cells(values: Sequence[object]) -> list[object]:
    """Do so with a row. A million invoices are 25 million cells: one call for each."""
    return [_WRITERS.get(type(value), harmless)(value) for value in values]


def _harmless_text(written: str) -> str:
    # Nearly all begin with a letter or a digit.
    if written[:1].isalnum():
        return written
    return "'" + written if written.lstrip().startswith(FORMULA) else written


def _as_it_is(value: object) -> object:
    return value


_WRITERS: dict[type, Callable[[Any], object]] = {
    str: _harmless_text,
    type(None): lambda _: "",
    int: _as_it_is,
    Decimal: _as_it_is,
    UUID: str,
    datetime: rfc3339,
    date: date.isoformat,
    dict: lambda value: text(value) if value else "{}",
}
"""What `harmless` comes to for values of exactly these types."""


def lines(rows: Sequence[Sequence[object]]) -> str:
    """Write rows as CSV; the cells are taken as they are."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
