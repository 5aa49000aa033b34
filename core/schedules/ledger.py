"""What beat does to the tables: plan rows, claim slots that are due, mark what was published.

The slot's row in `schedule_runs` is unique, so that a slot is dispatched once whoever leads; and
it is committed before its message is published, so that one that a crash left `claimed` can be
sent again under the same id.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, and_, func, select, update

from core.db import database
from core.errors import InputError
from core.leases import holder_name
from core.queues import QUEUE_OF, TaskName
from core.schedules.models import (
    Overlap,
    Reason,
    RunState,
    Schedule,
    ScheduleRun,
)
from core.schedules.planning import Catchup, Plan, jitter, missed, next_slot
from core.schedules.timing import Timing, read_timing

SCHEDULES = Schedule.__table__
RUNS = ScheduleRun.__table__

PAGE = 500
RESEND_AFTER = timedelta(seconds=10)
"""A run that is claimed for longer and not sent was left by a crash, or by the broker."""

SOONEST = func.min(SCHEDULES.c.next_due_at)
LIVE = (str(RunState.CLAIMED), str(RunState.SENT), str(RunState.RUNNING))
INSTANT = datetime.resolution


class BrokenRowError(InputError):
    """A schedule that cannot run as it stands in its row."""


@dataclass(frozen=True, slots=True)
class Order:
    """One message to publish: a run that is claimed."""

    run_id: UUID
    task: str
    args: list[Any]


def timing_of(row: Row[Any]) -> Timing:
    """Read the timing of a row.

    Raises:
        InputError: it has none that can be used.
    """
    return read_timing(
        kind=row.kind,
        every_seconds=row.every_seconds,
        offset_seconds=row.offset_seconds,
        crontab=row.crontab,
        zone=row.timezone,
        at=row.at,
        start_at=row.start_at,
        end_at=row.end_at,
        jitter_seconds=row.jitter_seconds,
    )


def arguments_of(row: Row[Any]) -> list[Any]:
    """Read the task's arguments, a JSON array.

    Raises:
        BrokenRowError: they are none, or the task is not one of ours.
    """
    if row.task not in set(QUEUE_OF):
        known = ", ".join(sorted(TaskName))
        raise BrokenRowError(f"task: no task is called {row.task}; known: {known}")
    try:
        args = json.loads(row.args)
    except ValueError as error:
        raise BrokenRowError(f"args: not JSON: {error}") from error
    if not isinstance(args, list):
        raise BrokenRowError("args: expected a JSON array")
    return args


# ---- planning ----


def plan_changed(connection: Connection, now: datetime) -> int:
    """Plan the rows that somebody has changed, from now on; a broken one is flagged, not run."""
    statement = select(SCHEDULES).where(SCHEDULES.c.is_planned.is_(False)).limit(PAGE)
    rows = connection.execute(statement).all()
    for row in rows:
        values = planned(row, now) | {"is_planned": True, "plan_number": row.plan_number + 1}
        unchanged = and_(SCHEDULES.c.id == row.id, SCHEDULES.c.plan_number == row.plan_number)
        connection.execute(update(SCHEDULES).where(unchanged).values(values))
    return len(rows)


def planned(row: Row[Any], now: datetime) -> dict[str, Any]:
    """Return the columns that say when a row is due next, or why it never is."""
    try:
        timing, _ = timing_of(row), arguments_of(row)
    except InputError as error:
        return {"next_slot_at": None, "next_due_at": None, "error": error.detail[:500]}
    is_off = not row.is_enabled or (row.paused_at is not None and row.paused_until is None)
    after = max(now, row.paused_until) if row.paused_until else now
    return moments(row.id, timing, None if is_off else next_slot(timing, after)) | {"error": None}


def moments(schedule_id: UUID, timing: Timing, slot: datetime | None) -> dict[str, Any]:
    """Return the slot and, with its jitter, when it is due."""
    if slot is None:
        return {"next_slot_at": None, "next_due_at": None}
    return {
        "next_slot_at": slot,
        "next_due_at": slot + jitter(schedule_id, slot, timing.jitter_seconds),
    }


# ---- claiming ----


def claim_due(connection: Connection, now: datetime) -> tuple[list[Order], int]:
    """Claim the slots that are due, at most a page of schedules; return orders and rows seen."""
    due = and_(SCHEDULES.c.next_due_at <= now, SCHEDULES.c.is_planned.is_(True))
    statement = (
        select(SCHEDULES).where(due).order_by(SCHEDULES.c.next_due_at).limit(PAGE)
    ).with_for_update(skip_locked=True)
    rows = connection.execute(statement).all()
    if not rows:
        return [], 0
    under_way = busy(connection, [row for row in rows if row.overlap == Overlap.SKIP], now)
    steps = [_step(row, now, is_busy=row.id in under_way) for row in rows]
    runs = [run for step in steps for run in step.runs]
    inserted = database().insert_new(connection, RUNS, runs) if runs else set()
    database().update_many(connection, SCHEDULES, [step.values for step in steps])
    orders = [order for step in steps for order in step.orders if order.run_id in inserted]
    return orders, len(rows)


@dataclass(frozen=True, slots=True)
class _Step:
    """What becomes of one schedule that is due."""

    values: dict[str, Any]
    runs: list[dict[str, Any]]
    orders: list[Order]


def _step(row: Row[Any], now: datetime, *, is_busy: bool) -> _Step:
    """Decide on the slots of one row by its policies."""
    try:
        timing, args = timing_of(row), arguments_of(row)
    except InputError as error:
        values = {"next_slot_at": None, "next_due_at": None, "error": error.detail[:500]}
        return _Step({"id": row.id, **values, "alarm": row.alarm}, [], [])
    window = timedelta(seconds=row.catchup_window_seconds)
    plan = missed(timing, row.next_slot_at - INSTANT, now, Catchup(row.catchup), window)
    runs = [*_runs(row, plan, now, is_busy=is_busy), *_missed(row, plan, now)]
    orders = [Order(run["id"], row.task, args) for run in runs if run["state"] == RunState.CLAIMED]
    alarm = _alarm(plan) or row.alarm
    values = moments(row.id, timing, plan.next_slot)
    return _Step({"id": row.id, **values, "error": None, "alarm": alarm}, runs, orders)


def _runs(row: Row[Any], plan: Plan, now: datetime, *, is_busy: bool) -> list[dict[str, Any]]:
    """Return the runs of the slots that are still taken up."""
    runs: list[dict[str, Any]] = []
    for slot in plan.run:
        reason = Reason.CATCHUP if plan.is_catchup(slot) else Reason.SLOT
        note = f"{plan.missed_count} before it were missed" if plan.missed_count else None
        state = RunState.CLAIMED
        if is_busy:
            state, note = RunState.SKIPPED, "overlap: the run before is still under way"
        runs.append(new_run(row.id, slot, reason, state, now=now, note=note))
    return runs


def _missed(row: Row[Any], plan: Plan, now: datetime) -> list[dict[str, Any]]:
    """Return one row for the slots that passed and are not taken up: none goes in silence."""
    if not plan.missed_count or plan.last_missed is None:
        return []
    note = f"{plan.missed_count} missed by {row.catchup}, the last of them this one"
    slot = plan.last_missed
    return [new_run(row.id, slot, Reason.SLOT, RunState.MISSED, now=now, note=note)]


def _alarm(plan: Plan) -> str | None:
    if not plan.missed_count:
        return None
    return f"{plan.missed_count} missed up to {plan.last_missed:%Y-%m-%d %H:%M}Z"


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


def busy(connection: Connection, rows: Sequence[Row[Any]], now: datetime) -> set[UUID]:
    """Return the schedules whose last run is still under way, and not for too long."""
    longest = {row.id: timedelta(seconds=row.max_run_seconds) for row in rows}
    if not longest:
        return set()
    began = func.coalesce(RUNS.c.started_at, RUNS.c.sent_at, RUNS.c.claimed_at)
    statement = select(RUNS.c.schedule_id, began.label("began")).where(
        database().among(RUNS.c.schedule_id, longest), RUNS.c.state.in_(LIVE)
    )
    return {
        run.schedule_id
        for run in connection.execute(statement)
        if run.began + longest[run.schedule_id] > now
    }


# ---- publishing ----


def left_claimed(connection: Connection, before: datetime) -> list[Order]:
    """Return claimed runs that nobody has published, oldest first.

    Of a schedule that catches up with its latest slot alone, older ones are dropped: after a
    long outage of the broker each such schedule runs once.
    """
    statement = (
        select(RUNS.c.id, RUNS.c.slot_at, RUNS.c.reason, SCHEDULES)
        .join(SCHEDULES, SCHEDULES.c.id == RUNS.c.schedule_id)
        .where(RUNS.c.state == RunState.CLAIMED, RUNS.c.claimed_at <= before)
        .order_by(RUNS.c.slot_at)
        .limit(PAGE)
    )
    rows = connection.execute(statement).all()
    newest = {row.name: row.slot_at for row in rows if row.reason != Reason.MANUAL}
    superseded = [
        row[0] for row in rows if row.catchup != Catchup.ALL and row.slot_at < newest[row.name]
    ]
    _drop(connection, superseded)
    kept = [row for row in rows if row[0] not in set(superseded)]
    return [order for row in kept if (order := _order_again(connection, row)) is not None]


def _order_again(connection: Connection, row: Row[Any]) -> Order | None:
    """Return the order of a claimed run; None when its row has been broken since."""
    try:
        return Order(row[0], row.task, arguments_of(row))
    except BrokenRowError as error:
        end_run(connection, row[0], RunState.FAILED, error.detail, row.slot_at)
        return None


def _drop(connection: Connection, ids: Sequence[UUID]) -> None:
    if ids:
        values = {"state": str(RunState.SKIPPED), "note": "superseded: a later slot is due too"}
        mine = and_(database().among(RUNS.c.id, ids), RUNS.c.state == RunState.CLAIMED)
        connection.execute(update(RUNS).where(mine).values(values))


def mark_sent(connection: Connection, ids: Iterable[UUID], now: datetime) -> None:
    """Say that the messages of these runs are with the broker, unless a worker has begun."""
    mine = and_(database().among(RUNS.c.id, ids), RUNS.c.state == RunState.CLAIMED)
    connection.execute(update(RUNS).where(mine).values(state=str(RunState.SENT), sent_at=now))


# ---- the worker's side ----


def begin_run(connection: Connection, found: UUID, now: datetime) -> bool:
    """Take a run for this worker; False when another has it or it is not worth running any more.

    A second message of the same run finds it taken; one that waited longer than the schedule's
    `expires_seconds` is dropped, so that nothing piles up while no worker is there.
    """
    waiting = and_(
        RUNS.c.id == found, RUNS.c.state.in_((str(RunState.CLAIMED), str(RunState.SENT)))
    )
    statement = (
        select(RUNS.c.claimed_at, SCHEDULES.c.expires_seconds)
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
    return connection.execute(update(RUNS).where(waiting).values(values)).rowcount == 1


def end_run(connection: Connection, found: UUID, state: RunState, note: str, now: datetime) -> None:
    """Write how a run ended, in one line."""
    values = {"state": str(state), "finished_at": now, "note": note[:500]}
    connection.execute(update(RUNS).where(RUNS.c.id == found).values(values))
