"""Holding back what would go to an address that bounced, just before it is sent."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from core.clock import utcnow
from core.db import database
from core.retention import pseudonyms
from core.settings import current
from invoices.services.changes import follow
from invoices.services.claims import WAITING
from invoices.suppression_queries import DELIVERIES, INVOICES, SUPPRESSIONS, is_active
from status.models import Status

LONGEST_NOTE = 500


def hold(connection: Connection, token: UUID, ids: Sequence[UUID]) -> int:
    """Hold those of the claimed deliveries that go to a suppressed address; return how many.

    Each says why in its reason and in the history of its invoice.
    """
    rows = _suppressed(connection, token, ids)
    if not rows:
        return 0
    notes = {row.id: _why(row) for row in rows}
    handle = database()
    still = and_(handle.among(DELIVERIES.c.id, list(notes)), DELIVERIES.c.lease_token == token)
    held = handle.lock(connection, DELIVERIES, still)
    values = {"state": str(Status.HELD), "due_at": None, "lease_token": None}
    handle.update_many(
        connection,
        DELIVERIES,
        [{"id": row.id, "reason": notes[row.id], **values} for row in held],
    )
    follow(connection, held, Status.HELD, notes)
    return len(held)


def _suppressed(connection: Connection, token: UUID, ids: Sequence[UUID]) -> list[Row[Any]]:
    address = SUPPRESSIONS.c.address == func.lower(DELIVERIES.c.recipient)
    found = list(connection.execute(_claimed(token, ids, address)))
    return found + _erased(connection, token, ids)


def _claimed(token: UUID, ids: Sequence[UUID], address: ColumnElement[bool]) -> Select[Any]:
    """Select those of the claimed deliveries whose source suppresses such an `address`."""
    columns = (SUPPRESSIONS.c.address, SUPPRESSIONS.c.reason, SUPPRESSIONS.c.expires_at)
    return (
        select(DELIVERIES.c.id, *columns)
        .join(INVOICES, INVOICES.c.id == DELIVERIES.c.invoice_id)
        .join(SUPPRESSIONS, and_(SUPPRESSIONS.c.source_id == INVOICES.c.source_id, address))
        .where(
            database().among(DELIVERIES.c.id, ids),
            DELIVERIES.c.lease_token == token,
            DELIVERIES.c.state.in_(WAITING),
            is_active(utcnow()),
        )
    )


def _erased(connection: Connection, token: UUID, ids: Sequence[UUID]) -> list[Row[Any]]:
    """Return those that go to an address that was erased while it was suppressed.

    Only the keyed hash of such an address is known. Most desks have none, and then that is all
    that is asked.
    """
    mine = SUPPRESSIONS.c.address.like(f"{pseudonyms.PREFIX}%")
    if connection.execute(select(SUPPRESSIONS.c.id).where(mine).limit(1)).first() is None:
        return []
    recipients = select(DELIVERIES.c.id, DELIVERIES.c.recipient).where(
        database().among(DELIVERIES.c.id, ids), DELIVERIES.c.recipient.is_not(None)
    )
    key = current().secret_key
    hashed: dict[str, list[UUID]] = {}
    for row in connection.execute(recipients):
        hashed.setdefault(pseudonyms.address_of(key, row.recipient), []).append(row.id)
    found: list[Row[Any]] = []
    for address in connection.scalars(select(SUPPRESSIONS.c.address).where(mine)).unique():
        theirs = hashed.get(address, [])
        if theirs:
            statement = _claimed(token, theirs, SUPPRESSIONS.c.address == address)
            found += connection.execute(statement).all()
    return found


def _why(row: Row[Any]) -> str:
    end = f" until {row.expires_at:%Y-%m-%d}" if row.expires_at else ""
    return (
        f"{row.address} is suppressed{end}: {row.reason};"
        " release the suppression, then the invoice, or send it to another address"
    )[:LONGEST_NOTE]
