"""What becomes of the work that stood still while dispatch was paused.

After a restore, what was waiting at the backup may have gone out since. A provider that honours
the dispatch key gets the same key again, and takes nothing twice. Elsewhere nobody here can know:
such a delivery becomes `unknown` and waits for a callback or a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from core import actor, pauses
from core.bell import ring_after_commit
from core.db import database, insist, unit_of_work
from core.errors import ConflictError
from core.queues import TaskName
from core.settings import Settings
from invoices.models import BulkAct, BulkState, Delivery, Invoice, Provider
from invoices.report_models import MailState, ReportMail
from invoices.services import bulk, report_mails
from invoices.services.changes import Move, apply, lock_invoices
from invoices.services.claims import WAITING
from status.models import Cause, Push, PushState, Status

DELIVERIES = Delivery.__table__
INVOICES = Invoice.__table__
PROVIDERS = Provider.__table__
ACTS = BulkAct.__table__
MAILS = ReportMail.__table__
PUSHES = Push.__table__

AT_ONCE = 500
"""Deliveries that are settled in one transaction."""

IN_FLIGHT = (str(Status.SENDING), str(Status.UNKNOWN), *WAITING)


class Fate(StrEnum):
    """What resuming does with a delivery, a push, a bulk act or a mail."""

    SENT = "sent"
    UNDER_WAY = "is under way and ends by itself"
    SAME_KEY = "sent again with the same key: what has arrived is not taken twice"
    UNKNOWN = "becomes unknown: it may have been sent since the backup"
    SETTLED = "is decided as that of a lost worker"
    PERSON = "stays unknown: a person decides"
    SAME_ID = "told again with the same event id"
    STOPPED = "is stopped: ask for it again if it was not done since the backup"
    UNCLEAR = "becomes unclear: it may have been sent since the backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """So many of a kind, at one provider and in one state; `oldest` is when the first was made."""

    kind: str
    provider: str | None
    state: str
    count: int
    oldest: datetime | None
    fate: Fate


def foresee(connection: Connection) -> list[Line]:
    """Return what waits or is under way, and what `resume` would do with it."""
    until = pauses.doubtful_until(connection)
    return [*_deliveries(connection, until), *_others(connection, until)]


def in_flight(connection: Connection, limit: int) -> list[Row[Any]]:
    """Return the deliveries that were under way or unknown, and those that resuming makes so."""
    until = pauses.doubtful_until(connection)
    columns = DELIVERIES.c
    open_ends = columns.state.in_((str(Status.SENDING), str(Status.UNKNOWN)))
    wanted = open_ends if until is None else or_(open_ends, _is_doubtful(until))
    statement = (
        select(
            columns.id,
            INVOICES.c.number,
            PROVIDERS.c.code.label("provider"),
            columns.recipient,
            columns.state,
            columns.attempt_count,
            columns.created_at,
        )
        .join(INVOICES, INVOICES.c.id == columns.invoice_id)
        .join(PROVIDERS, PROVIDERS.c.id == columns.provider_id)
        .where(wanted)
    )
    return list(connection.execute(statement.order_by(columns.id).limit(limit)))


def resume(reason: str, settings: Settings) -> int:
    """Settle what is in doubt, then let go out what is due; return how many became unknown.

    While it works, dispatch stays paused: killed in between and called again, it goes on. It is
    no part of a transaction of the caller's.

    Raises:
        InputError: no reason, or one too long.
        ConflictError: dispatch is not paused.
    """
    with unit_of_work() as connection:
        pauses.check_resumable(connection, reason)
        until = pauses.doubtful_until(connection)
    count = 0
    while until is not None and (settled := insist(partial(_settle_page, until=until))):
        count += settled
    with unit_of_work() as connection:
        if pauses.doubtful_until(connection) != until:
            raise ConflictError("The database was restored at this moment; look again")
        if until is not None:
            _stop_bulk_acts(connection, until)
            report_mails.doubt(connection, until, settings)
        pauses.resume(connection, reason)
        for task in (
            TaskName.GET_ACTIVE_INVOICES,
            TaskName.GET_DUE_STATUSES,
            TaskName.GET_BULK_ACTS,
            TaskName.GET_TOTAL_INVOICES,
        ):
            ring_after_commit(task)
    return count


def _is_doubtful(until: datetime) -> ColumnElement[bool]:
    """Return the condition that a delivery may have been sent since the backup, unseen.

    What was not to go before the restore cannot have.
    """
    columns = DELIVERIES.c
    keyless = select(PROVIDERS.c.id).where(PROVIDERS.c.is_idempotent.is_(False))
    return and_(columns.state.in_(WAITING), *_before(until), columns.provider_id.in_(keyless))


def _before(until: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    columns = DELIVERIES.c
    may_go = or_(columns.send_at.is_(None), columns.send_at <= until)
    return columns.created_at <= until, may_go


def _settle_page(connection: Connection, until: datetime) -> int:
    """Make the next deliveries unknown; return how many."""
    columns = DELIVERIES.c
    statement = select(columns.id, columns.invoice_id).where(_is_doubtful(until))
    statement = statement.order_by(columns.id).limit(AT_ONCE).with_for_update(of=DELIVERIES)
    found = connection.execute(statement).all()
    unknown = {"state": str(Status.UNKNOWN), "due_at": None, "lease_token": None}
    database().update_many(connection, DELIVERIES, [{"id": row.id, **unknown} for row in found])
    invoices = lock_invoices(connection, [row.invoice_id for row in found])
    moves = [
        _unknown(row.invoice_id, row.id)
        for row in found
        if invoices[row.invoice_id].current_delivery_id == row.id
    ]
    apply(connection, invoices, moves)
    return len(found)


def _unknown(invoice_id: UUID, delivery_id: UUID) -> Move:
    return Move(
        invoice_id=invoice_id,
        to=Status.UNKNOWN,
        cause=Cause.STAFF,
        delivery_id=delivery_id,
        actor=actor.current(),
        note="the database was restored: it may have been sent since the backup",
    )


def _stop_bulk_acts(connection: Connection, until: datetime) -> None:
    """End bulk acts of before the restore: done once more, they would make new deliveries."""
    running = and_(ACTS.c.state == BulkState.RUNNING, ACTS.c.created_at <= until)
    for bulk_id in list(connection.scalars(select(ACTS.c.id).where(running))):
        bulk.stop(connection, bulk_id)


def _deliveries(connection: Connection, until: datetime | None) -> list[Line]:
    columns = DELIVERIES.c
    statement = (
        select(
            PROVIDERS.c.code,
            PROVIDERS.c.is_idempotent,
            columns.state,
            func.count().label("how_many"),
            func.min(columns.created_at).label("oldest"),
        )
        .join(PROVIDERS, PROVIDERS.c.id == columns.provider_id)
        .group_by(PROVIDERS.c.code, PROVIDERS.c.is_idempotent, columns.state)
        .order_by(PROVIDERS.c.code, columns.state)
    )
    statement = statement.where(columns.state.in_(IN_FLIGHT))
    if until is None:
        return [_line(row, _fate(row, None)) for row in connection.execute(statement)]
    # What was under way at the backup is no more, whatever it says.
    past = statement.where(*_before(until))
    new = statement.where(or_(columns.created_at > until, columns.send_at > until))
    return [
        *(_line(row, _fate(row, until)) for row in connection.execute(past)),
        *(_line(row, _fate(row, None)) for row in connection.execute(new)),
    ]


def _fate(row: Row[Any], until: datetime | None) -> Fate:
    if row.state == Status.UNKNOWN:
        return Fate.PERSON
    if row.state == Status.SENDING and until is None:
        return Fate.UNDER_WAY
    if row.state == Status.SENDING:
        return Fate.SAME_KEY if row.is_idempotent else Fate.SETTLED
    if until is None:
        return Fate.SENT
    return Fate.SAME_KEY if row.is_idempotent else Fate.UNKNOWN


def _line(row: Row[Any], fate: Fate) -> Line:
    return Line(
        kind="delivery",
        provider=row.code,
        state=row.state,
        count=row.how_many,
        oldest=row.oldest,
        fate=fate,
    )


def _others(connection: Connection, until: datetime | None) -> list[Line]:
    """Return pushes, bulk acts and mails of reports that wait."""
    kinds: Sequence[tuple[str, Any, str, Fate, Fate]] = (
        ("push", PUSHES, PushState.PENDING, Fate.SENT, Fate.SAME_ID),
        ("bulk act", ACTS, BulkState.RUNNING, Fate.SENT, Fate.STOPPED),
        ("report mail", MAILS, MailState.WAITING, Fate.SENT, Fate.UNCLEAR),
    )
    return [
        line
        for kind, table, state, usual, doubted in kinds
        for line in (
            _count(connection, kind, table, state, usual, since=until),
            _count(connection, kind, table, state, doubted, until=until) if until else None,
        )
        if line is not None
    ]


def _count(
    connection: Connection,
    kind: str,
    table: Any,  # noqa: ANN401 - a Table, whose columns have no types
    state: str,
    fate: Fate,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Line | None:
    made = table.c.created_at
    statement: Select[Any] = select(func.count(), func.min(made)).where(table.c.state == state)
    if since is not None:
        statement = statement.where(made > since)
    if until is not None:
        statement = statement.where(made <= until)
    count, oldest = connection.execute(statement).one()
    if not count:
        return None
    return Line(kind=kind, provider=None, state=state, count=count, oldest=oldest, fate=fate)
