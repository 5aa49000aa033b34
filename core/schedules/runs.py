"""One run in the ledger: its row, whether it is under way, its begin and its end in a worker."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from core.db import database
from core.leases import holder_name
from core.queues import QUEUE_OF, SIGNALS
from core.schedules.models import Reason, RunState, Schedule, ScheduleRun
from core.types import UtcDateTime

SCHEDULES = Schedule.__table__
RUNS = ScheduleRun.__table__

LIVE = (str(RunState.CLAIMED), str(RunState.SENT), str(RunState.RUNNING))


def new_run(
    schedule_id: UUID,
    slot: datetime,
    reason: Reason,
    state: RunState,
    *,
    now: datetime,
    note: str | None,
    actor: str | None = None,
) -> dict[str, Any]:
    """Return the row of a run; `actor` is who wants it, beat's host where nobody is named."""
    is_over = state in {RunState.SKIPPED, RunState.MISSED}
    return {
        "id": run_id(schedule_id, slot),
        "schedule_id": schedule_id,
        "slot_at": slot,
        "reason": str(reason),
        "state": str(state),
        "claimed_at": now,
        "sent_at": None,
        "started_at": None,
        "finished_at": now if is_over else None,
        "actor": actor or holder_name(),
        "note": note,
    }


def run_id(schedule_id: UUID, slot: datetime) -> UUID:
    """Return the id of a slot's run and task: the same whoever claims it, and after a crash."""
    return uuid5(schedule_id, slot.isoformat())


def under_way(connection: Connection, schedule_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return when the newest run began that has not ended, of each schedule with such a run."""
    if not schedule_ids:
        return {}
    began = func.coalesce(RUNS.c.started_at, RUNS.c.sent_at, RUNS.c.claimed_at)
    mine = database().among(RUNS.c.schedule_id, schedule_ids)
    statement = (
        select(RUNS.c.schedule_id, func.max(began, type_=UtcDateTime()).label("began"))
        .where(mine, RUNS.c.state.in_(LIVE))
        .group_by(RUNS.c.schedule_id)
    )
    return {run.schedule_id: run.began for run in connection.execute(statement)}


def goes_on(row: Row[Any], began: datetime, now: datetime) -> bool:
    """Tell whether a run that began then and has not ended still counts; a lost one must not."""
    return bool(began + timedelta(seconds=row.max_run_seconds) > now)


def slots_taken(
    connection: Connection, schedule_ids: Sequence[UUID], after: datetime
) -> dict[UUID, set[datetime]]:
    """Return the slots after `after` that are in the ledger already, by schedule."""
    taken: dict[UUID, set[datetime]] = {schedule_id: set() for schedule_id in schedule_ids}
    mine = and_(database().among(RUNS.c.schedule_id, schedule_ids), RUNS.c.slot_at > after)
    for run in connection.execute(select(RUNS.c.schedule_id, RUNS.c.slot_at).where(mine)):
        taken[run.schedule_id].add(run.slot_at)
    return taken


# ---- the worker's side ----


def begin_run(
    connection: Connection, found: UUID, now: datetime, *, is_redelivered: bool = False
) -> bool:
    """Take a run for this worker; False when another has it or it is not worth running any more.

    A second message of the same run finds it taken; the same message that the broker delivers
    again does not, as the worker that had it died. One that waited longer than the schedule's
    `expires_seconds` is dropped, so that nothing piles up while no worker is there.
    """
    states = LIVE if is_redelivered else LIVE[:2]
    waiting = and_(RUNS.c.id == found, RUNS.c.state.in_(states))
    statement = (
        select(RUNS.c.schedule_id, RUNS.c.claimed_at, SCHEDULES.c.task, SCHEDULES.c.expires_seconds)
        .join(SCHEDULES, SCHEDULES.c.id == RUNS.c.schedule_id)
        .where(waiting)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return False
    if row.expires_seconds and now - row.claimed_at > timedelta(seconds=row.expires_seconds):
        end_run(connection, found, RunState.SKIPPED, "expired: no worker took it in time", now)
        return False
    values = {"state": str(RunState.RUNNING), "started_at": now}
    if connection.execute(update(RUNS).where(waiting).values(values)).rowcount != 1:
        return False
    if QUEUE_OF.get(row.task) in SIGNALS:
        _end_displaced(connection, row.schedule_id, row.claimed_at, now)
    return True


def _end_displaced(
    connection: Connection, schedule_id: UUID, before: datetime, now: datetime
) -> None:
    """Close earlier runs whose message is gone: a queue of "look now" keeps its newest alone."""
    earlier: ColumnElement[bool] = and_(
        RUNS.c.schedule_id == schedule_id,
        RUNS.c.state == RunState.SENT,
        RUNS.c.claimed_at < before,
    )
    note = "displaced: a later message took its place in the queue"
    values = {"state": str(RunState.SKIPPED), "finished_at": now, "note": note}
    connection.execute(update(RUNS).where(earlier).values(values))


def end_run(connection: Connection, found: UUID, state: RunState, note: str, now: datetime) -> None:
    """Write how a run ended, in one line; a failure also raises an alarm on its schedule."""
    if state is RunState.FAILED:
        _raise_alarm(connection, found, note)
    values = {"state": str(state), "finished_at": now, "note": note[:500]}
    connection.execute(update(RUNS).where(RUNS.c.id == found).values(values))


def _raise_alarm(connection: Connection, found: UUID, note: str) -> None:
    run = connection.execute(
        select(RUNS.c.schedule_id, RUNS.c.slot_at).where(RUNS.c.id == found)
    ).one_or_none()
    if run is None:
        return
    alarm = f"the run of {run.slot_at:%Y-%m-%d %H:%M}Z failed: {note}"
    mine = SCHEDULES.c.id == run.schedule_id
    connection.execute(update(SCHEDULES).where(mine).values(alarm=alarm[:500]))
