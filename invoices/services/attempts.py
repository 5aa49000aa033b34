"""Beginning attempts: committed before any byte leaves, so that a crash leaves evidence."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, select, update

from core.clock import utcnow
from core.db import database
from core.ids import new_id
from core.leases import holder_name
from core.pump import Message
from invoices.channels import Draft, Envelope
from invoices.models import Attempt, Delivery, Document, Invoice
from invoices.services import letters, suppression_holds
from invoices.services.changes import follow
from invoices.services.claims import WAITING
from status.models import Status

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
DELIVERIES = Delivery.__table__
ATTEMPTS = Attempt.__table__


def begin(
    connection: Connection,
    provider_id: UUID,
    message: Message,
    own: UUID,
    ids: Sequence[UUID],
    *,
    has_letters: bool = False,
) -> list[Envelope]:
    """Begin an attempt for each delivery of the provider that still carries the message's token.

    One of another provider is left alone, so that nobody gets what is meant for somebody else:
    it is due again when its lease ends. From then on those that were begun carry `own`. The
    attempts are committed before any byte leaves, so that a crash leaves evidence. A second
    message with the same token finds nothing. What goes to a suppressed address is held first.
    `has_letters`: each envelope gets what its letter is written from.
    """
    suppression_holds.hold(connection, message.token, ids)
    now = utcnow()
    columns = DELIVERIES.c
    mine = and_(
        database().among(columns.id, ids),
        columns.lease_token == message.token,
        columns.provider_id == provider_id,
        columns.state.in_(WAITING),
    )
    values = {
        "state": str(Status.SENDING),
        "lease_token": own,
        "due_at": now + message.lease,
        "attempt_count": columns.attempt_count + 1,
    }
    begun = database().claim(connection, DELIVERIES, where=mine, values=values)
    if not begun:
        return []
    rows = _with_documents(connection, connection.execute(_envelopes(begun)).all())
    attempts = [_attempt_row(row, now) for row in rows]
    database().insert_many(connection, ATTEMPTS, attempts)
    follow(connection, rows, Status.SENDING)
    drafts = letters.drafts(connection, [row.invoice_id for row in rows]) if has_letters else {}
    return [
        _envelope(row, attempt, drafts.get(row.invoice_id))
        for row, attempt in zip(rows, attempts, strict=True)
    ]


def _envelopes(ids: Sequence[UUID]) -> Select[Any]:
    """Select what the channels need, with the document's bytes."""
    return (
        select(
            DELIVERIES.c.id,
            DELIVERIES.c.invoice_id,
            DELIVERIES.c.attempt_count,
            DELIVERIES.c.recipient,
            INVOICES.c.number,
            DOCUMENTS.c.media_type,
            DOCUMENTS.c.body,
            DOCUMENTS.c.purged_at,
        )
        .join(INVOICES, INVOICES.c.id == DELIVERIES.c.invoice_id)
        .join(DOCUMENTS, DOCUMENTS.c.id == DELIVERIES.c.document_id)
        .where(database().among(DELIVERIES.c.id, ids))
        .order_by(DELIVERIES.c.id)
    )


def _with_documents(connection: Connection, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Return the deliveries that have something to send; hold those whose document is gone.

    Nobody asks for one: to send again is refused. Should one come all the same, as from a restore
    or an older version, an empty file must never go out for an invoice.
    """
    gone = [row for row in rows if row.purged_at is not None]
    if not gone:
        return list(rows)
    note = "its document was removed by retention: there is nothing to send"
    values = {"state": str(Status.HELD), "due_at": None, "lease_token": None, "reason": note}
    mine = database().among(DELIVERIES.c.id, [row.id for row in gone])
    fewer = {"attempt_count": DELIVERIES.c.attempt_count - 1}
    connection.execute(update(DELIVERIES).where(mine).values(values | fewer))
    follow(connection, gone, Status.HELD, {row.id: note for row in gone})
    return [row for row in rows if row.purged_at is None]


def _attempt_row(row: Row[Any], now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "delivery_id": row.id,
        "number": row.attempt_count,
        "started_at": now,
        "finished_at": None,
        "outcome": None,
        "may_have_arrived": False,
        "http_status": None,
        "provider_reference": None,
        "response": None,
        "worker": holder_name(),
    }


def _envelope(row: Row[Any], attempt: Mapping[str, Any], draft: Draft | None) -> Envelope:
    return Envelope(
        delivery_id=row.id,
        attempt_id=attempt["id"],
        attempt=row.attempt_count,
        number=row.number,
        recipient=row.recipient,
        media_type=row.media_type,
        body=row.body,
        draft=draft,
    )
