"""Changing an invoice's status: always with its event, always by rows that are locked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from core.db import database
from invoices.models import Invoice
from status import services as history
from status.models import Cause

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


def lock_invoices(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Lock invoices in the order of their ids, so that two batches cannot lock each other out."""
    rows = database().lock(connection, INVOICES, database().among(INVOICES.c.id, ids))
    return {row.id: row for row in rows}


def apply(connection: Connection, invoices: dict[UUID, Row[Any]], moves: Sequence[Move]) -> None:
    """Write the new statuses and their events; at most one move per invoice.

    An invoice that already stands where it is sent to is left alone.
    """
    real = [move for move in moves if move.to != invoices[move.invoice_id].status]
    changes = [_change(invoices[move.invoice_id], move) for move in real]
    rows = [
        {
            "id": change.invoice_id,
            "status": str(change.to_status),
            "status_sequence": change.sequence,
        }
        for change in changes
    ]
    database().update_many(connection, INVOICES, rows)
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
