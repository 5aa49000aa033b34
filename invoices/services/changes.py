"""Changing an invoice's status: always with its event, always by rows that are locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, update

from core.db import database
from invoices.models import Invoice
from status import services as history
from status.models import Cause, Status

INVOICES = Invoice.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where one locked invoice goes, and why. `to` None: a fact that changes nothing."""

    invoice_id: UUID
    to: str | None
    cause: Cause
    delivery_id: UUID | None = None
    actor: str | None = None
    note: str | None = None
    occurred_at: datetime | None = None


_MOVED = tuple(
    INVOICES.c[name]
    for name in (
        "id",
        "source_id",
        "number",
        "external_id",
        "status",
        "status_sequence",
        "current_delivery_id",
    )
)
"""What a change must know of an invoice. A row has four times as much."""


def lock_invoices(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Lock invoices in the order of their ids, so that two batches cannot lock each other out."""
    wanted = database().among(INVOICES.c.id, ids)
    return {row.id: row for row in database().lock(connection, INVOICES, wanted, _MOVED)}


def follow(
    connection: Connection,
    deliveries: Sequence[Row[Any]],
    to: Status,
    notes: Mapping[UUID, str] = MappingProxyType({}),
) -> None:
    """Let dispatch move the invoices whose current deliveries these are; `notes` by delivery.

    The rows have `id` and `invoice_id`, and their locks are the caller's.
    """
    invoices = lock_invoices(connection, [row.invoice_id for row in deliveries])
    moves = [
        Move(
            invoice_id=row.invoice_id,
            to=to,
            cause=Cause.DISPATCH,
            delivery_id=row.id,
            note=notes.get(row.id),
        )
        for row in deliveries
        if invoices[row.invoice_id].current_delivery_id == row.id
    ]
    apply(connection, invoices, moves)


def apply(connection: Connection, invoices: dict[UUID, Row[Any]], moves: Sequence[Move]) -> None:
    """Write the new statuses and their events; at most one move per invoice.

    An invoice that already stands where it is sent to is left alone. One statement for each new
    status: nearly all of a batch goes the same way.
    """
    real = [move for move in moves if move.to != invoices[move.invoice_id].status]
    changes = [_change(invoices[move.invoice_id], move) for move in real]
    for status in {change.to_status for change in changes}:
        ids = [change.invoice_id for change in changes if change.to_status == status]
        connection.execute(
            update(INVOICES)
            .where(database().among(INVOICES.c.id, ids))
            .values(status=str(status), status_sequence=INVOICES.c.status_sequence + 1)
        )
    history.record(connection, changes)


def _change(invoice: Row[Any], move: Move) -> history.Change:
    return history.Change(
        invoice_id=invoice.id,
        source_id=invoice.source_id,
        number=invoice.number,
        external_id=invoice.external_id,
        sequence=invoice.status_sequence + 1,
        from_status=invoice.status,
        to_status=move.to or invoice.status,
        cause=move.cause,
        delivery_id=move.delivery_id,
        actor=move.actor,
        note=move.note,
        occurred_at=move.occurred_at,
    )
