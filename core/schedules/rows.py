"""Reading rows of `schedules`, of which any may be broken: SQL may have written anything."""

import json
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    select,
    type_coerce,
    update,
)

from core.errors import InputError
from core.queues import QUEUE_OF, TaskName
from core.schedules.models import Schedule
from core.schedules.planning import jitter, next_slot
from core.schedules.timing import Timing, read_timing

SCHEDULES = Schedule.__table__

logger = logging.getLogger(__name__)

Decided = TypeVar("Decided")


class BrokenRowError(InputError):
    """A schedule that cannot run as it stands in its row."""


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


def readable(connection: Connection, statement: Select[Any]) -> Sequence[Row[Any]]:
    """Read schedules; one that SQLite, which keeps any text as a time, cannot give is flagged."""
    found, unreadable = sorted_out(connection, statement)
    for key, why in unreadable.items():
        values = stopped(why) | {"is_planned": True}
        connection.execute(update(SCHEDULES).where(_raw_id() == key).values(values))
    return found


def sorted_out(
    connection: Connection, statement: Select[Any]
) -> tuple[Sequence[Row[Any]], dict[str, str]]:
    """Read schedules; return those that can be read, and why the others cannot by raw id."""
    try:
        return connection.execute(statement).all(), {}
    except ValueError:
        keys = connection.scalars(statement.with_only_columns(_raw_id())).all()
    found: list[Row[Any]] = []
    unreadable = {}
    for key in keys:
        try:
            found += connection.execute(select(SCHEDULES).where(_raw_id() == key)).all()
        except ValueError as error:
            unreadable[key] = str(error)
    return found, unreadable


def name_of(connection: Connection, key: str) -> str:
    """Return the name of a schedule by its raw id."""
    return str(connection.scalar(select(SCHEDULES.c.name).where(_raw_id() == key)))


def _raw_id() -> ColumnElement[str]:
    """Return the id as its column has it: some engines keep any text there."""
    return type_coerce(SCHEDULES.c.id, String)


def stopped(why: str) -> dict[str, Any]:
    """Return the columns that say why a row cannot run."""
    return {"next_slot_at": None, "next_due_at": None, "error": why[:500]}


def careful(
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


def planned_slot(
    values: Mapping[str, Any], timing: Timing, now: datetime, taken: Container[datetime] = ()
) -> datetime | None:
    """Return the next slot of a row with these values; None when it is off or paused for good."""
    is_off = not values["is_enabled"] or (values["paused_at"] and not values["paused_until"])
    after = max(now, values["paused_until"]) if values["paused_until"] else now
    return None if is_off else next_slot(timing, after, taken)
