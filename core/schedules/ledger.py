"""What beat does to the tables: plan rows and claim slots that are due.

The slot's row in `schedule_runs` is unique, so that a slot is dispatched once whoever leads; and
it is committed before its message is published, so that one that a crash left `claimed` can be
sent again under the same id.
"""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, false, func, select, update

from core.db import database
from core.schedules.models import Overlap, Reason, RunState
from core.schedules.planning import Catchup, Plan, missed
from core.schedules.rows import (
    SCHEDULES,
    arguments_of,
    careful,
    moments,
    planned_slot,
    readable,
    stopped,
    timing_of,
)
from core.schedules.runs import RUNS, goes_on, new_run, slots_taken, under_way

PAGE = 500

UNPLANNED = SCHEDULES.c.is_planned == false()
"""As the partial index has it: PostgreSQL would not find `IS false` in it."""

INSTANT = datetime.resolution


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to do: the soonest moment at which a row is due, and what waits already."""

    soonest: datetime | None
    has_unplanned: bool
    has_claimed: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """One message to publish: a run that is claimed."""

    run_id: UUID
    task: str
    args: list[Any]


def look(connection: Connection) -> Outlook:
    """See in one statement, whose cost does not grow with the rows, what there is to do."""
    claimed = select(RUNS.c.id).where(RUNS.c.state == RunState.CLAIMED)
    soonest = select(func.min(SCHEDULES.c.next_due_at)).scalar_subquery()
    unplanned = select(SCHEDULES.c.id).where(UNPLANNED)
    waiting = (unplanned.exists(), claimed.exists())
    row = connection.execute(select(soonest, *waiting, database().clock())).one()
    return Outlook(*row)


def flag_unreadable(connection: Connection) -> None:
    """Flag what stands in a row where a time should be, and keeps `look` from reading it."""
    readable(connection, select(SCHEDULES))


# ---- planning ----


def plan_changed(connection: Connection, now: datetime) -> int:
    """Plan the rows that somebody has changed, from now on; a broken one is flagged, not run."""
    statement = select(SCHEDULES).where(UNPLANNED).limit(PAGE)
    # A row that somebody holds at this moment must not make the others wait.
    rows = readable(connection, statement.with_for_update(skip_locked=True))
    taken = slots_taken(connection, [row.id for row in rows], now)
    for row in rows:
        values = planned(row, now, taken[row.id]) | {
            "is_planned": True,
            "plan_number": row.plan_number + 1,
        }
        unchanged = and_(SCHEDULES.c.id == row.id, SCHEDULES.c.plan_number == row.plan_number)
        connection.execute(update(SCHEDULES).where(unchanged).values(values))
    return len(rows)


def plan_broken(connection: Connection) -> None:
    """Let broken rows be planned again: what was wrong may have been mended outside the row."""
    broken = and_(SCHEDULES.c.error.is_not(None), SCHEDULES.c.is_planned.is_(True))
    connection.execute(update(SCHEDULES).where(broken).values(is_planned=False))


def planned(row: Row[Any], now: datetime, taken: Container[datetime] = ()) -> dict[str, Any]:
    """Return the columns that say when a row is due next, or why it never is.

    `taken` are slots that are in the ledger already, as somebody has skipped them.
    """
    return careful(row, lambda: _planned(row, now, taken), stopped)


def _planned(row: Row[Any], now: datetime, taken: Container[datetime]) -> dict[str, Any]:
    timing, _ = timing_of(row), arguments_of(row)
    slot = planned_slot(row._asdict(), timing, now, taken)
    return moments(row.id, timing, slot) | {"error": None}


# ---- claiming ----


def claim_due(connection: Connection, now: datetime) -> tuple[list[Order], int]:
    """Claim the slots that are due, at most a page of schedules; return orders and rows seen."""
    due = and_(SCHEDULES.c.next_due_at <= now, SCHEDULES.c.is_planned.is_(True))
    statement = (
        select(SCHEDULES).where(due).order_by(SCHEDULES.c.next_due_at).limit(PAGE)
    ).with_for_update(skip_locked=True)
    rows = readable(connection, statement)
    if not rows:
        return [], 0
    began = under_way(connection, [row.id for row in rows if row.overlap == Overlap.SKIP])
    steps = [_step(row, now, began.get(row.id)) for row in rows]
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


def _step(row: Row[Any], now: datetime, began: datetime | None) -> _Step:
    """Decide on the slots of one row by its policies; a run of it that goes on `began` then."""

    def broken(why: str) -> _Step:
        return _Step({"id": row.id, **stopped(why), "alarm": row.alarm}, [], [])

    return careful(row, lambda: _decide(row, now, began), broken)


def _decide(row: Row[Any], now: datetime, began: datetime | None) -> _Step:
    timing, args = timing_of(row), arguments_of(row)
    # Up to here every slot's jitter is over. A later one may still have to wait for its own.
    until = max(row.next_slot_at, now - timedelta(seconds=timing.jitter_seconds))
    window = timedelta(seconds=row.catchup_window_seconds)
    policy, error = _policy(row)
    exact = replace(timing, jitter_seconds=0)
    plan = missed(exact, row.next_slot_at - INSTANT, until, policy, window)
    is_busy = began is not None and goes_on(row, began, now)
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
