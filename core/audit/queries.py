"""Searching the audit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, String, cast, or_, select

from core.audit.models import AuditEntry
from core.ids import first_id_of

ENTRIES = AuditEntry.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are wanted; None: any.

    `since` is included, `until` is not. `text` is looked for, in any case of letters, in what a
    row is called, its id, the reason and the values; it is no pattern.
    """

    actor: str | None = None
    kind: str | None = None
    row_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


def search(
    connection: Connection, wanted: Filter, *, before: UUID | None = None, count: int = 50
) -> list[Row[Any]]:
    """Return up to `count` entries, the newest first; `before` is the last id of the page before.

    Every filter but `text` has an index; `text` looks at what the others leave.
    """
    statement = select(ENTRIES).where(*_conditions(wanted))
    if before is not None:
        statement = statement.where(ENTRIES.c.id < before)
    return list(connection.execute(statement.order_by(ENTRIES.c.id.desc()).limit(count)))


def actors(connection: Connection) -> Sequence[str]:
    """Return everybody who has changed something, for a filter to choose from."""
    return connection.scalars(select(ENTRIES.c.actor).distinct().order_by(ENTRIES.c.actor)).all()


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    columns = ENTRIES.c
    exact = {"actor": wanted.actor, "kind": wanted.kind, "row_id": wanted.row_id}
    conditions = [columns[name] == value for name, value in exact.items() if value is not None]
    if wanted.since is not None:
        conditions.append(columns.id >= first_id_of(wanted.since))
    if wanted.until is not None:
        conditions.append(columns.id < first_id_of(wanted.until))
    if wanted.text:
        conditions.append(mentions(wanted.text))
    return conditions


def mentions(text: str) -> ColumnElement[bool]:
    """Return what entries fulfil in which `text` stands, as `Filter` says it."""
    columns = ENTRIES.c
    written = json.dumps(text)[1:-1]  # as it stands in the JSON of before and after
    return or_(
        *(column.icontains(text, autoescape=True) for column in (columns.label, columns.reason)),
        columns.row_id == text,
        *(
            cast(column, String).icontains(written, autoescape=True)
            for column in (columns.before, columns.after)
        ),
    )
