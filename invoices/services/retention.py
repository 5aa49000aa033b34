"""Emptying the documents of invoices that are settled: the bytes go, all else stays.

What tells a repeat stays with them: number, external id, size and SHA-256.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, select, update

from core.clock import utcnow
from core.db import database
from core.retention.kinds import Batch, Kind, Limits, Survey
from invoices.models import Delivery, Document, Invoice
from invoices.services.changes import lock_invoices
from invoices.services.settled import is_settled, why_kept

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
DELIVERIES = Delivery.__table__

PAGE = 200
"""Documents that are emptied in one transaction, which holds nobody up for long."""

_OF_INVOICE: FromClause = DOCUMENTS.join(INVOICES, INVOICES.c.id == DOCUMENTS.c.invoice_id)


def _is_old(limits: Limits) -> ColumnElement[bool]:
    return and_(DOCUMENTS.c.id < limits.before_id, DOCUMENTS.c.purged_at.is_(None))


def survey_documents(connection: Connection, limits: Limits) -> Survey:
    """Count the documents that would be emptied, and those that are as old but stay."""
    why = why_kept(limits).label("why")
    old = (
        select(why, DOCUMENTS.c.size, INVOICES.c.created_at)
        .select_from(_OF_INVOICE)
        .where(_is_old(limits))
        .subquery()
    )
    return counted(connection, old)


def counted(connection: Connection, old: Any) -> Survey:  # noqa: ANN401 - a subquery's columns
    """Count what is old, of which each row says `why` it stays (NULL: it goes), `size` and when."""
    columns = old.c
    statement = select(
        columns.why,
        func.count().label("rows"),
        func.coalesce(func.sum(columns.size), 0).label("bytes"),
        func.min(columns.created_at).label("oldest"),
        func.max(columns.created_at).label("newest"),
    ).group_by(columns.why)
    found = {row.why: row for row in connection.execute(statement)}
    due = found.pop(None, None)
    return Survey(
        rows=due.rows if due else 0,
        bytes=int(due.bytes) if due else 0,
        oldest_at=due.oldest if due else None,
        newest_at=due.newest if due else None,
        kept_back={why: row.rows for why, row in sorted(found.items())},
    )


def purge_documents(
    connection: Connection,
    limits: Limits,
    run_id: UUID,  # noqa: ARG001 - documents have no guard that asks for it
    after: UUID | None,
) -> Batch:
    """Empty a page of documents, under the locks that sending and sending again take too."""
    page = connection.execute(_due(limits, after).limit(PAGE)).all()
    if not page:
        return Batch(rows=0, bytes=0, last=None)
    ids = sorted({row.invoice_id for row in page})
    database().lock(
        connection,
        DELIVERIES,
        database().among(DELIVERIES.c.invoice_id, ids),
        (DELIVERIES.c.id,),
    )
    lock_invoices(connection, ids)
    # Somebody may have sent one again, or put a hold on it, before we had the locks.
    mine = database().among(DOCUMENTS.c.id, [row.id for row in page])
    still = connection.execute(_due(limits, after).where(mine)).all()
    empty(connection, [row.id for row in still])
    return Batch(
        rows=len(still),
        bytes=sum(row.size for row in still),
        last=page[-1].id if len(page) == PAGE else None,
    )


def _due(limits: Limits, after: UUID | None) -> Select[Any]:
    columns = DOCUMENTS.c
    statement = (
        select(columns.id, columns.invoice_id, columns.size)
        .select_from(_OF_INVOICE)
        .where(_is_old(limits), is_settled(limits))
        .order_by(columns.id)
    )
    return statement if after is None else statement.where(columns.id > after)


def empty(connection: Connection, document_ids: list[UUID]) -> None:
    """Take the bytes of documents away; what they were stays known by size and SHA-256."""
    if document_ids:
        mine = database().among(DOCUMENTS.c.id, document_ids)
        emptied = {"body": b"", "purged_at": utcnow()}
        connection.execute(update(DOCUMENTS).where(mine).values(emptied))


DOCUMENT_KIND = Kind(
    name="documents",
    what="bytes of invoices",
    survey=survey_documents,
    purge=purge_documents,
)
