"""Emptying what providers and mailboxes said: headers and body go, all else stays.

By its event id, its SHA-256 or, for a mail, its fingerprint, one that comes again is still known.
"""

from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    update,
)

from callbacks.models import Callback, CallbackKind, CallbackState
from core.clock import utcnow
from core.db import database
from core.retention.kinds import Batch, Kind, Limits, Survey
from invoices.models import Delivery, Invoice
from invoices.services.retention import counted
from invoices.services.settled import is_settled, why_kept

CALLBACKS = Callback.__table__
DELIVERIES = Delivery.__table__
INVOICES = Invoice.__table__

PAGE = 200

WORKED_THROUGH = (
    CallbackState.APPLIED,
    CallbackState.IGNORED,
    CallbackState.UNPARSABLE,
    CallbackState.UNMATCHED,
)
"""What decides nothing any more. An orphan and one whose word nobody has mapped may yet."""

WAITS = "not worked through"

_OF_INVOICE: FromClause = CALLBACKS.outerjoin(
    DELIVERIES, DELIVERIES.c.id == CALLBACKS.c.delivery_id
).outerjoin(INVOICES, INVOICES.c.id == DELIVERIES.c.invoice_id)


def _is_old(kind: CallbackKind, limits: Limits) -> ColumnElement[bool]:
    columns = CALLBACKS.c
    return and_(
        columns.id < limits.before_id, columns.kind == str(kind), columns.purged_at.is_(None)
    )


def _is_done() -> ColumnElement[bool]:
    states = CALLBACKS.c.state.in_([str(state) for state in WORKED_THROUGH])
    return and_(states, CALLBACKS.c.due_at.is_(None))


def survey(connection: Connection, limits: Limits, *, kind: CallbackKind) -> Survey:
    """Count what would be emptied, and what is as old but stays."""
    is_about_none = INVOICES.c.id.is_(None)
    why = case((~_is_done(), WAITS), (is_about_none, None), else_=why_kept(limits)).label("why")
    size = func.length(CALLBACKS.c.body).label("size")
    old = (
        select(why, size, CALLBACKS.c.received_at.label("created_at"))
        .select_from(_OF_INVOICE)
        .where(_is_old(kind, limits))
        .subquery()
    )
    return counted(connection, old)


def purge(
    connection: Connection,
    limits: Limits,
    run_id: UUID,  # noqa: ARG001 - callbacks have no guard that asks for it
    after: UUID | None,
    *,
    kind: CallbackKind,
) -> Batch:
    """Empty a page of callbacks, under their locks: whoever replays one waits, and is refused."""
    page = connection.execute(_due(kind, limits, after).limit(PAGE)).all()
    if not page:
        return Batch(rows=0, bytes=0, last=None)
    mine = database().among(CALLBACKS.c.id, [row.id for row in page])
    database().lock(connection, CALLBACKS, mine, (CALLBACKS.c.id,))
    still = connection.execute(_due(kind, limits, after).where(mine)).all()
    empty(connection, [row.id for row in still])
    return Batch(
        rows=len(still),
        bytes=sum(row.size for row in still),
        last=page[-1].id if len(page) == PAGE else None,
    )


def _due(kind: CallbackKind, limits: Limits, after: UUID | None) -> Select[Any]:
    columns = CALLBACKS.c
    may_go = or_(INVOICES.c.id.is_(None), is_settled(limits))
    statement = (
        select(columns.id, func.length(columns.body).label("size"))
        .select_from(_OF_INVOICE)
        .where(_is_old(kind, limits), _is_done(), may_go)
        .order_by(columns.id)
    )
    return statement if after is None else statement.where(columns.id > after)


def empty(connection: Connection, callback_ids: list[UUID]) -> None:
    """Take headers and bodies of callbacks away."""
    if callback_ids:
        mine = database().among(CALLBACKS.c.id, callback_ids)
        emptied = {"headers": {}, "body": b"", "purged_at": utcnow()}
        connection.execute(update(CALLBACKS).where(mine).values(emptied))


BODIES = Kind(
    name="callback-bodies",
    what="headers and bodies of providers' callbacks",
    survey=partial(survey, kind=CallbackKind.WEBHOOK),
    purge=partial(purge, kind=CallbackKind.WEBHOOK),
)
MAILS = Kind(
    name="mails",
    what="mails that came, as they came",
    survey=partial(survey, kind=CallbackKind.DSN),
    purge=partial(purge, kind=CallbackKind.DSN),
)
