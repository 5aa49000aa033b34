"""Finding invoices by a part of their number, their external id or their buyer's name.

Where the engine has an index of three-letter pieces (PostgreSQL with pg_trgm), any part is found.
Elsewhere the beginning of a number or an external id is, and any part among the newest invoices:
each look is bounded, however many there are.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, union

from core.db import database
from invoices.models import Document, Invoice, Source

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
SOURCES = Source.__table__

INDEX = "ix_documents_search"
SHORTEST = 3
"""Letters that such an index needs."""

NEWEST = 20_000
"""Invoices that are read one by one where there is no such index."""

MOST = 10_000
"""Invoices that one search finds, the newest."""

LONGEST = 200
_ESCAPE = "\\"
_LAST = "\U0010ffff"


def search_text(number: str, external_id: str | None, buyer_name: str) -> str:
    """Return what an invoice is found by; kept beside its document, which never changes.

    In the invoice's own row the index would be written again with every status.
    """
    return "\n".join((number, external_id or "", buyer_name)).lower()


def clause(connection: Connection, words: str) -> ColumnElement[bool]:
    """Return the condition that an invoice is found by `words`, in any case, or by its id.

    No words find all.
    """
    wanted = words.replace("\0", "").strip()[:LONGEST]
    if not wanted:
        return INVOICES.c.id.is_not(None)
    key = _id_of(wanted)
    if key is not None:
        return INVOICES.c.id == key
    if _has_index(connection, wanted):
        return INVOICES.c.id.in_(_anywhere(wanted))
    return INVOICES.c.id.in_(_bounded(wanted))


def is_bounded(connection: Connection, words: str) -> bool:
    """Tell whether a part of a word is looked for among the newest invoices, and there are more."""
    wanted = words.replace("\0", "").strip()
    if _id_of(wanted) is not None or _has_index(connection, wanted):
        return False
    one_more = select(INVOICES.c.id).order_by(INVOICES.c.id.desc()).offset(NEWEST).limit(1)
    return connection.scalar(one_more) is not None


def _has_index(connection: Connection, wanted: str) -> bool:
    return len(wanted) >= SHORTEST and database().has_index(connection, INDEX)


def _anywhere(wanted: str) -> Select[Any]:
    columns = DOCUMENTS.c
    found = (
        select(columns.invoice_id)
        .where(columns.search_text.like(_pattern(wanted.lower()), escape=_ESCAPE))
        .order_by(columns.invoice_id.desc())
        .limit(MOST)
        .subquery()
    )
    return select(found.c.invoice_id)


def _bounded(wanted: str) -> Select[Any]:
    columns = INVOICES.c
    newest = select(columns.id, columns.number, columns.external_id, columns.buyer_name)
    young = newest.order_by(columns.id.desc()).limit(NEWEST).subquery()
    # SQLite knows upper and lower case of ASCII alone: what is typed as it is written is found.
    parts = [
        variant.like(pattern, escape=_ESCAPE)
        for name in ("number", "external_id", "buyer_name")
        for variant, pattern in (
            (func.lower(young.c[name]), _pattern(wanted.lower())),
            (young.c[name], _pattern(wanted)),
        )
    ]
    found = [_beginning(name, wanted) for name in ("number", "external_id")]
    all_of_them = union(*found, select(young.c.id).where(or_(*parts))).subquery()
    return select(all_of_them.c.id)


def _beginning(name: str, wanted: str) -> Select[Any]:
    """Select the invoices whose column begins with it, as it is written, by (source, column)."""
    column = INVOICES.c[name]
    mine = INVOICES.c.source_id.in_(select(SOURCES.c.id))
    begins = and_(column >= wanted, column < wanted + _LAST)
    some = select(INVOICES.c.id).where(mine, begins).limit(MOST).subquery()
    return select(some.c.id)


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _pattern(wanted: str) -> str:
    """Return the LIKE pattern of a part."""
    for sign in (_ESCAPE, "%", "_"):
        wanted = wanted.replace(sign, _ESCAPE + sign)
    return f"%{wanted}%"
