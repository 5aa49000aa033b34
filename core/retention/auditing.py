"""Removing old entries of the audit. Its own runs stay: they say how many went, and until when."""

from uuid import UUID

from sqlalchemy import Connection, String, cast, delete, func, select

from core.audit.models import AuditEntry
from core.db import database
from core.retention import passes
from core.retention.kinds import Batch, Kind, Limits, Survey

ENTRIES = AuditEntry.__table__

PAGE = 500

_SIZE = func.length(cast(ENTRIES.c.before, String)) + func.length(cast(ENTRIES.c.after, String))


def survey(connection: Connection, limits: Limits) -> Survey:
    """Count the entries that would go."""
    statement = select(
        func.count().label("rows"),
        func.coalesce(func.sum(_SIZE), 0).label("bytes"),
        func.min(ENTRIES.c.at).label("oldest"),
        func.max(ENTRIES.c.at).label("newest"),
    ).where(ENTRIES.c.id < limits.before_id)
    found = connection.execute(statement).one()
    return Survey(
        rows=found.rows, bytes=int(found.bytes), oldest_at=found.oldest, newest_at=found.newest
    )


def purge(connection: Connection, limits: Limits, run_id: UUID, after: UUID | None) -> Batch:
    """Remove a page of entries, the oldest first."""
    old = select(ENTRIES.c.id, _SIZE.label("size")).where(ENTRIES.c.id < limits.before_id)
    if after is not None:
        old = old.where(ENTRIES.c.id > after)
    page = connection.execute(old.order_by(ENTRIES.c.id).limit(PAGE)).all()
    if page:
        with passes.opened(connection, run_id, ENTRIES.name, "delete", limits.before_id):
            ids = [row.id for row in page]
            connection.execute(delete(ENTRIES).where(database().among(ENTRIES.c.id, ids)))
    return Batch(
        rows=len(page),
        bytes=sum(row.size for row in page),
        last=page[-1].id if len(page) == PAGE else None,
    )


KIND = Kind(name="audit", what="who changed the configuration", survey=survey, purge=purge)
