"""What staff say has become of a delivery, against the word of a provider or a mail."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update

from core.db import database
from core.errors import ConflictError
from invoices.models import Delivery
from invoices.services.actions import Order
from invoices.services.changes import Move, apply, lock_invoices
from status.models import Status, StatusEvent

DELIVERIES = Delivery.__table__
EVENTS = StatusEvent.__table__

HANDED_OVER = frozenset({Status.UNKNOWN, Status.SENT, Status.DELIVERED, Status.UNDELIVERABLE})
"""Of what stands elsewhere no mail can have said what became of it."""


def overrule(
    connection: Connection, delivery_id: UUID, is_undeliverable: bool | None, order: Order
) -> str:
    """Say whether a delivery failed; None: the history is told, and nothing changes.

    One that did not fail after all is what it was before it was said to have failed, but sent at
    least. The invoice follows its current delivery; the history says who and why. Returns what
    the delivery is now.

    Raises:
        ConflictError: it is not handed over, or is being sent again.
    """
    [delivery] = database().lock(connection, DELIVERIES, DELIVERIES.c.id == delivery_id)
    invoices = lock_invoices(connection, [delivery.invoice_id])
    if delivery.state not in HANDED_OVER:
        raise ConflictError(f"the delivery is {delivery.state}; only one that was handed over can")
    to = _wanted(connection, delivery, is_undeliverable)
    if to != delivery.state:
        changed = {"state": str(to), "due_at": None, "lease_token": None}
        mine = DELIVERIES.c.id == delivery_id
        connection.execute(update(DELIVERIES).where(mine).values(changed))
    invoice = invoices[delivery.invoice_id]
    is_current = invoice.current_delivery_id == delivery_id
    # A move to where it stands would leave no word in the history.
    follows = is_current and to != invoice.status
    move = Move(
        invoice_id=delivery.invoice_id,
        to=to if follows else None,
        cause=order.cause,
        delivery_id=delivery_id,
        actor=order.actor,
        note=order.reason if is_current else f"{to} for an earlier delivery: {order.reason}",
    )
    apply(connection, invoices, [move])
    return str(to)


def _wanted(connection: Connection, delivery: Row[Any], is_undeliverable: bool | None) -> str:
    if is_undeliverable is None:
        return str(delivery.state)
    if is_undeliverable:
        return Status.UNDELIVERABLE
    if delivery.state != Status.UNDELIVERABLE:
        return str(delivery.state)
    columns = EVENTS.c
    failed = (columns.delivery_id == delivery.id, columns.to_status == Status.UNDELIVERABLE)
    moved = columns.from_status != columns.to_status
    last = select(columns.from_status).where(*failed, moved).order_by(columns.sequence.desc())
    before = connection.scalar(last.limit(1))
    return Status.DELIVERED if before == Status.DELIVERED else Status.SENT
