"""Weekly totals per currency, status and source."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, delete, func, select

from core.clock import utcnow
from core.db import database
from core.errors import InputError
from core.ids import new_id
from invoices.models import Invoice, Report, Source

INVOICES = Invoice.__table__
REPORTS = Report.__table__
SOURCES = Source.__table__
WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """An ISO 8601 week in a time zone; `start` and `end` are moments, `end` is not part of it."""

    name: str
    start: datetime
    end: datetime

    @classmethod
    def named(cls, name: str, zone: tzinfo) -> "Week":
        """Read a name such as `2026-W47`.

        Raises:
            InputError: another form, or a week that the year does not have.
        """
        found = WEEK.fullmatch(name)
        try:
            monday = date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None
        except ValueError:
            monday = None
        if monday is None:
            raise InputError.at("/week", "week", f"'{name}' is no week; write it as 2026-W47")
        return cls._from(monday, zone)

    @classmethod
    def asked_for(cls, name: str | None, now: datetime, zone: tzinfo) -> "Week":
        """Read a name; None is the last week that is over.

        Raises:
            InputError: it names no week.
        """
        return cls.before(now, zone) if name is None else cls.named(name, zone)

    @classmethod
    def before(cls, moment: datetime, zone: tzinfo) -> "Week":
        """Return the last week that was over at `moment`."""
        today = moment.astimezone(zone).date()
        return cls._from(today - timedelta(days=today.weekday() + 7), zone)

    @classmethod
    def _from(cls, monday: date, zone: tzinfo) -> "Week":
        year, number, _ = monday.isocalendar()
        start = datetime.combine(monday, clock_time(), zone)
        end = datetime.combine(monday + timedelta(days=7), clock_time(), zone)
        return cls(name=f"{year}-W{number:02}", start=start, end=end)


def compute(
    connection: Connection, week: Week, source_id: UUID | None = None
) -> list[dict[str, Any]]:
    """Add up the invoices accepted in `week`, by their status of now; one row per group."""
    columns = INVOICES.c
    groups = (columns.source_id, columns.currency, columns.status)
    statement = (
        select(
            *groups,
            SOURCES.c.name.label("source"),
            func.count().label("invoice_count"),
            func.sum(columns.payable_amount).label("payable_amount"),
            func.sum(columns.tax_amount).label("tax_amount"),
        )
        .join(SOURCES, SOURCES.c.id == columns.source_id)
        .where(columns.created_at >= week.start, columns.created_at < week.end)
        .group_by(*groups, SOURCES.c.name)
        .order_by(SOURCES.c.name, columns.currency, columns.status)
    )
    if source_id is not None:
        statement = statement.where(columns.source_id == source_id)
    return [_total(row, week) for row in connection.execute(statement).mappings()]


def _total(found: RowMapping, week: Week) -> dict[str, Any]:
    """Return one group; where no invoice states its tax, the tax is zero."""
    return {"week": week.name, **found, "tax_amount": found["tax_amount"] or Decimal(0)}


def store(connection: Connection, week: Week) -> list[dict[str, Any]]:
    """Compute the totals of a week and keep them, in place of an earlier answer."""
    rows = compute(connection, week)
    now = utcnow()
    connection.execute(delete(REPORTS).where(REPORTS.c.week == week.name))
    kept = [
        {name: value for name, value in row.items() if name != "source"}
        | {"id": new_id(), "computed_at": now}
        for row in rows
    ]
    database().insert_many(connection, REPORTS, kept)
    return rows


def stored(
    connection: Connection, week: Week, source_id: UUID | None = None
) -> Sequence[dict[str, Any]]:
    """Return the totals that were kept for a week, of one source or of all; empty: none were."""
    columns = REPORTS.c
    statement = (
        select(REPORTS, SOURCES.c.name.label("source"))
        .join(SOURCES, SOURCES.c.id == columns.source_id)
        .where(columns.week == week.name)
        .order_by(SOURCES.c.name, columns.currency, columns.status)
    )
    if source_id is not None:
        statement = statement.where(columns.source_id == source_id)
    return [dict(row) for row in connection.execute(statement).mappings()]
