"""The books of the schedule: writing its rows, with who did it and why."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from core import actor
from core.clock import rfc3339
from core.db import database_time
from core.editing import By, check_version
from core.errors import InputError, NotFoundError
from core.ids import new_id
from core.schedules.history import CHANGES
from core.schedules.models import TIMING_COLUMNS
from core.schedules.rows import SCHEDULES, moments, planned_slot
from core.schedules.runs import slots_taken
from core.schedules.timing import Timing

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


def locked(connection: Connection, name: str, version: int | None = None) -> Row[Any]:
    """Return the schedule called `name`, locked for a change.

    Raises:
        NotFoundError: there is none.
        InputError: somebody has written a time into its row that is none.
        ChangedError: it is not at `version` any more.
    """
    statement = select(SCHEDULES).where(SCHEDULES.c.name == name).with_for_update()
    try:
        row = connection.execute(statement).one_or_none()
    except ValueError as error:
        raise InputError(f"the row of {name} cannot be read: {error}") from error
    if row is None:
        raise NotFoundError(f"no schedule is called {name}")
    check_version(row, version, EDITABLE)
    return row


def write(
    connection: Connection, old: Row[Any], values: Mapping[str, Any], by: By, timing: Timing | None
) -> None:
    """Write changed columns, plan the row anew where its timing changed, and note who did it."""
    if not values:
        return
    now = database_time(connection)
    merged = {**old._asdict(), **values}
    is_moved = bool(set(values) & set(TIMING_COLUMNS)) or old.error is not None
    planned = _replanned(connection, merged, timing, now) if is_moved else {}
    changed = update(SCHEDULES).where(SCHEDULES.c.id == old.id).values(**values, **planned)
    with actor.because(by.comment):
        connection.execute(
            changed.values(version=old.version + 1, updated_at=now, updated_by=by.actor)
        )
    before = {column: getattr(old, column) for column in values}
    note_change(connection, by, of=(old.id, old.name), before=plain(before), after=plain(values))


def _replanned(
    connection: Connection, merged: Mapping[str, Any], timing: Timing | None, now: datetime
) -> dict[str, Any]:
    """Return the plan of a changed row; a broken one is left to beat, which flags it."""
    if timing is None:
        return {}
    taken = slots_taken(connection, [merged["id"]], now)[merged["id"]]
    slot = planned_slot(merged, timing, now, taken)
    planned = {"is_planned": True, "plan_number": merged["plan_number"] + 1, "error": None}
    return moments(merged["id"], timing, slot) | planned


def note_change(
    connection: Connection,
    by: By,
    *,
    of: tuple[UUID, str],
    before: dict[str, str],
    after: dict[str, str],
) -> None:
    """Append who changed the schedule `of` (id and name), from what to what, and why."""
    connection.execute(
        insert(CHANGES).values(
            id=new_id(),
            schedule_id=of[0],
            schedule_name=of[1],
            changed_at=database_time(connection),
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
    times = {"at", "start_at", "end_at", "paused_at", "paused_until", "next_slot_at"}
    read = {name: json.loads(value) for name, value in values.items()}
    return {
        name: datetime.fromisoformat(value) if name in times and value else value
        for name, value in read.items()
    }
