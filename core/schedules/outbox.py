"""Runs that are claimed and not published yet: left by a crash, by the broker, or by a person."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, Subquery, and_, func, or_, select, update

from core.db import database, database_time
from core.schedules.ledger import PAGE, Order
from core.schedules.models import Reason, RunState
from core.schedules.planning import Catchup
from core.schedules.rows import SCHEDULES, BrokenRowError, arguments_of
from core.schedules.runs import RUNS, end_run

RESEND_AFTER = timedelta(seconds=10)
"""A slot's run that is claimed for longer and not sent was left by a crash, or by the broker."""

TAKEN_UP = tuple(
    str(state) for state in RunState if state not in {RunState.SKIPPED, RunState.MISSED}
)


def left_claimed(connection: Connection, before: datetime) -> list[Order]:
    """Return runs that wait to be published, oldest first: claimed by `before`, or by hand.

    Of a schedule that catches up with its latest slot alone, older ones are dropped: after a
    long outage of the broker each such schedule runs once.
    """
    newest = _newest()
    waiting = or_(RUNS.c.claimed_at <= before, RUNS.c.reason == Reason.MANUAL)
    # No more of the schedule than is needed: a time in it may be unreadable.
    schedule = (SCHEDULES.c.task, SCHEDULES.c.args, SCHEDULES.c.catchup)
    run = (RUNS.c.id.label("run_id"), RUNS.c.reason, RUNS.c.slot_at)
    statement: Select[Any] = (
        select(*run, newest.c.slot, *schedule)
        .join(SCHEDULES, SCHEDULES.c.id == RUNS.c.schedule_id)
        .outerjoin(newest, newest.c.schedule_id == RUNS.c.schedule_id)
        .where(RUNS.c.state == RunState.CLAIMED, waiting)
        .order_by(RUNS.c.slot_at)
        .limit(PAGE)
    )
    rows = connection.execute(statement).all()
    superseded = {row.run_id for row in rows if _is_superseded(row)}
    _drop(connection, superseded)
    kept = [row for row in rows if row.run_id not in superseded]
    return [order for row in kept if (order := _order(connection, row)) is not None]


def _newest() -> Subquery:
    """Return the newest slot that was taken up, of each schedule with a run that waits."""
    waits = select(RUNS.c.schedule_id).where(RUNS.c.state == RunState.CLAIMED)
    taken = and_(
        RUNS.c.schedule_id.in_(waits),
        RUNS.c.state.in_(TAKEN_UP),
        RUNS.c.reason != Reason.MANUAL,
    )
    slot = func.max(RUNS.c.slot_at).label("slot")
    return select(RUNS.c.schedule_id, slot).where(taken).group_by(RUNS.c.schedule_id).subquery()


def _is_superseded(row: Row[Any]) -> bool:
    if row.reason == Reason.MANUAL or row.catchup == Catchup.ALL:
        return False
    return bool(row.slot and row.slot_at < row.slot)


def _order(connection: Connection, row: Row[Any]) -> Order | None:
    """Return the order of a claimed run; None when its row has been broken since."""
    try:
        return Order(row.run_id, row.task, arguments_of(row))
    except BrokenRowError as error:
        now = database_time(connection)
        end_run(connection, row.run_id, RunState.FAILED, error.detail, now)
        return None


def _drop(connection: Connection, ids: Iterable[UUID]) -> None:
    note = "superseded: a later slot is due too"
    values = {"state": str(RunState.SKIPPED), "finished_at": database().clock(), "note": note}
    _change_claimed(connection, ids, values)


def mark_sent(connection: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """Say that the messages of these runs are with the broker, unless a worker has begun."""
    _change_claimed(connection, ids, {"state": str(RunState.SENT), "sent_at": now})


def _change_claimed(connection: Connection, ids: Iterable[UUID], values: dict[str, Any]) -> None:
    mine = and_(database().among(RUNS.c.id, ids), RUNS.c.state == RunState.CLAIMED)
    connection.execute(update(RUNS).where(mine).values(values))
