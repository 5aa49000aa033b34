"""What the start page says of invoices: how many are where, which wait longest, and how much money.

Everything is bounded, however many rows there are: beyond MOST nobody counts on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, func, select

from core import counting
from invoices.models import Invoice
from status.models import Status

INVOICES = Invoice.__table__

MOST = 10_000
MOST_MONEY = 100_000

WAITING = (
    Status.HELD,
    Status.READY,
    Status.SENDING,
    Status.RETRY_WAIT,
    Status.UNKNOWN,
    Status.FAILED,
    Status.UNDELIVERABLE,
)
"""Where an invoice has not gone out, and somebody or something must still see to it."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many invoices are at a status; `is_more`: this many, and more."""

    status: Status
    count: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class Oldest:
    """The invoice that has been at a status since the longest time, by when it was accepted."""

    status: Status
    invoice_id: UUID
    number: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Money:
    """What has not been delivered in one currency; `is_more`: there are more invoices than that."""

    currency: str
    amount: Decimal
    invoice_count: int
    is_more: bool


def counts(connection: Connection, most: int = MOST) -> list[Count]:
    """Return how many invoices are at each status, all statuses in their order."""
    return [_count(connection, status, most) for status in Status]


def oldest(connection: Connection) -> list[Oldest]:
    """Return the oldest invoice of each status that waits; none where nothing waits."""
    found = (_oldest(connection, status) for status in WAITING)
    return [one for one in found if one is not None]


def undelivered(connection: Connection) -> list[Money]:
    """Return the sums of what waits, by currency; at most the newest 100,000 of each status."""
    sums: dict[str, tuple[Decimal, int]] = {}
    is_more = False
    for status in WAITING:
        rows = _money(connection, status)
        is_more |= sum(count for _, _, count in rows) >= MOST_MONEY
        for currency, amount, count in rows:
            known, before = sums.get(currency, (Decimal(0), 0))
            sums[currency] = (known + amount, before + count)
    return [Money(name, *sums[name], is_more) for name in sorted(sums)]


def _count(connection: Connection, status: Status, most: int) -> Count:
    found = counting.up_to(connection, INVOICES.c.status == status, most + 1)
    return Count(status, min(found, most), found > most)


def _oldest(connection: Connection, status: Status) -> Oldest | None:
    columns = INVOICES.c
    statement = select(columns.id, columns.number, columns.created_at)
    first = statement.where(columns.status == status).order_by(columns.id).limit(1)
    row = connection.execute(first).one_or_none()
    return None if row is None else Oldest(status, row.id, row.number, row.created_at)


def _money(connection: Connection, status: Status) -> Sequence[tuple[str, Decimal, int]]:
    columns = INVOICES.c
    some = (
        select(columns.currency, columns.payable_amount)
        .where(columns.status == status)
        .order_by(columns.id.desc())
        .limit(MOST_MONEY)
        .subquery()
    )
    total = func.sum(some.c.payable_amount)
    statement = select(some.c.currency, total, func.count()).group_by(some.c.currency)
    return [(row[0], row[1], row[2]) for row in connection.execute(statement)]
