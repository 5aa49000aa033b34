"""Taking words about a person out of every record: notes, answers, payloads, the audit.

What is configured, and what tells a repeat, is not rewritten but told.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    LargeBinary,
    String,
    Table,
    cast,
    or_,
    select,
    update,
)

from core.clock import utcnow
from core.db import database
from core.ids import first_id_of
from core.models import Base
from core.retention import passes

CONFIGURED = frozenset(
    {
        "users",
        "passkeys",
        "sources",
        "api_keys",
        "providers",
        "subscriptions",
        "letter_templates",
        "mail_rules",
        "status_mappings",
        "schedules",
    }
)
"""Tables that people write: what stands there they change themselves."""

ELSEWHERE = frozenset({"invoices", "documents"})
"""Tables of which only the person's own rows are changed, by whoever knows which those are."""

KEYS = frozenset(
    {
        "number",
        "external_id",
        "seller_key",
        "provider_reference",
        "key",
        "dedupe_key",
        "nonce",
        "once",
        "code",
        "name",
    }
)
"""Columns by which a repeat is known, or a row is found."""

LAST = "audit_entries"
"""Scrubbed at the end: what is changed before leaves entries there."""

AHEAD = timedelta(hours=1)
"""How far the clock of another host may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Words:
    """What is looked for, whole and in any case of letters, and what takes its place.

    The database finds where a word may stand, also as a part of another: `anna@b.example` holds
    `a@b.example`. What is found is looked at again before anything is done.
    """

    replacements: Mapping[str, str]

    def replaced(self, value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
        """Return a value without the words: a text, or a JSON value with texts in it."""
        if isinstance(value, str):
            for spelled, other in self._spelled().items():
                value = _whole(spelled).sub(other, value)
            return value
        if isinstance(value, Mapping):
            return {self.replaced(key): self.replaced(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.replaced(part) for part in value]
        return value

    def are_in(self, *values: object) -> bool:
        """Tell whether one of the words stands in one of these: texts, bytes, JSON values."""
        texts = map(_text, values)
        return any(self.replaced(text) != text for text in texts)

    def may_stand_in(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the condition that a column of text or JSON may hold one of the words."""
        text = cast(column, String)
        return or_(*(text.icontains(word, autoescape=True) for word in self._spelled()))

    def may_stand_in_bytes(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the condition that a column of bytes may hold one of the words, as UTF-8.

        Words are looked for as they are, and in small and in capital letters.
        """
        spelled = {form for word in self._spelled() for form in (word, word.lower(), word.upper())}
        return or_(*(database().position(column, one.encode()) > 0 for one in sorted(spelled)))

    def _spelled(self) -> dict[str, str]:
        """Return each word as it is, and as it is written in JSON of ASCII."""
        found: dict[str, str] = {}
        for word, other in self.replacements.items():
            found |= {word: other, json.dumps(word)[1:-1]: other}
        return found


def _text(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


@lru_cache(maxsize=16)
def _whole(word: str) -> re.Pattern[str]:
    """Return what finds a word that is no part of a longer address or word."""
    return re.compile(rf"(?<![\w.+-]){re.escape(word)}(?![\w-]|\.\w)", re.IGNORECASE)


def scrub(connection: Connection, run_id: UUID, words: Words) -> dict[str, int]:
    """Replace the words in every record, as part of a run; return how many rows of each table."""
    counts = {}
    tables = [
        table for table in Base.metadata.sorted_tables if table.name not in CONFIGURED | ELSEWHERE
    ]
    for table in sorted(tables, key=lambda one: one.name == LAST):
        count = _scrub_table(connection, run_id, table, words)
        if count:
            counts[table.name] = count
    return counts


def left(connection: Connection, words: Words) -> dict[str, int]:
    """Count the rows of each table in which the words still stand, in configuration and keys."""
    counts = {}
    for table in Base.metadata.sorted_tables:
        names = [column.name for column in table.c if isinstance(column.type, String | JSON)]
        counts[table.name] = len(_found(connection, table, names, words)) if names else 0
    return {name: count for name, count in counts.items() if count}


def _found(
    connection: Connection, table: Table, names: Sequence[str], words: Words
) -> list[Mapping[Any, Any]]:
    """Return the keys and these columns of the rows in which one of the words stands."""
    columns = [table.c[name] for name in names]
    key = [column for column in table.primary_key.columns if column.name not in names]
    holds = or_(*(words.may_stand_in(column) for column in columns))
    rows = connection.execute(select(*key, *columns).where(holds)).mappings()
    return [row for row in rows if words.are_in(*(row[name] for name in names))]


def _scrub_table(connection: Connection, run_id: UUID, table: Table, words: Words) -> int:
    names = words_of(table)
    rows = _found(connection, table, names, words) if names else []
    if rows and table.name in passes.WORDS:
        before = first_id_of(utcnow() + AHEAD)
        with passes.opened(connection, run_id, table.name, "update", before):
            _write(connection, table, rows, words)
    else:
        _write(connection, table, rows, words)
    return len(rows)


def words_of(table: Table) -> Sequence[str]:
    """Return the columns of a table that hold words and may be rewritten."""
    if table.name in passes.WORDS:
        return passes.WORDS[table.name]
    return [
        column.name
        for column in table.c
        if isinstance(column.type, String | JSON)
        and not isinstance(column.type, LargeBinary)
        and column.name not in KEYS
        and not column.primary_key
    ]


def _write(
    connection: Connection, table: Table, rows: Sequence[Mapping[Any, Any]], words: Words
) -> None:
    names = words_of(table)
    for row in rows:
        values = {name: words.replaced(row[name]) for name in names}
        changed = {name: value for name, value in values.items() if value != row[name]}
        mine = [column == row[column.name] for column in table.primary_key.columns]
        if changed:
            connection.execute(update(table).where(*mine).values(changed))
