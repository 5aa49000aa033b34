"""The books of the schedule: reading rows, writing them with who did it and why."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from core.clock import rfc3339, utcnow
from core.editing import By, check_version
from core.errors import InputError, NotFoundError
from core.ids import new_id
from core.models import Lease
from core.schedules import ledger
from core.schedules.models import (
    TIMING_COLUMNS,
    Schedule,
    ScheduleChange,
    ScheduleRun,
)
from core.schedules.planning import next_slot
from core.schedules.timing import Timing

SCHEDULES = Schedule.__table__
RUNS = ScheduleRun.__table__
CHANGES = ScheduleChange.__table__
LEASES = Lease.__table__

EDITABLE = (
    "description",
    "task",
    "args",
    "kind",
    "every_seconds",
    "offset_seconds",
    "crontab",
    "timezone",
    "at",
    "start_at",
    "end_at",
    "jitter_seconds",
    "is_enabled",
    "catchup",
    "catchup_window_seconds",
    "overlap",
    "max_run_seconds",
    "expires_seconds",
)
"""Columns that a form or command may set."""

BEAT_LEASE = "beat"
"""The name of the lease whose holder leads."""


def find(connection: Connection, name: str) -> Row[Any]:
    """Return the schedule called `name`.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(select(SCHEDULES).where(SCHEDULES.c.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"no schedule is called {name}")
    return row


def every(connection: Connection) -> list[Row[Any]]:
    """Return all schedules by name."""
    return list(connection.execute(select(SCHEDULES).order_by(SCHEDULES.c.name)))


def last_runs(connection: Connection, name: str, count: int = 20) -> list[Row[Any]]:
    """Return the newest runs of a schedule, those that were skipped or missed too."""
    row = find(connection, name)
    mine = RUNS.c.schedule_id == row.id
    statement = select(RUNS).where(mine).order_by(RUNS.c.slot_at.desc()).limit(count)
    return list(connection.execute(statement))


def changes(connection: Connection, name: str, count: int = 20) -> list[Row[Any]]:
    """Return who changed a schedule, the newest first."""
    row = find(connection, name)
    mine = CHANGES.c.schedule_id == row.id
    statement = select(CHANGES).where(mine).order_by(CHANGES.c.id.desc()).limit(count)
    return list(connection.execute(statement))


def leader(connection: Connection) -> str | None:
    """Say which beat leads since when; None when none does."""
    row = connection.execute(select(LEASES).where(LEASES.c.name == BEAT_LEASE)).one_or_none()
    if row is None or row.holder is None or row.until <= utcnow():
        return None
    return f"{row.holder} leads since {rfc3339(row.since)}"


def locked(connection: Connection, name: str, version: int | None = None) -> Row[Any]:
    """Return the schedule called `name`, locked for a change.

    Raises:
        NotFoundError: there is none.
        ChangedError: it is not at `version` any more.
    """
    statement = select(SCHEDULES).where(SCHEDULES.c.name == name).with_for_update()
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise NotFoundError(f"no schedule is called {name}")
    check_version(row, version, EDITABLE)
    return row


def timing_or_none(row: Row[Any]) -> Timing | None:
    """Return a row's timing; None for a broken one."""
    try:
        return ledger.timing_of(row)
    except InputError:
        return None


def write(
    connection: Connection, old: Row[Any], values: Mapping[str, Any], by: By, timing: Timing | None
) -> None:
    """Write changed columns, plan the row anew where its timing changed, and note who did it."""
    if not values:
        return
    now = utcnow()
    merged = {**old._asdict(), **values}
    is_moved = bool(set(values) & set(TIMING_COLUMNS)) or old.error is not None
    planned = _replanned(merged, timing, now) if is_moved else {}
    connection.execute(
        update(SCHEDULES)
        .where(SCHEDULES.c.id == old.id)
        .values(
            **values,
            **planned,
            version=old.version + 1,
            updated_at=now,
            updated_by=by.actor,
        )
    )
    before = {column: getattr(old, column) for column in values}
    note_change(connection, old.id, plain(before), plain(values), by)


def _replanned(merged: Mapping[str, Any], timing: Timing | None, now: datetime) -> dict[str, Any]:
    """Return the plan of a changed row; a broken one is left to beat, which flags it."""
    if timing is None:
        return {}
    is_off = not merged["is_enabled"] or (merged["paused_at"] and not merged["paused_until"])
    after = max(now, merged["paused_until"]) if merged["paused_until"] else now
    slot = None if is_off else next_slot(timing, after)
    moments = ledger.moments(merged["id"], timing, slot)
    return {**moments, "is_planned": True, "plan_number": merged["plan_number"] + 1, "error": None}


def note_change(
    connection: Connection, schedule_id: UUID, before: dict[str, str], after: dict[str, str], by: By
) -> None:
    """Append who changed what, from what to what, and why."""
    connection.execute(
        insert(CHANGES).values(
            id=new_id(),
            schedule_id=schedule_id,
            changed_at=utcnow(),
            actor=by.actor,
            comment=by.comment,
            before=before,
            after=after,
        )
    )


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Write values as JSON text, times as RFC 3339."""
    return {
        name: json.dumps(rfc3339(value) if isinstance(value, datetime) else value)
        for name, value in values.items()
    }


def typed(values: Mapping[str, str]) -> dict[str, Any]:
    """Take `plain` back."""
    times = {"at", "start_at", "end_at"}
    read = {name: json.loads(value) for name, value in values.items()}
    return {
        name: datetime.fromisoformat(value) if name in times and value else value
        for name, value in read.items()
    }
