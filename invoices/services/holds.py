"""Legal holds: what must be kept whatever its age, placed and lifted by people, with reasons."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, or_, select, update

from core import actor, leases
from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, Finding, InputError, NotFoundError
from core.ids import new_id
from core.retention import running
from invoices.hold_models import LegalHold
from invoices.models import Delivery, Invoice
from invoices.services.addresses import checked_address

HOLDS = LegalHold.__table__
INVOICES = Invoice.__table__
DELIVERIES = Delivery.__table__

REASON_LENGTH = 500


def hold_invoice(connection: Connection, invoice_id: UUID, *, by: str, reason: str) -> UUID:
    """Keep all of one invoice until the hold is lifted; return the hold's id.

    Raises:
        NotFoundError: there is no such invoice.
        InputError: no reason is given.
        ConflictError: it is held already.
    """
    if connection.scalar(select(INVOICES.c.id).where(INVOICES.c.id == invoice_id)) is None:
        raise NotFoundError("There is nothing with this id")
    mine = HOLDS.c.invoice_id == invoice_id
    return _place(connection, mine, {"invoice_id": invoice_id}, by=by, reason=reason)


def hold_address(connection: Connection, address: str, *, by: str, reason: str) -> UUID:
    """Keep all that goes or went to an address, or whose buyer has it; return the hold's id.

    Raises:
        InputError: no address, or no reason.
        ConflictError: it is held already.
    """
    found = checked_address(address)
    mine = HOLDS.c.address == found
    return _place(connection, mine, {"address": found}, by=by, reason=reason)


def _place(
    connection: Connection,
    mine: ColumnElement[bool],
    what: dict[str, Any],
    *,
    by: str,
    reason: str,
) -> UUID:
    why = _checked_reason(reason)
    # Retention renews its lease with each batch, and erasure keeps it: this waits for what is under
    # way, and what has not gone by then stays.
    leases.lock(connection, running.LEASE)
    if connection.execute(select(HOLDS.c.id).where(mine, HOLDS.c.lifted_at.is_(None))).first():
        message = "it is under legal hold already"
        raise ConflictError(message, findings=[Finding("/address", "unique", message)])
    row = {
        "id": new_id(),
        "invoice_id": None,
        "address": None,
        "reason": why,
        "placed_at": utcnow(),
        "placed_by": by[: actor.LONGEST],
        "lifted_at": None,
        "lifted_by": None,
        "lift_reason": None,
    }
    with actor.because(why):
        connection.execute(insert(HOLDS), [row | what])
    return UUID(str(row["id"]))


def _checked_reason(reason: str) -> str:
    if not reason.strip():
        raise InputError.at("/reason", "length", "say why")
    return reason.strip()[:REASON_LENGTH]


def lift(connection: Connection, hold_id: UUID, *, by: str, reason: str) -> None:
    """Let what a hold has kept go when its time is over.

    Raises:
        NotFoundError: there is no such hold.
        InputError: no reason is given.
        ConflictError: it was lifted before.
    """
    why = _checked_reason(reason)
    found = database().lock(connection, HOLDS, HOLDS.c.id == hold_id)
    if not found:
        raise NotFoundError("there is no such hold")
    if found[0].lifted_at is not None:
        raise ConflictError(f"{found[0].lifted_by} has lifted it already")
    values = {"lifted_at": utcnow(), "lifted_by": by[: actor.LONGEST], "lift_reason": why}
    with actor.because(why):
        connection.execute(update(HOLDS).where(HOLDS.c.id == hold_id).values(values))


def listed(connection: Connection, *, also_lifted: bool, count: int) -> Sequence[Row[Any]]:
    """Return up to `count` holds, the newest first, each with the `number` of its invoice."""
    statement = _with_numbers()
    if not also_lifted:
        statement = statement.where(HOLDS.c.lifted_at.is_(None))
    return connection.execute(statement.order_by(HOLDS.c.id.desc()).limit(count)).all()


def on_invoice(connection: Connection, invoice_id: UUID) -> Sequence[Row[Any]]:
    """Return the holds that an invoice is under, by itself or by an address."""
    columns = HOLDS.c
    buyer = select(INVOICES.c.buyer_email).where(INVOICES.c.id == invoice_id)
    went_to = select(DELIVERIES.c.recipient).where(DELIVERIES.c.invoice_id == invoice_id)
    addresses = [one.lower() for one in connection.scalars(buyer.union(went_to)) if one]
    mine = or_(columns.invoice_id == invoice_id, columns.address.in_(addresses))
    statement = _with_numbers().where(columns.lifted_at.is_(None), mine)
    return connection.execute(statement.order_by(columns.id)).all()


def _with_numbers() -> Select[Any]:
    joined = HOLDS.outerjoin(INVOICES, INVOICES.c.id == HOLDS.c.invoice_id)
    return select(HOLDS, INVOICES.c.number).select_from(joined)
