"""What beat does to the tables: plan rows and claim slots that are due.

The slot's row in `schedule_runs` is unique, so that a slot is dispatched once whoever leads; and
it is committed before its message is published, so that one that a crash left `claimed` can be
sent again under the same id.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, false, func, select, update

from core.db import database
from core.errors import InputError
from core.leases import holder_name
from core.queues import QUEUE_OF, SIGNALS, TaskName
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

UNPLANNED = SCHEDULES.c.is_planned == false()
"""As the partial index has it: PostgreSQL would not find `IS false` in it."""

LIVE = (str(RunState.CLAIMED), str(RunState.SENT), str(RunState.RUNNING))
INSTANT = datetime.resolution

logger = logging.getLogger(__name__)

Decided = TypeVar("Decided")


class BrokenRowError(InputError):
    """A schedule that cannot run as it stands in its row."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to do: the soonest moment at which a row is due, and what waits already."""

    soonest: datetime | None
    has_unplanned: bool
    has_claimed: bool


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
    except (ValueError, RecursionError) as error:
        raise BrokenRowError(f"args: not JSON: {error}") from error
    if not isinstance(args, list):
        raise BrokenRowError("args: expected a JSON array")
    return args


def look(connection: Connection) -> Outlook:
    """See in one statement, whose cost does not grow with the rows, what there is to do."""
    claimed = select(RUNS.c.id).where(RUNS.c.state == RunState.CLAIMED)
    soonest = select(func.min(SCHEDULES.c.next_due_at)).scalar_subquery()
    unplanned = select(SCHEDULES.c.id).where(UNPLANNED)
    row = connection.execute(select(soonest, unplanned.exists(), claimed.exists())).one()
    return Outlook(*row)


# ---- planning ----


def plan_changed(connection: Connection, now: datetime) -> int:
    """Plan the rows that somebody has changed, from now on; a broken one is flagged, not run."""
    statement = select(SCHEDULES).where(UNPLANNED).limit(PAGE)
    # A row that somebody holds at this moment must not make the others wait.
    rows = _read(connection, statement.with_for_update(skip_locked=True))
    for row in rows:
        values = planned(row, now) | {"is_planned": True, "plan_number": row.plan_number + 1}
        unchanged = and_(SCHEDULES.c.id == row.id, SCHEDULES.c.plan_number == row.plan_number)
        connection.execute(update(SCHEDULES).where(unchanged).values(values))
    return len(rows)


def _read(connection: Connection, statement: Select[Any]) -> Sequence[Row[Any]]:
    """Read rows; one that SQLite, which keeps any text as a time, cannot give is flagged."""
    try:
        return connection.execute(statement).all()
    except ValueError:
        ids = connection.scalars(statement.with_only_columns(SCHEDULES.c.id)).all()
    rows = []
    for found in ids:
        mine = SCHEDULES.c.id == found
        try:
            rows.append(connection.execute(select(SCHEDULES).where(mine)).one())
        except ValueError as error:
            values = _stopped(str(error)) | {"is_planned": True}
            connection.execute(update(SCHEDULES).where(mine).values(values))
    return rows


def plan_broken(connection: Connection) -> None:
    """Let broken rows be planned again: what was wrong may have been mended outside the row."""
    broken = and_(SCHEDULES.c.error.is_not(None), SCHEDULES.c.is_planned.is_(True))
    connection.execute(update(SCHEDULES).where(broken).values(is_planned=False))


def planned(row: Row[Any], now: datetime) -> dict[str, Any]:
    """Return the columns that say when a row is due next, or why it never is."""
    return _careful(row, lambda: _planned(row, now), _stopped)


def _planned(row: Row[Any], now: datetime) -> dict[str, Any]:
    timing, _ = timing_of(row), arguments_of(row)
    is_off = not row.is_enabled or (row.paused_at is not None and row.paused_until is None)
    after = max(now, row.paused_until) if row.paused_until else now
    return moments(row.id, timing, None if is_off else next_slot(timing, after)) | {"error": None}


def _stopped(why: str) -> dict[str, Any]:
    return {"next_slot_at": None, "next_due_at": None, "error": why[:500]}


def _careful(
    row: Row[Any], decide: Callable[[], Decided], broken: Callable[[str], Decided]
) -> Decided:
    """Decide on one row; whatever is wrong with it must not stop the others."""
    try:
        return decide()
    except InputError as error:
        return broken(error.detail)
    except Exception as error:
        logger.exception("schedule cannot be read", extra={"schedule": row.name})
        return broken(f"{type(error).__name__}: {error}")


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
    inserted = _insert(connection, [run for step in steps for run in step.runs])
    database().update_many(connection, SCHEDULES, [step.values for step in steps])
    orders = [order for step in steps for order in step.orders if order.run_id in inserted]
    return orders, len(rows)


def _insert(connection: Connection, runs: Sequence[dict[str, Any]]) -> set[UUID]:
    """Write the runs whose slots are not in the ledger yet; return their ids.

    A run's id follows from its slot, so one that is there already would pass for ours.
    """
    if not runs:
        return set()
    mine = database().among(RUNS.c.id, [run["id"] for run in runs])
    known = set(connection.scalars(select(RUNS.c.id).where(mine)))
    new = [run for run in runs if run["id"] not in known]
    return database().insert_new(connection, RUNS, new) if new else set()


@dataclass(frozen=True, slots=True)
class _Step:
    """What becomes of one schedule that is due."""

    values: dict[str, Any]
    runs: list[dict[str, Any]]
    orders: list[Order]


def _step(row: Row[Any], now: datetime, *, is_busy: bool) -> _Step:
    """Decide on the slots of one row by its policies."""

    def broken(why: str) -> _Step:
        return _Step({"id": row.id, **_stopped(why), "alarm": row.alarm}, [], [])

    return _careful(row, lambda: _decide(row, now, is_busy=is_busy), broken)


def _decide(row: Row[Any], now: datetime, *, is_busy: bool) -> _Step:
    timing, args = timing_of(row), arguments_of(row)
    # Up to here every slot's jitter is over. A later one may still have to wait for its own.
    until = max(row.next_slot_at, now - timedelta(seconds=timing.jitter_seconds))
    window = timedelta(seconds=row.catchup_window_seconds)
    policy, error = _policy(row)
    exact = replace(timing, jitter_seconds=0)
    plan = missed(exact, row.next_slot_at - INSTANT, until, policy, window)
    runs = [*_runs(row, plan, now, is_busy=is_busy), *_missed(row, plan, now)]
    orders = [Order(run["id"], row.task, args) for run in runs if run["state"] == RunState.CLAIMED]
    alarm = _alarm(plan) or row.alarm
    values = moments(row.id, timing, plan.next_slot)
    return _Step({"id": row.id, **values, "error": error, "alarm": alarm}, runs, orders)


def _policy(row: Row[Any]) -> tuple[Catchup, str | None]:
    """Return what a row wants to catch up, and an error where nobody knows what that means.

    Such a row goes on: there is nothing wrong with its time or its task.
    """
    try:
        return Catchup(row.catchup), None
    except ValueError:
        known = ", ".join(Catchup)
        return Catchup.LATEST, f"catchup: {row.catchup} is not known; latest is used ({known})"


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
        # Of several that are caught up, one is under way from now on.
        is_busy = is_busy or row.overlap == Overlap.SKIP
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
    """Write how a run ended, in one line."""
    values = {"state": str(state), "finished_at": now, "note": note[:500]}
    connection.execute(update(RUNS).where(RUNS.c.id == found).values(values))
