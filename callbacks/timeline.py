"""One invoice from its beginning: all that happened to it, in order of time, from every table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from callbacks import queries as callback_queries
from invoices import queries as invoice_queries
from status import gaps
from status import queries as status_queries

MOST = 500
"""Rows of one kind, the newest; the page of an invoice that was resent for ever must end too."""


class Kind(StrEnum):
    """Where an entry comes from; of the same moment, in this order."""

    GAP = "gap"
    EVENT = "event"
    DELIVERY = "delivery"
    ATTEMPT = "attempt"
    CALLBACK = "callback"
    PUSH = "push"
    PUSH_ATTEMPT = "push_attempt"


_ORDER = {kind: number for number, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened, at `at`, when we came to know of it.

    `state` is the word of its table (a status, an outcome, a state), `took` how long it lasted,
    `due_at` when somebody looks at it next; `row` has the rest.
    """

    at: datetime
    kind: Kind
    id: UUID
    state: str | None
    note: str | None = None
    took: timedelta | None = None
    due_at: datetime | None = None
    row: Row[Any]


def timeline(connection: Connection, invoice_id: UUID) -> list[Entry]:
    """Return all that happened to an invoice, the oldest first; for staff.

    Raises:
        NotFoundError: there is no such invoice.
    """
    events = status_queries.newest_events(connection, invoice_id, MOST)
    deliveries = invoice_queries.newest_deliveries(connection, invoice_id, MOST)
    delivery_ids = [row.id for row in deliveries]
    pushes = status_queries.pushes_of(connection, [row.id for row in events], MOST)
    found = (
        map(_gap, gaps.of_invoice(connection, invoice_id)),
        map(_event, events),
        map(_delivery, deliveries),
        map(_attempt, invoice_queries.newest_attempts(connection, delivery_ids, MOST)),
        map(_callback, callback_queries.of_deliveries(connection, delivery_ids, MOST)),
        map(_push, pushes),
        map(_push_attempt, status_queries.push_attempts(connection, [row.id for row in pushes])),
    )
    return sorted(_all(found), key=lambda entry: (entry.at, _ORDER[entry.kind], entry.id))


def _all(found: Iterable[Iterable[Entry]]) -> Iterator[Entry]:
    return (entry for entries in found for entry in entries)


def _gap(row: Row[Any]) -> Entry:
    return Entry(
        at=row.newest_at,
        kind=Kind.GAP,
        id=row.invoice_id,
        state="removed",
        note=gaps.in_words(row),
        row=row,
    )


def _event(row: Row[Any]) -> Entry:
    return Entry(
        at=row.recorded_at, kind=Kind.EVENT, id=row.id, state=row.to_status, note=row.note, row=row
    )


def _delivery(row: Row[Any]) -> Entry:
    return Entry(
        at=row.created_at,
        kind=Kind.DELIVERY,
        id=row.id,
        state=row.state,
        note=row.reason,
        due_at=row.due_at,
        row=row,
    )


def _attempt(row: Row[Any]) -> Entry:
    return Entry(
        at=row.started_at,
        kind=Kind.ATTEMPT,
        id=row.id,
        state=row.outcome,
        note=row.response,
        took=_between(row.started_at, row.finished_at),
        row=row,
    )


def _callback(row: Row[Any]) -> Entry:
    return Entry(
        at=row.received_at,
        kind=Kind.CALLBACK,
        id=row.id,
        state=row.state,
        note=row.note,
        due_at=row.due_at,
        row=row,
    )


def _push(row: Row[Any]) -> Entry:
    return Entry(
        at=row.created_at,
        kind=Kind.PUSH,
        id=row.id,
        state=row.state,
        note=row.event_type,
        took=_between(row.created_at, row.finished_at),
        due_at=row.due_at,
        row=row,
    )


def _push_attempt(row: Row[Any]) -> Entry:
    return Entry(
        at=row.started_at,
        kind=Kind.PUSH_ATTEMPT,
        id=row.id,
        state="failed" if row.error else "delivered",
        note=row.error,
        took=_between(row.started_at, row.finished_at),
        row=row,
    )


def _between(begin: datetime, end: datetime | None) -> timedelta | None:
    return None if end is None else end - begin
