"""Reads of invoices. Each is bounded to one source: a foreign id is found nowhere.

Staff, who give no source (None), see those of all.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from core.db import database
from core.errors import GoneError, NotFoundError
from core.ids import first_id_of
from invoices import answers
from invoices.filters import Filters
from invoices.models import Attempt, Delivery, Document, Invoice, Provider

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
DELIVERIES = Delivery.__table__
ATTEMPTS = Attempt.__table__
PROVIDERS = Provider.__table__


def newest(
    connection: Connection, source_id: UUID | None, filters: Filters, after: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` invoices of a source, newest first, those after the id `after`."""
    statement = select(INVOICES).where(*_of(source_id), *_conditions(filters))
    if after is not None:
        statement = statement.where(INVOICES.c.id < after)
    return list(connection.execute(statement.order_by(INVOICES.c.id.desc()).limit(count)))


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    columns = INVOICES.c
    wanted = {
        columns.number: filters.number,
        columns.external_id: filters.external_id,
        columns.currency: filters.currency,
    }
    found = [column == value for column, value in wanted.items() if value is not None]
    if filters.statuses:
        found.append(columns.status.in_(filters.statuses))
    if filters.buyer is not None:
        name = func.lower(columns.buyer_name)
        found.append(name.contains(filters.buyer.lower(), autoescape=True))
    found += [columns.labels[key].as_string() == text for key, text in filters.labels.items()]
    return [*found, *_between(filters)]


def _between(filters: Filters) -> list[ColumnElement[bool]]:
    columns = INVOICES.c
    found = []
    if filters.created_from is not None:
        # Ids ascend with time: with this bound the walk down the index ends there.
        found.append(columns.id >= first_id_of(filters.created_from))
        found.append(columns.created_at >= filters.created_from)
    if filters.created_to is not None:
        found.append(columns.created_at <= filters.created_to)
    if filters.due_from is not None:
        found.append(columns.due_date >= filters.due_from)
    if filters.due_to is not None:
        found.append(columns.due_date <= filters.due_to)
    return found


def invoice(connection: Connection, source_id: UUID | None, invoice_id: UUID) -> Row[Any]:
    """Return one invoice with its original document in `body`; `purged_at`: it was removed.

    Raises:
        NotFoundError: there is none, or it belongs to another source.
    """
    columns = (DOCUMENTS.c.body, DOCUMENTS.c.purged_at)
    statement = select(INVOICES, *columns).join(
        DOCUMENTS, (DOCUMENTS.c.invoice_id == INVOICES.c.id) & (DOCUMENTS.c.role == "original")
    )
    return _one(connection, statement, source_id, invoice_id)


def document(connection: Connection, source_id: UUID | None, invoice_id: UUID) -> Row[Any]:
    """Return the original document as it came: `media_type`, `sha256`, `body`, and the number.

    Raises:
        NotFoundError: no such invoice of this source.
        GoneError: retention has removed it.
    """
    columns = (
        *(DOCUMENTS.c.media_type, DOCUMENTS.c.sha256, DOCUMENTS.c.body),
        *(DOCUMENTS.c.purged_at, DOCUMENTS.c.size),
    )
    statement = select(INVOICES.c.number, INVOICES.c.syntax, *columns).join(
        DOCUMENTS, (DOCUMENTS.c.invoice_id == INVOICES.c.id) & (DOCUMENTS.c.role == "original")
    )
    found = _one(connection, statement, source_id, invoice_id)
    refuse_purged(found)
    return found


def refuse_purged(document: Row[Any]) -> None:
    """Refuse to give what is not there any more, and say what it was.

    Raises:
        GoneError: retention has removed the document.
    """
    if document.purged_at is not None:
        raise GoneError(
            f"the document was removed by retention on {document.purged_at:%Y-%m-%d};"
            f" it had {document.size} bytes, sha-256 {document.sha256}"
        )


def standing(connection: Connection, source_id: UUID | None, invoice_id: UUID) -> dict[str, object]:
    """Return where an invoice stands, as the API answers an action.

    Raises:
        NotFoundError: no such invoice of this source.
    """
    return answers.standing(_header(connection, source_id, invoice_id))


def deliveries(
    connection: Connection, source_id: UUID | None, invoice_id: UUID, after: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` deliveries of an invoice, oldest first, with `provider` as its code.

    Raises:
        NotFoundError: no such invoice of this source.
    """
    _header(connection, source_id, invoice_id)
    statement = (
        select(DELIVERIES, PROVIDERS.c.code.label("provider"))
        .outerjoin(PROVIDERS, PROVIDERS.c.id == DELIVERIES.c.provider_id)
        .where(DELIVERIES.c.invoice_id == invoice_id)
    )
    if after is not None:
        statement = statement.where(DELIVERIES.c.id > after)
    return list(connection.execute(statement.order_by(DELIVERIES.c.id).limit(count)))


def attempts(
    connection: Connection, source_id: UUID | None, invoice_id: UUID, after: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` attempts of all deliveries of an invoice, oldest first.

    Raises:
        NotFoundError: no such invoice of this source.
    """
    _header(connection, source_id, invoice_id)
    statement = (
        select(ATTEMPTS)
        .join(DELIVERIES, DELIVERIES.c.id == ATTEMPTS.c.delivery_id)
        .where(DELIVERIES.c.invoice_id == invoice_id)
    )
    if after is not None:
        statement = statement.where(ATTEMPTS.c.id > after)
    return list(connection.execute(statement.order_by(ATTEMPTS.c.id).limit(count)))


def newest_deliveries(connection: Connection, invoice_id: UUID, count: int) -> list[Row[Any]]:
    """Return up to `count` deliveries of an invoice, newest first, with `provider` as its code."""
    statement = (
        select(DELIVERIES, PROVIDERS.c.code.label("provider"))
        .outerjoin(PROVIDERS, PROVIDERS.c.id == DELIVERIES.c.provider_id)
        .where(DELIVERIES.c.invoice_id == invoice_id)
        .order_by(DELIVERIES.c.id.desc())
    )
    return list(connection.execute(statement.limit(count)))


def newest_attempts(
    connection: Connection, delivery_ids: Sequence[UUID], count: int
) -> list[Row[Any]]:
    """Return up to `count` attempts of some deliveries, newest first."""
    own = select(ATTEMPTS).where(database().among(ATTEMPTS.c.delivery_id, delivery_ids))
    return list(connection.execute(own.order_by(ATTEMPTS.c.id.desc()).limit(count)))


def _header(connection: Connection, source_id: UUID | None, invoice_id: UUID) -> Row[Any]:
    columns = INVOICES.c
    own = (columns.id, columns.number, columns.status, columns.status_sequence)
    statement = select(*own, columns.current_delivery_id)
    return _one(connection, statement, source_id, invoice_id)


def _one(
    connection: Connection, statement: Select[Any], source_id: UUID | None, invoice_id: UUID
) -> Row[Any]:
    own = (INVOICES.c.id == invoice_id, *_of(source_id))
    found = connection.execute(statement.where(*own)).first()
    if found is None:
        raise NotFoundError("There is nothing with this id")
    return found


def _of(source_id: UUID | None) -> list[ColumnElement[bool]]:
    return [] if source_id is None else [INVOICES.c.source_id == source_id]
