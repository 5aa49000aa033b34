"""What staff do with a schedule beside editing it: pause, resume, run, skip."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, insert, update

from core.clock import rfc3339, utcnow
from core.db import database
from core.editing import By
from core.errors import ConflictError, InputError
from core.schedules import ledger
from core.schedules.books import locked, note_change, timing_or_none, write
from core.schedules.models import (
    Overlap,
    Reason,
    RunState,
    Schedule,
    ScheduleRun,
)
from core.schedules.planning import next_slot

SCHEDULES = Schedule.__table__
RUNS = ScheduleRun.__table__


def pause(connection: Connection, name: str, by: By, until: datetime | None = None) -> None:
    """Let nothing run until `until`, or until somebody resumes it. The reason is the comment."""
    if not by.comment:
        raise InputError.at("/reason", "required", "say why it is paused")
    if until is not None and until <= utcnow():
        raise InputError.at("/until", "past", "until: that is past")
    old = locked(connection, name)
    values = {"paused_at": utcnow(), "paused_until": until, "pause_reason": by.comment}
    write(connection, old, values, by, timing_or_none(old))


def resume(connection: Connection, name: str, by: By) -> None:
    """Let it run again, from now on: what passed while it was paused is not caught up."""
    old = locked(connection, name)
    values = {"paused_at": None, "paused_until": None, "pause_reason": None}
    write(connection, old, values, by, timing_or_none(old))


def run_now(connection: Connection, name: str, by: By) -> UUID:
    """Run it once more at once; its next run stays where it is. Beat sends it within seconds.

    Raises:
        ConflictError: a run is under way and the schedule does not allow two.
        InputError: the row is broken.
    """
    old = locked(connection, name)
    ledger.arguments_of(old)
    now = utcnow()
    if old.overlap == Overlap.SKIP and ledger.busy(connection, [old], now):
        raise ConflictError(f"{name} is running; it does not run twice at once")
    run = ledger.new_run(
        old.id,
        now,
        Reason.MANUAL,
        RunState.CLAIMED,
        now=now,
        note=by.comment,
        actor=by.actor,
    )
    connection.execute(insert(RUNS).values(run))
    return UUID(str(run["id"]))


def skip_next(connection: Connection, name: str, by: By) -> datetime | None:
    """Leave the next slot out; it goes into the ledger as skipped. Returns the one after it."""
    old = locked(connection, name)
    if old.next_slot_at is None:
        raise ConflictError(f"{name} has no next run to skip")
    note = f"skipped by {by.actor}" + (f": {by.comment}" if by.comment else "")
    run = ledger.new_run(
        old.id,
        old.next_slot_at,
        Reason.SLOT,
        RunState.SKIPPED,
        now=utcnow(),
        note=note[:500],
        actor=by.actor,
    )
    database().insert_new(connection, RUNS, [run])
    timing = ledger.timing_of(old)
    after = next_slot(timing, old.next_slot_at)
    values = ledger.moments(old.id, timing, after)
    connection.execute(update(SCHEDULES).where(SCHEDULES.c.id == old.id).values(values))
    skipped = {"next_slot_at": rfc3339(old.next_slot_at)}
    note_change(connection, old.id, skipped, {"next_slot_at": rfc3339(after) if after else ""}, by)
    return after


def silence(connection: Connection, name: str, by: By) -> None:
    """Take an alarm back that somebody has seen."""
    old = locked(connection, name)
    if old.alarm:
        connection.execute(update(SCHEDULES).where(SCHEDULES.c.id == old.id).values(alarm=None))
        note_change(connection, old.id, {"alarm": old.alarm}, {"alarm": ""}, by)
