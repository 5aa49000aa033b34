"""CSV that spreadsheets open: what a cell may hold, and how lines are written (RFC 4180)."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

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
    written = ("yes" if value else "no") if isinstance(value, bool) else text(value)
    return "'" + written if written.lstrip().startswith(FORMULA) else written


def lines(rows: Sequence[Sequence[object]]) -> str:
    """Write rows as CSV; the cells are taken as they are."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
