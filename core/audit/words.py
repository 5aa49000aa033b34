"""What the audit writes down of a row: plain values that people can read, and no secret."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, select

from core.audit.registry import Watch, watched
from core.clock import rfc3339
from core.redaction import MASK, is_telling, redact

LABEL_LENGTH = 200

SET = "set"
CHANGED = "changed"
"""What stands in `after` in place of a secret; before it is masked."""


class Words:
    """Puts the rows of one table into words; a row that others refer to is looked up once."""

    def __init__(self, connection: Connection, watch: Watch) -> None:
        self.watch = watch
        self._connection = connection
        self._names: dict[tuple[str, object], str] = {}

    def label(self, row: Mapping[Any, Any]) -> str | None:
        """Return what people call a row."""
        parts = [self._named(name, row[name]) or row[name] for name in self.watch.labels]
        parts = [plain(part) for part in parts]
        text = " ".join(str(part) for part in parts if part is not None)
        return text[:LABEL_LENGTH] or None

    def difference(
        self, before: RowMapping | None, after: RowMapping | None
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return what differs of the watched columns, before and after, in the table's order.

        Of a row that is new or gone, empty columns are left out.
        """
        old: Mapping[Any, Any] = before or {}
        new: Mapping[Any, Any] = after or {}
        names = [
            column.key
            for column in self.watch.table.c
            if column.key in self.watch.columns and old.get(column.key) != new.get(column.key)
        ]
        return (
            {name: self._old(name, old) for name in names if before is not None},
            {name: self._new(name, old, new) for name in names if after is not None},
        )

    def _old(self, name: str, old: Mapping[Any, Any]) -> object:
        if name in self.watch.secret:
            return None if old[name] is None else MASK
        return self._value(name, old[name])

    def _new(self, name: str, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> object:
        if name not in self.watch.secret:
            return self._value(name, new[name])
        if new[name] is None:
            return None
        return SET if old.get(name) is None else CHANGED

    def _value(self, name: str, value: object) -> object:
        """Return a value; one that refers to another audited row with what that is called."""
        called = self._named(name, value)
        return f"{called} ({value})" if called else plain(value)

    def _named(self, name: str, value: object) -> str:
        """Return what the audited row is called that a value refers to; empty: it does not."""
        column = self.watch.table.c[name]
        if value is None or not column.foreign_keys:
            return ""
        if (name, value) not in self._names:
            self._names[name, value] = self._look_up(column, value)
        return self._names[name, value]

    def _look_up(self, column: Column[Any], value: object) -> str:
        target = next(iter(column.foreign_keys)).column
        other = watched.get(target.table)
        if other is None:
            return ""
        labels = [target.table.c[name] for name in other.labels]
        found = self._connection.execute(select(*labels).where(target == value)).first()
        return " ".join(str(plain(part)) for part in found or () if part is not None)


def plain(value: object) -> object:
    """Return a value as JSON has it, for people to read; what looks like a secret is masked."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {
            str(key): MASK if is_telling(str(key)) else plain(part) for key, part in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    return redact(_text(value))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
