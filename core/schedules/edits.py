"""Adding and editing schedules: everything is checked before anything is written."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from core.clock import utcnow
from core.db import database
from core.editing import By
from core.errors import ConflictError, InputError
from core.ids import new_id
from core.queues import QUEUE_OF, TaskName
from core.schedules import ledger
from core.schedules.books import (
    EDITABLE,
    changes,
    locked,
    note_change,
    plain,
    timing_or_none,
    typed,
    write,
)
from core.schedules.models import (
    Origin,
    Overlap,
    Schedule,
)
from core.schedules.planning import Catchup, first_slot
from core.schedules.preview import difference
from core.schedules.timing import Timing, read_timing

SCHEDULES = Schedule.__table__

LOCKED_IF_BUILTIN = frozenset({"task", "args"})

DEFAULTS: Mapping[str, Any] = {
    "description": None,
    "args": "[]",
    "kind": "interval",
    "every_seconds": None,
    "offset_seconds": 0,
    "crontab": None,
    "timezone": "UTC",
    "at": None,
    "start_at": None,
    "end_at": None,
    "jitter_seconds": 0,
    "is_enabled": True,
    "catchup": str(Catchup.LATEST),
    "catchup_window_seconds": 3600,
    "overlap": str(Overlap.ALLOW),
    "max_run_seconds": 3600,
    "expires_seconds": None,
}
LONGEST = 366 * 86_400
LONGEST_NAME = 100


def add(connection: Connection, name: str, values: Mapping[str, Any], by: By) -> UUID:
    """Add a schedule; it runs first at its next slot, never at once.

    Raises:
        InputError: a value that cannot be; the finding names the field.
        ConflictError: the name is taken.
    """
    if not name.isprintable() or not 1 <= len(name.strip()) == len(name) <= LONGEST_NAME:
        raise InputError.at("/name", "length", "name: 1 to 100 characters")
    row = {**DEFAULTS, **_known(values)}
    timing = check(row)
    now = utcnow()
    first = first_slot(timing, now) if row["is_enabled"] else None
    schedule_id = new_id()
    full = {
        **row,
        **ledger.moments(schedule_id, timing, first),
        "id": schedule_id,
        "name": name,
        "paused_at": None,
        "paused_until": None,
        "pause_reason": None,
        "origin": str(Origin.STAFF),
        "is_planned": True,
        "plan_number": 1,
        "error": None,
        "alarm": None,
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "updated_by": by.actor,
    }
    if not database().insert_new(connection, SCHEDULES, [full]):
        raise ConflictError(f"there is a schedule {name} already")
    note_change(connection, schedule_id, {}, plain(row), by)
    return schedule_id


def edit(
    connection: Connection, name: str, values: Mapping[str, Any], by: By, version: int | None = None
) -> str:
    """Change a schedule and say what that does to its next run; nothing runs at once.

    Raises:
        InputError: a value that cannot be, or one that a built-in schedule does not give up.
        ChangedError: somebody else has changed it since `version`.
    """
    old = locked(connection, name, version)
    new = {column: getattr(old, column) for column in EDITABLE} | _known(values)
    changed = {column for column in EDITABLE if new[column] != getattr(old, column)}
    if old.origin == Origin.BUILTIN and changed & LOCKED_IF_BUILTIN:
        raise InputError.at("/task", "builtin", "the task of a built-in schedule stays as it is")
    timing = check(new)
    if changed & {"kind", "at"}:
        # The form must not save a single run that is past; it would never come.
        first_slot(timing, utcnow())
    sentence = _difference(old, timing)
    write(connection, old, {column: new[column] for column in changed}, by, timing)
    return sentence


def check(row: Mapping[str, Any]) -> Timing:
    """Check the values of a schedule and return its timing.

    Raises:
        InputError: the finding names the field.
    """
    if row["task"] not in set(QUEUE_OF):
        known = ", ".join(sorted(TaskName))
        raise InputError.at("/task", "task", f"task: there is no {row['task']}; known: {known}")
    _check_args(row["args"])
    _check_choice("catchup", row["catchup"], set(Catchup))
    _check_choice("overlap", row["overlap"], set(Overlap))
    for column in ("catchup_window_seconds", "max_run_seconds", "expires_seconds"):
        if row[column] is not None and not 1 <= row[column] <= LONGEST:
            raise InputError.at(f"/{column}", "bounds", f"{column}: 1 second to 366 days")
    return read_timing(
        kind=row["kind"],
        every_seconds=row["every_seconds"],
        offset_seconds=row["offset_seconds"],
        crontab=row["crontab"],
        zone=row["timezone"],
        at=row["at"],
        start_at=row["start_at"],
        end_at=row["end_at"],
        jitter_seconds=row["jitter_seconds"],
    )


def _check_args(text: str) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError.at("/args", "json", f"args: not JSON: {error}") from error
    if not isinstance(value, list):
        raise InputError.at("/args", "json", "args: expected a JSON array")


def _check_choice(column: str, value: str, known: set[Any]) -> None:
    if value not in known:
        choices = ", ".join(sorted(known))
        raise InputError.at(f"/{column}", "choice", f"{column}: one of {choices}")


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    for name in values:
        if name not in EDITABLE:
            raise InputError.at(f"/{name}", "unknown-field", f"a schedule has no field {name}")
    return dict(values)


def undo(connection: Connection, name: str, by: By) -> str:
    """Take the last edit of the fields back.

    Raises:
        ConflictError: there is none.
    """
    for change in changes(connection, name, 100):
        before = {key: value for key, value in change.before.items() if key in EDITABLE}
        if before:
            return edit(connection, name, typed(before), by)
    raise ConflictError(f"nothing of {name} was changed")


def _difference(old: Row[Any], new: Timing) -> str:
    before = timing_or_none(old)
    return difference(before, new, utcnow()) if before else "it can run again"
