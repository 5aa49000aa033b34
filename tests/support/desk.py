"""Short ways to work the desk by hand: claim, send, look at what is there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, insert, select, update

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from core.pump import Message
from invoices import dispatch
from invoices.channels import Channel
from invoices.models import Attempt, Delivery, Document, Invoice, Provider
from invoices.services import claims
from status.models import StatusEvent

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
DELIVERIES = Delivery.__table__
ATTEMPTS = Attempt.__table__
PROVIDERS = Provider.__table__
EVENTS = StatusEvent.__table__

LEASE = timedelta(minutes=5)


def rows(table: Table) -> list[Row[Any]]:
    """Return all rows, oldest first."""
    with reading() as connection:
        return list(connection.execute(select(table).order_by(table.c.id)))


def only(table: Table) -> Row[Any]:
    """Return the single row."""
    [row] = rows(table)
    return row


def change(table: Table, **values: object) -> None:
    """Write `values` into every row."""
    with unit_of_work() as connection:
        connection.execute(update(table).values(values))


def status_of(invoice_id: UUID) -> str:
    """Return where an invoice stands."""
    with reading() as connection:
        found = connection.scalar(select(INVOICES.c.status).where(INVOICES.c.id == invoice_id))
    return str(found)


def history_of(invoice_id: UUID) -> list[Row[Any]]:
    """Return an invoice's events in their order."""
    columns = EVENTS.c
    with reading() as connection:
        own = select(EVENTS).where(columns.invoice_id == invoice_id)
        return list(connection.execute(own.order_by(columns.sequence)))


def path_of(invoice_id: UUID) -> list[str]:
    """Return the statuses an invoice has gone through."""
    return [event.to_status for event in history_of(invoice_id)]


def due() -> None:
    """Let every delivery that waits for a time be due."""
    with unit_of_work() as connection:
        columns = DELIVERIES.c
        waits = update(DELIVERIES).where(columns.due_at.is_not(None))
        connection.execute(waits.values(due_at=utcnow() - timedelta(seconds=1)))


def claim(limit: int = 1000, lease: timedelta = LEASE) -> list[Message]:
    """Take what is due, as the pump does; one message per provider."""
    token = new_id()
    with unit_of_work() as connection:
        groups = claims.claim(connection, limit, token, utcnow() + lease)
    return [Message(token, group.ids, lease) for group in groups]


def batch_of(message: Message) -> claims.Batch | None:
    """Return the provider of a message; None when its deliveries are no longer its own."""
    with reading() as connection:
        return claims.provider_of(connection, message)


def send(channel: Channel, message: Message | None = None) -> int:
    """Hand over what is due, or what a message says; return how many were tried."""
    messages = [message] if message else claim()
    batches = ((batch_of(item), item) for item in messages)
    return sum(dispatch.send_batch(channel, batch, item) for batch, item in batches if batch)


def add_delivery(like: UUID, *, state: str, due_at: datetime | None = None) -> UUID:
    """Store another delivery of an invoice, in any state."""
    with unit_of_work() as connection:
        found = connection.execute(select(DELIVERIES).where(DELIVERIES.c.invoice_id == like))
        row = dict(found.mappings().first() or {})
        row |= {"id": new_id(), "state": state, "due_at": due_at, "lease_token": None}
        connection.execute(insert(DELIVERIES).values(row))
    return UUID(str(row["id"]))


def ids_of(messages: Sequence[Message]) -> list[UUID]:
    """Return the ids of all messages."""
    return [item for message in messages for item in message.ids]
