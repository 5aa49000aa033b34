"""What of a record may be shown: its fields as JSON can hold them, without secrets or tricks.

Nothing here raises, whatever a record holds: a log line is no reason for anything to fail.
"""

import logging
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache

from core.clock import rfc3339
from core.log_context import bound
from core.redaction import MASK, is_telling, redact
from core.visible import visible

LINE = "kuvert_line"
"""Where a record keeps the line that was made of it, for the next handler."""

LONGEST = 16_384
"""Characters of one text; what is longer is cut, for receivers cut or split it at will."""

_DEEPEST = 6
_MOST_MEMBERS = 1000
_LARGEST = 2**63 - 1
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    *("message", "asctime", "taskName", LINE),
    # Celery's copy of what its message says, with the arguments and the traceback once more.
    "data",
}


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what was bound and given with the record, by name."""
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {_clean_name(key): plain(value, key) for key, value in {**bound(), **given}.items()}


def name(record: logging.LogRecord) -> str:
    """Return the name of the logger."""
    return _clean_name(_text(record.name))


def message(record: logging.LogRecord) -> str:
    """Return what the record says."""
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit, or whose text fails
        text = f"{_text(record.msg)} (its arguments do not fit)"
    return clean(text)


def traces(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    """Return the traceback and the stack, where there are any.

    Each line but the first is set in, so that none of them can pass for a line of the log.
    """
    found = {}
    if record.exc_info:
        found["stack_trace"] = _set_in(_traceback(formatter, record))
    if record.stack_info:
        found["stack"] = _set_in(record.stack_info)
    return found


def clean(text: str) -> str:
    """Return `text` on one line, cut, without secrets."""
    return visible(redact(text if len(text) <= LONGEST else _cut(text)))


_clean_name = lru_cache(maxsize=1000)(clean)
"""The same for what comes again and again: names of fields and loggers."""


def plain(value: object, key: str = "", depth: int = 0) -> object:
    """Return `value`, which stands under `key`, as JSON can hold it."""
    if value is None or isinstance(value, bool):
        return value
    if key and is_telling(key):
        return MASK
    if isinstance(value, str) and not isinstance(value, Enum):
        return clean(value)
    if isinstance(value, int | float) and not isinstance(value, Enum):
        return value if _fits(value) else str(value)
    return _members(value, key, depth + 1) if depth < _DEEPEST else clean(_text(value))


def _members(value: object, key: str, depth: int) -> object:
    try:
        if isinstance(value, Mapping):
            items = list(value.items())[:_MOST_MEMBERS]
            return {clean(_text(name)): plain(one, _text(name), depth) for name, one in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(one, key, depth) for one in list(value)[:_MOST_MEMBERS]]
    except Exception:  # noqa: BLE001 - changed by another thread meanwhile, or made to fail
        return clean(_text(value))
    return clean(_text(value))


def _fits(number: float) -> bool:
    """Tell whether a number is one for every receiver: finite, and a `long` where it is whole."""
    return abs(number) <= _LARGEST if isinstance(number, int) else math.isfinite(number)


def _text(value: object) -> str:
    try:
        if isinstance(value, datetime):
            return rfc3339(value.astimezone(UTC)) if value.tzinfo else value.isoformat()
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, timedelta):
            return f"{value.total_seconds():g} s"
        if isinstance(value, Enum):
            return str(value.value)
        return str(value)
    except Exception:  # noqa: BLE001 - whatever __str__ does
        return f"<{type(value).__name__} without text>"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    try:
        return formatter.formatException(record.exc_info)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - an exception whose text fails
        return "a traceback that cannot be written"


def _set_in(text: str) -> str:
    shown = text if len(text) <= LONGEST else _cut(text)
    first, *more = redact(shown).split("\n")
    return "\n    ".join([visible(first), *(visible(line) for line in more)])


def _cut(text: str) -> str:
    """Leave the middle out: a traceback says what happened at its end."""
    half = LONGEST // 2
    return f"{text[:half]} … {len(text) - 2 * half} characters left out … {text[-half:]}"
