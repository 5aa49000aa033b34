"""Reads of suppressed addresses, and of what is held because of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from core.clock import utcnow
from core.errors import NotFoundError
from core.retention import pseudonyms
from core.settings import current
from invoices.models import Delivery, Invoice, Source
from invoices.suppression_models import Suppression
from status.models import Status

SUPPRESSIONS = Suppression.__table__
DELIVERIES = Delivery.__table__
INVOICES = Invoice.__table__
SOURCES = Source.__table__


def is_active(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a suppression counts."""
    columns = SUPPRESSIONS.c
    return and_(
        columns.suppressed_at.is_not(None),
        columns.released_at.is_(None),
        or_(columns.expires_at.is_(None), columns.expires_at > now),
    )


def active(
    connection: Connection, source_id: UUID | None, after: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` addresses that are suppressed now, oldest first; for staff, all."""
    columns = SUPPRESSIONS.c
    statement = (
        select(SUPPRESSIONS, SOURCES.c.name.label("source"))
        .join(SOURCES, SOURCES.c.id == columns.source_id)
        .where(is_active(utcnow()))
    )
    if source_id is not None:
        statement = statement.where(columns.source_id == source_id)
    if after is not None:
        statement = statement.where(columns.id > after)
    return list(connection.execute(statement.order_by(columns.id).limit(count)))


def source_id(connection: Connection, name: str) -> UUID:
    """Return the id of the source called `name`.

    Raises:
        NotFoundError: there is none.
    """
    found: UUID | None = connection.scalar(select(SOURCES.c.id).where(SOURCES.c.name == name))
    if found is None:
        raise NotFoundError(f"there is no source '{name}'")
    return found


def about(connection: Connection, delivery_id: UUID) -> Row[Any] | None:
    """Return what suppresses the address that a delivery goes to; None when nothing does."""
    went_to = select(DELIVERIES.c.recipient).where(DELIVERIES.c.id == delivery_id)
    recipient = connection.scalar(went_to) or ""
    statement = (
        select(SUPPRESSIONS)
        .join(INVOICES, INVOICES.c.source_id == SUPPRESSIONS.c.source_id)
        .join(DELIVERIES, DELIVERIES.c.invoice_id == INVOICES.c.id)
        .where(
            DELIVERIES.c.id == delivery_id,
            SUPPRESSIONS.c.address.in_(spelled(recipient)),
            is_active(utcnow()),
        )
    )
    return connection.execute(statement.limit(1)).first()


def spelled(address: str) -> list[str]:
    """Return an address as suppressions have it, before and after it was erased."""
    found = address.strip().lower()
    return [found, pseudonyms.address_of(current().secret_key, found)]


def held(
    connection: Connection, address: str, source_id: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` invoices that are held and go to an address, of one source or of all.

    Rows have `invoice_id`, `number`, `created_at` and `reason` of their deliveries.
    """
    columns = (DELIVERIES.c.invoice_id, DELIVERIES.c.created_at, DELIVERIES.c.reason)
    statement = (
        select(*columns, INVOICES.c.number)
        .join(INVOICES, INVOICES.c.current_delivery_id == DELIVERIES.c.id)
        .where(
            DELIVERIES.c.state == Status.HELD,
            func.lower(DELIVERIES.c.recipient) == address.strip().lower(),
        )
    )
    if source_id is not None:
        statement = statement.where(INVOICES.c.source_id == source_id)
    return list(connection.execute(statement.order_by(DELIVERIES.c.id).limit(count)))
