"""Taking words about a person out of every record: notes, answers, payloads, the audit.

What is configured, and what tells a repeat, is not rewritten but told.
"""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus
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
from core.ids import first_id_of
from core.models import Base
from core.retention import layers, passes

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
            for word, other in self.replacements.items():
                value = _whole(word).sub(other, value)
            return value
        if isinstance(value, Mapping):
            return {self.replaced(key): self.replaced(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.replaced(part) for part in value]
        return value

    def are_in(self, *values: object) -> bool:
        """Tell whether one of the words stands in one of these: texts, bytes, JSON values.

        In bytes it may be in any code that mails and attachments are written in.
        """
        return any(self.replaced(text) != text for value in values for text in _texts(value))

    def may_stand_in(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the condition that a column of text or JSON may hold one of the words."""
        text = cast(column, String)
        forms = {form for word in self.replacements for form in spellings(word)}
        # SQLite knows the case of ASCII alone.
        cases = {one for form in forms for one in (form, form.lower(), form.upper())}
        wanted = forms | {one for one in cases if not one.isascii()}
        return or_(*(text.icontains(one, autoescape=True) for one in sorted(wanted)))


def _texts(value: object) -> Iterable[object]:
    return layers.texts(value) if isinstance(value, bytes) else (value,)


@lru_cache(maxsize=16)
def spellings(word: str) -> tuple[str, ...]:
    """Return a word as it is, and as it is written in JSON (also within JSON), HTML and URLs."""
    in_json = json.dumps(word)[1:-1]
    forms = (
        *(word, in_json, json.dumps(in_json)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]),
        *(html.escape(word), quote(word, safe=""), quote_plus(word)),
    )
    return tuple(dict.fromkeys(forms))


_BEFORE = r"(?:(?<![\w.+-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})|(?<=%[0-9a-f]{2}))"
"""Nothing of a longer word or address; an escape that ends there is none."""


@lru_cache(maxsize=16)
def _whole(word: str) -> re.Pattern[str]:
    """Return what finds a word, however spelled, that is no part of a longer address or word."""
    forms = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in spellings(word))
    return re.compile(rf"{_BEFORE}(?:{forms})(?![\w-]|\.\w)", re.IGNORECASE)


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
    columns = [table.c[name] for name in words_of(table)]
    for row in rows:
        mine = [column == row[column.name] for column in table.primary_key.columns]
        # As it is now: somebody may have written other words since it was found.
        locked = select(*columns).where(*mine).with_for_update()
        for found in connection.execute(locked).mappings().all():
            values = {name: words.replaced(value) for name, value in found.items()}
            changed = {name: value for name, value in values.items() if value != found[name]}
            if changed:
                connection.execute(update(table).where(*mine).values(changed))
