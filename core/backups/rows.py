"""Rows as lines of JSON, the same from every engine, and what proves that none is missing."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

Kinds = Mapping[str, str]
"""Column → kind (core.backups.shapes), in the order of the values in a line."""

_SPACE = 1 << 256


@dataclass(slots=True)
class Tally:
    """Counts rows and adds up their SHA-256: the same rows in any order have the same sum."""

    rows: int = 0
    _sum: int = field(default=0)

    def add(self, line: bytes) -> None:
        """Count one line."""
        self.rows += 1
        self._sum = (self._sum + int.from_bytes(sha256(line).digest(), "big")) % _SPACE

    @property
    def content(self) -> str:
        """Return the sum as 64 hexadecimal digits."""
        return f"{self._sum:064x}"


def line(values: Sequence[object]) -> bytes:
    """Write a row as one line of ASCII, without its end."""
    text = json.dumps(
        list(values), default=_written, separators=(",", ":"), sort_keys=True, allow_nan=False
    )
    return text.encode("ascii")


def values(line: bytes, kinds: Kinds) -> dict[str, Any]:
    """Read a line back.

    Raises:
        ValueError: it is no row of these columns.
    """
    found = json.loads(line)
    if not isinstance(found, list) or len(found) != len(kinds):
        raise ValueError("a row has other columns than its table")
    return {
        name: None if value is None else _READERS.get(kind, _same)(value)
        for (name, kind), value in zip(kinds.items(), found, strict=True)
    }


def _written(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return _bytes(bytes(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no backup can hold a {type(value).__name__}")


def _bytes(value: bytes) -> str:
    """Write text as text, which packs well and can be searched, and all else in base 64."""
    try:
        return "u" + value.decode()
    except UnicodeDecodeError:
        return "b" + base64.b64encode(value).decode("ascii")


def _read_bytes(text: str) -> bytes:
    return text[1:].encode() if text[0] == "u" else base64.b64decode(text[1:], validate=True)


def _same(value: object) -> object:
    return value


_READERS: Mapping[str, Callable[[Any], object]] = {
    "uuid": UUID,
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": _read_bytes,
}
