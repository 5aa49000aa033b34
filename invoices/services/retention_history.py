"""Removing what happened to invoices that are settled: events with their pushes, and attempts.

Of each history stays what is needed: the event that made the invoice what it is and all after it,
and each that made it undeliverable, which staff may overrule. What is removed is counted in a gap.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
)

from core.db import database
from core.ids import first_id_of
from core.retention import passes
from core.retention.kinds import Batch, Kind, Limits, Survey
from invoices.models import Attempt, Delivery, Invoice
from invoices.services.changes import lock_invoices
from invoices.services.retention import counted
from invoices.services.settled import is_settled, why_kept
from status import gaps
from status.models import Push, PushAttempt, PushState, Status, StatusEvent

INVOICES = Invoice.__table__
DELIVERIES = Delivery.__table__
ATTEMPTS = Attempt.__table__
EVENTS = StatusEvent.__table__
LATER = EVENTS.alias("later")
PUSHES = Push.__table__
PUSH_ATTEMPTS = PushAttempt.__table__

PAGE = 500
"""Rows that go in one transaction."""

UNSENT = "not told yet"
_DONE = (str(PushState.DELIVERED), str(PushState.EXHAUSTED))

_EVENT_OF: FromClause = EVENTS.join(INVOICES, INVOICES.c.id == EVENTS.c.invoice_id)
_ATTEMPT_OF: FromClause = ATTEMPTS.join(DELIVERIES, DELIVERIES.c.id == ATTEMPTS.c.delivery_id).join(
    INVOICES, INVOICES.c.id == DELIVERIES.c.invoice_id
)
_PUSH_ATTEMPT_OF: FromClause = (
    PUSH_ATTEMPTS.join(PUSHES, PUSHES.c.id == PUSH_ATTEMPTS.c.push_id)
    # A try-out has no event, and the event itself may be gone before.
    .outerjoin(EVENTS, EVENTS.c.id == PUSHES.c.event_id)
    .outerjoin(INVOICES, INVOICES.c.id == EVENTS.c.invoice_id)
)


# ---- events


def _is_spare(limits: Limits) -> ColumnElement[bool]:
    """Return the condition that an event is old, and that later ones tell what it led to."""
    columns = EVENTS.c
    has_moved = or_(columns.from_status.is_(None), columns.from_status != columns.to_status)
    is_failure = and_(columns.to_status == str(Status.UNDELIVERABLE), has_moved)
    later = select(LATER.c.id).where(
        LATER.c.invoice_id == columns.invoice_id,
        LATER.c.sequence > columns.sequence,
        LATER.c.from_status != LATER.c.to_status,
    )
    return and_(columns.id < limits.before_id, ~is_failure, exists(later.correlate_except(LATER)))


def _is_untold(limits: Limits) -> ColumnElement[bool]:
    """Return the condition that a push of an event waits, or was made or ended lately."""
    waits = or_(
        PUSHES.c.state.not_in(_DONE),
        PUSHES.c.finished_at.is_(None),
        PUSHES.c.finished_at >= limits.before_at,
    )
    mine = select(PUSHES.c.id).where(PUSHES.c.event_id == EVENTS.c.id, waits)
    return exists(mine.correlate_except(PUSHES))


def survey_events(connection: Connection, limits: Limits) -> Survey:
    """Count the events that would go, and those that are as old but stay."""
    why = case((_is_untold(limits), UNSENT), else_=why_kept(limits)).label("why")
    size = func.coalesce(func.length(EVENTS.c.note), 0).label("size")
    old = select(why, size, EVENTS.c.recorded_at.label("created_at")).select_from(_EVENT_OF)
    return counted(connection, old.where(_is_spare(limits)).subquery())


def _due_events(limits: Limits, after: UUID | None) -> Select[Any]:
    columns = EVENTS.c
    size = func.coalesce(func.length(columns.note), 0).label("size")
    statement = (
        select(columns.id, columns.invoice_id, columns.recorded_at, size)
        .select_from(_EVENT_OF)
        .where(_is_spare(limits), is_settled(limits), ~_is_untold(limits))
        .order_by(columns.id)
    )
    return statement if after is None else statement.where(columns.id > after)


def purge_events(connection: Connection, limits: Limits, run_id: UUID, after: UUID | None) -> Batch:
    """Remove a page of events with all that was made of them to be pushed."""
    page = connection.execute(_due_events(limits, after).limit(PAGE)).all()
    if not page:
        return Batch(rows=0, bytes=0, last=None)
    lock_invoices(connection, sorted({row.invoice_id for row in page}))
    ids = [row.id for row in page]
    # Whoever pushes one again reads under the lock of its subscription, and writes a new row.
    locked = database().among(PUSHES.c.event_id, ids)
    database().lock(connection, PUSHES, locked, (PUSHES.c.id,))
    mine = database().among(EVENTS.c.id, ids)
    still = connection.execute(_due_events(limits, after).where(mine)).all()
    gaps.add(connection, gaps.EVENTS, [(row.invoice_id, row.recorded_at) for row in still])
    _delete_events(connection, limits, run_id, [row.id for row in still])
    return _batch(page, still)


def _delete_events(
    connection: Connection, limits: Limits, run_id: UUID, ids: Sequence[UUID]
) -> None:
    if not ids:
        return
    pushed = database().among(PUSHES.c.event_id, ids)
    push_ids = list(connection.scalars(select(PUSHES.c.id).where(pushed)))
    _delete_push_attempts(
        connection, limits, run_id, database().among(PUSH_ATTEMPTS.c.push_id, push_ids)
    )
    connection.execute(delete(PUSHES).where(database().among(PUSHES.c.id, push_ids)))
    before = limits.before_id
    with passes.opened(connection, run_id, EVENTS.name, "delete", before):
        connection.execute(delete(EVENTS).where(database().among(EVENTS.c.id, ids)))


def _delete_push_attempts(
    connection: Connection, limits: Limits, run_id: UUID, which: ColumnElement[bool]
) -> None:
    # An attempt's id is made when it has ended: a moment after the time that is its push's end.
    before = first_id_of(limits.before_at + passes.LENGTH)
    with passes.opened(connection, run_id, PUSH_ATTEMPTS.name, "delete", before):
        connection.execute(delete(PUSH_ATTEMPTS).where(which))


# ---- attempts


class _Found(NamedTuple):
    """An attempt that is due; of a push or of a delivery."""

    id: UUID
    invoice_id: UUID | None
    at: Any
    size: int
    is_push: bool


def _old_attempts(limits: Limits) -> ColumnElement[bool]:
    return and_(ATTEMPTS.c.id < limits.before_id, ATTEMPTS.c.finished_at.is_not(None))


def _old_push_attempts(limits: Limits) -> ColumnElement[bool]:
    return PUSH_ATTEMPTS.c.id < limits.before_id


def _is_over() -> ColumnElement[bool]:
    return PUSHES.c.state.in_(_DONE)


def survey_attempts(connection: Connection, limits: Limits) -> Survey:
    """Count the attempts that would go, and those that are as old but stay."""
    columns = ATTEMPTS.c
    size = func.coalesce(func.length(columns.response), 0).label("size")
    mine = (
        select(why_kept(limits).label("why"), size, columns.started_at.label("created_at"))
        .select_from(_ATTEMPT_OF)
        .where(_old_attempts(limits))
    )
    is_about_none = INVOICES.c.id.is_(None)
    why = case((~_is_over(), UNSENT), (is_about_none, None), else_=why_kept(limits))
    size = func.coalesce(func.length(PUSH_ATTEMPTS.c.response), 0).label("size")
    pushed = (
        select(why.label("why"), size, PUSH_ATTEMPTS.c.started_at.label("created_at"))
        .select_from(_PUSH_ATTEMPT_OF)
        .where(_old_push_attempts(limits))
    )
    return counted(connection, mine.union_all(pushed).subquery())


def _due_attempts(limits: Limits, after: UUID | None) -> Select[Any]:
    columns = ATTEMPTS.c
    size = func.coalesce(func.length(columns.response), 0).label("size")
    statement = (
        select(columns.id, INVOICES.c.id.label("invoice_id"), columns.started_at, size)
        .select_from(_ATTEMPT_OF)
        .where(_old_attempts(limits), is_settled(limits))
        .order_by(columns.id)
    )
    return statement if after is None else statement.where(columns.id > after)


def _due_push_attempts(limits: Limits, after: UUID | None) -> Select[Any]:
    columns = PUSH_ATTEMPTS.c
    size = func.coalesce(func.length(columns.response), 0).label("size")
    may_go = or_(INVOICES.c.id.is_(None), is_settled(limits))
    statement = (
        select(columns.id, INVOICES.c.id.label("invoice_id"), columns.started_at, size)
        .select_from(_PUSH_ATTEMPT_OF)
        .where(_old_push_attempts(limits), _is_over(), may_go)
        .order_by(columns.id)
    )
    return statement if after is None else statement.where(columns.id > after)


def purge_attempts(
    connection: Connection, limits: Limits, run_id: UUID, after: UUID | None
) -> Batch:
    """Remove a page of attempts to hand over and to push, in the order of their ids."""
    page = _page(connection, limits, after)
    if not page:
        return Batch(rows=0, bytes=0, last=None)
    lock_invoices(connection, sorted({row.invoice_id for row in page if row.invoice_id}))
    still = _page(connection, limits, after, [row.id for row in page])
    for kind, is_push in ((gaps.ATTEMPTS, False), (gaps.PUSH_ATTEMPTS, True)):
        mine = [row for row in still if row.is_push == is_push]
        gaps.add(connection, kind, [(row.invoice_id, row.at) for row in mine if row.invoice_id])
    told = [row.id for row in still if row.is_push]
    if told:
        which = database().among(PUSH_ATTEMPTS.c.id, told)
        _delete_push_attempts(connection, limits, run_id, which)
    handed = [row.id for row in still if not row.is_push]
    if handed:
        connection.execute(delete(ATTEMPTS).where(database().among(ATTEMPTS.c.id, handed)))
    return _batch(page, still)


def _page(
    connection: Connection, limits: Limits, after: UUID | None, ids: Sequence[UUID] | None = None
) -> list[_Found]:
    """Return the first attempts of both kinds that are due; of these alone where `ids` say so."""
    found = []
    for table, due in ((ATTEMPTS, _due_attempts), (PUSH_ATTEMPTS, _due_push_attempts)):
        statement = due(limits, after)
        if ids is not None:
            statement = statement.where(database().among(table.c.id, ids))
        is_push = table is PUSH_ATTEMPTS
        found += [
            _Found(row.id, row.invoice_id, row.started_at, row.size, is_push)
            for row in connection.execute(statement.limit(PAGE))
        ]
    return sorted(found)[:PAGE]


def _batch(page: Sequence[Any], still: Sequence[Any]) -> Batch:
    return Batch(
        rows=len(still),
        bytes=sum(row.size for row in still),
        last=page[-1].id if len(page) == PAGE else None,
    )


EVENT_KIND = Kind(
    name="events",
    what="status events, and the pushes of them",
    survey=survey_events,
    purge=purge_events,
)
ATTEMPT_KIND = Kind(
    name="attempts",
    what="attempts to hand over and to push",
    survey=survey_attempts,
    purge=purge_attempts,
)
