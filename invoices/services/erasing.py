"""Erasing a buyer from his invoices: who he was goes; numbers, amounts, dates and history stay.

An invoice is his when it is his address that it names as the buyer's, or, where it names none, the
one that it was first sent to. What was merely sent to his address as well loses that address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Row,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from core.clock import utcnow
from core.db import database
from core.retention import layers, pseudonyms
from core.retention.scrubbing import Words
from invoices.models import Delivery, Document, Invoice, Origin
from invoices.searching import search_text
from invoices.services import retention, suppressions
from invoices.services.changes import lock_invoices
from invoices.services.settled import HELD, NOT_FINAL, is_final, is_held
from invoices.suppression_models import Suppression
from status.models import Push, PushState, StatusEvent

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
DELIVERIES = Delivery.__table__
EVENTS = StatusEvent.__table__
PUSHES = Push.__table__
SUPPRESSIONS = Suppression.__table__

PAGE = 50
"""Documents that are in memory at once."""

UNTOLD = "a subscriber is not told yet"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An invoice that nothing may be erased of now, and why."""

    invoice_id: UUID
    number: str
    why: str


@dataclass(frozen=True, slots=True)
class Theirs:
    """What a person has to do with: invoices that are his, and others that went to him too."""

    own: Sequence[UUID]
    others: Sequence[UUID]

    @property
    def all(self) -> list[UUID]:
        """Return both, in the order in which they are locked."""
        return sorted({*self.own, *self.others})


def find(connection: Connection, address: str) -> Theirs:
    """Return the invoices that have to do with an address (in small letters)."""
    columns = INVOICES.c
    went_first = exists(
        select(DELIVERIES.c.id).where(
            DELIVERIES.c.invoice_id == columns.id,
            DELIVERIES.c.origin == str(Origin.FIRST),
            func.lower(DELIVERIES.c.recipient) == address,
        )
    )
    went = exists(
        select(DELIVERIES.c.id).where(
            DELIVERIES.c.invoice_id == columns.id, func.lower(DELIVERIES.c.recipient) == address
        )
    )
    is_own = or_(
        func.lower(columns.buyer_email) == address, and_(columns.buyer_email.is_(None), went_first)
    )
    statement = select(columns.id, case((is_own, 1), else_=0).label("is_own"))
    rows = connection.execute(statement.where(or_(is_own, went)).order_by(columns.id)).all()
    own = [row.id for row in rows if row.is_own]
    return Theirs(own, [row.id for row in rows if not row.is_own])


def lock(connection: Connection, theirs: Theirs) -> None:
    """Lock deliveries and invoices, in the order in which sending does."""
    mine = database().among(DELIVERIES.c.invoice_id, theirs.all)
    database().lock(connection, DELIVERIES, mine, (DELIVERIES.c.id,))
    lock_invoices(connection, theirs.all)


def obstacles(connection: Connection, theirs: Theirs) -> list[Obstacle]:
    """Return the invoices that must stay as they are for now."""
    waits = exists(
        select(PUSHES.c.id)
        .join(EVENTS, EVENTS.c.id == PUSHES.c.event_id)
        .where(
            EVENTS.c.invoice_id == INVOICES.c.id,
            PUSHES.c.state.in_([str(PushState.PENDING), str(PushState.PARKED)]),
        )
    )
    why = case((is_held(), HELD), (~is_final(), NOT_FINAL), (waits, UNTOLD))
    mine = database().among(INVOICES.c.id, theirs.all)
    statement = select(INVOICES.c.id, INVOICES.c.number, why.label("why")).where(mine)
    rows = connection.execute(statement.order_by(INVOICES.c.id))
    return [Obstacle(row.id, row.number, row.why) for row in rows if row.why is not None]


def erase(connection: Connection, theirs: Theirs, words: Words, secret_key: str) -> dict[str, int]:
    """Put pseudonyms in place of the person; return how many rows of each table."""
    rows = connection.execute(
        select(INVOICES).where(database().among(INVOICES.c.id, theirs.own))
    ).all()
    for row in rows:
        _erase_invoice(connection, row, words, secret_key)
    return {
        "invoices": len(rows),
        "documents": _empty_documents(connection, theirs, words),
        "deliveries": _erase_recipients(connection, theirs, words, secret_key),
    }


def _erase_invoice(connection: Connection, row: Row[Any], words: Words, secret_key: str) -> None:
    address = row.buyer_email
    name = pseudonyms.of(secret_key, address or str(row.id))
    values = {
        "buyer_name": name,
        "buyer_id": None,
        "buyer_email": pseudonyms.address_of(secret_key, address) if address else None,
        "buyer_address": None,
        "buyer_reference": None,
        "labels": words.replaced(row.labels),
        "erased_at": utcnow(),
    }
    connection.execute(update(INVOICES).where(INVOICES.c.id == row.id).values(values))
    found = search_text(row.number, row.external_id, name)
    original = (DOCUMENTS.c.invoice_id == row.id, DOCUMENTS.c.role == "original")
    connection.execute(update(DOCUMENTS).where(*original).values(search_text=found))


def _empty_documents(connection: Connection, theirs: Theirs, words: Words) -> int:
    """Empty the documents of the person, and those of others that name him."""
    columns = DOCUMENTS.c
    own = database().among(columns.invoice_id, theirs.own)
    other = database().among(columns.invoice_id, theirs.others)
    there = select(columns.id).where(columns.purged_at.is_(None))
    ids = list(connection.scalars(there.where(own)))
    bodies = there.add_columns(columns.body).where(other).execution_options(yield_per=PAGE)
    ids += [row.id for row in connection.execute(bodies) if words.are_in(row.body)]
    retention.empty(connection, ids)
    return len(ids)


def unread(connection: Connection, theirs: Theirs) -> list[str]:
    """Return the numbers of others' invoices that he got too, and that hold what nobody can read.

    That is a PDF, a picture, something packed: whether it names him, people have to look.
    """
    columns = DOCUMENTS.c
    other = (database().among(columns.invoice_id, theirs.others), columns.purged_at.is_(None))
    bodies = select(INVOICES.c.number, columns.body).join(INVOICES).where(*other)
    found = connection.execute(bodies.execution_options(yield_per=PAGE))
    return sorted({row.number for row in found if layers.is_sealed(row.body)})


def _erase_recipients(connection: Connection, theirs: Theirs, words: Words, secret_key: str) -> int:
    """Put pseudonyms in place of where the person's invoices went, and of his address elsewhere."""
    columns = DELIVERIES.c
    mine = database().among(columns.invoice_id, theirs.all)
    own = set(theirs.own)
    rows = connection.execute(
        select(columns.id, columns.invoice_id, columns.recipient).where(
            mine, columns.recipient.is_not(None)
        )
    ).all()
    count = 0
    for row in rows:
        is_his = row.invoice_id in own or row.recipient.lower() in words.replacements
        if is_his and not pseudonyms.is_one(row.recipient):
            other = pseudonyms.address_of(secret_key, row.recipient)
            connection.execute(
                update(DELIVERIES).where(columns.id == row.id).values(recipient=other)
            )
            count += 1
    return count


def erase_suppressions(connection: Connection, address: str, secret_key: str) -> int:
    """Keep what is suppressed under a pseudonym, so that the address is still not written to.

    Where there is one of an earlier erasure, the one that lasts longer stays.
    """
    columns, other = SUPPRESSIONS.c, pseudonyms.address_of(secret_key, address)
    mine = columns.address.in_([address, other])
    by_source: dict[UUID, list[Row[Any]]] = {}
    for row in database().lock(connection, SUPPRESSIONS, mine):
        by_source.setdefault(row.source_id, []).append(row)
    count = 0
    for rows in by_source.values():
        kept = max(rows, key=suppressions.strength)
        gone = [row.id for row in rows if row.id != kept.id]
        if gone:
            connection.execute(delete(SUPPRESSIONS).where(columns.id.in_(gone)))
        changed = update(SUPPRESSIONS).where(columns.id == kept.id).values(address=other)
        connection.execute(changed)
        count += any(row.address == address for row in rows)
    return count
