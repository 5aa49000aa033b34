"""Adding and editing schedules: everything is checked before anything is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from core import actor
from core.db import database, database_time
from core.editing import By
from core.errors import ConflictError, InputError
from core.ids import new_id
from core.queues import QUEUE_OF, TaskName
from core.schedules.books import EDITABLE, locked, note_change, plain, typed, write
from core.schedules.history import changes
from core.schedules.models import Origin, Overlap
from core.schedules.planning import Catchup, first_slot
from core.schedules.preview import Preview, moved, preview
from core.schedules.queries import find, timing_or_none
from core.schedules.rows import SCHEDULES, moments, planned_slot
from core.schedules.timing import Timing, read_timing

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
    now = database_time(connection)
    first = first_slot(timing, now) if row["is_enabled"] else None
    schedule_id = new_id()
    full = {
        **row,
        **moments(schedule_id, timing, first),
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
    with actor.because(by.comment):
        is_new = database().insert_new(connection, SCHEDULES, [full])
    if not is_new:
        raise ConflictError(f"there is a schedule {name} already")
    note_change(connection, by, of=(schedule_id, name), before={}, after=plain(row))
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
    edited = _edited(old, values, database_time(connection))
    write(connection, old, edited.changed, by, edited.timing)
    return edited.sentence


@dataclass(frozen=True, slots=True)
class _Edited:
    """An edit that has passed every check: the columns that change, and what that does."""

    changed: dict[str, Any]
    timing: Timing
    sentence: str


def _edited(old: Row[Any], values: Mapping[str, Any], now: datetime) -> _Edited:
    new = {column: getattr(old, column) for column in EDITABLE} | _known(values)
    changed = {key: value for key, value in new.items() if value != getattr(old, key)}
    if old.origin == Origin.BUILTIN and set(changed) & LOCKED_IF_BUILTIN:
        raise InputError.at("/task", "builtin", "the task of a built-in schedule stays as it is")
    timing = check(new)
    if set(changed) & {"kind", "at"}:
        # The form must not save a single run that is past; it would never come.
        first_slot(timing, now)
    return _Edited(changed, timing, _difference(old, new, timing, now))


@dataclass(frozen=True, slots=True)
class Draft:
    """What saving would do: the timing in words with its next runs, and the difference."""

    preview: Preview
    difference: str


def draft(
    connection: Connection, name: str | None, values: Mapping[str, Any], count: int = 5
) -> Draft:
    """Try values for the schedule `name`, or for a new one, without saving anything.

    Raises:
        NotFoundError: there is no such schedule.
        InputError: as `edit` and `add` would refuse them.
    """
    now = database_time(connection)
    if name is not None:
        edited = _edited(find(connection, name), values, now)
        return Draft(preview(edited.timing, start=now, count=count), edited.sentence)
    new = {**DEFAULTS, **_known(values)}
    timing = check(new)
    first = first_slot(timing, now) if new["is_enabled"] else None
    return Draft(preview(timing, start=now, count=count), moved(None, first, timing, timing, now))


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
        json.dumps(value, allow_nan=False)  # nor is NaN JSON, or what is read as infinity
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


def _difference(old: Row[Any], new: Mapping[str, Any], timing: Timing, now: datetime) -> str:
    """Say what an edit does to the next run, which a row that is off does not have."""
    before = timing_or_none(old)
    if before is None:
        return "it can run again"
    was = planned_slot(old._asdict(), before, now)
    will = planned_slot({**old._asdict(), **new}, timing, now)
    if will is None and was is not None and not new["is_enabled"]:
        return "it is turned off; nothing runs until it is turned on"
    return moved(was, will, before, timing, now)
