"""What staff do with a schedule beside editing it: pause, resume, run, skip."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, delete, update

from core import actor
from core.clock import rfc3339
from core.db import database, database_time
from core.editing import By
from core.errors import ConflictError, InputError
from core.schedules.books import EDITABLE, locked, note_change, plain, write
from core.schedules.models import Origin, Overlap, Reason, RunState
from core.schedules.planning import next_slot
from core.schedules.queries import timing_or_none
from core.schedules.rows import SCHEDULES, arguments_of, moments, timing_of
from core.schedules.runs import LIVE, RUNS, goes_on, new_run, under_way


def pause(connection: Connection, name: str, by: By, until: datetime | None = None) -> None:
    """Let nothing run until `until`, or until somebody resumes it. The reason is the comment."""
    if not by.comment:
        raise InputError.at("/reason", "required", "say why it is paused")
    now = database_time(connection)
    if until is not None and until <= now:
        raise InputError.at("/until", "past", "until: that is past")
    old = locked(connection, name)
    values = {"paused_at": now, "paused_until": until, "pause_reason": by.comment}
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
    arguments_of(old)
    now = database_time(connection)
    began = under_way(connection, [old.id]).get(old.id)
    if old.overlap == Overlap.SKIP and began and goes_on(old, began, now):
        raise ConflictError(f"{name} is running; it does not run twice at once")
    run = new_run(
        old.id,
        now,
        Reason.MANUAL,
        RunState.CLAIMED,
        now=now,
        note=by.comment,
        actor=by.actor,
    )
    if not database().insert_new(connection, RUNS, [run]):
        raise ConflictError(f"{name} has a run at this very moment; try again")
    return UUID(str(run["id"]))


def skip_next(connection: Connection, name: str, by: By) -> datetime | None:
    """Leave the next slot out; it goes into the ledger as skipped. Returns the one after it.

    Raises:
        ConflictError: there is no next slot, or it has been run already.
    """
    old = locked(connection, name)
    if old.next_slot_at is None:
        raise ConflictError(f"{name} has no next run to skip")
    note = f"skipped by {by.actor}" + (f": {by.comment}" if by.comment else "")
    run = new_run(
        old.id,
        old.next_slot_at,
        Reason.SLOT,
        RunState.SKIPPED,
        now=database_time(connection),
        note=note[:500],
        actor=by.actor,
    )
    if not database().insert_new(connection, RUNS, [run]):
        slot = rfc3339(old.next_slot_at)
        raise ConflictError(f"the run of {slot} is in the ledger already; look again")
    timing = timing_of(old)
    after = next_slot(timing, old.next_slot_at)
    values = moments(old.id, timing, after)
    connection.execute(update(SCHEDULES).where(SCHEDULES.c.id == old.id).values(values))
    skipped = plain({"next_slot_at": old.next_slot_at})
    left = plain({"next_slot_at": after})
    note_change(connection, by, of=(old.id, name), before=skipped, after=left)
    return after


def silence(connection: Connection, name: str, by: By) -> bool:
    """Take an alarm back that somebody has seen; False when there is none."""
    old = locked(connection, name)
    if not old.alarm:
        return False
    connection.execute(update(SCHEDULES).where(SCHEDULES.c.id == old.id).values(alarm=None))
    silenced, quiet = plain({"alarm": old.alarm}), plain({"alarm": None})
    note_change(connection, by, of=(old.id, name), before=silenced, after=quiet)
    return True


def remove(connection: Connection, name: str, by: By) -> None:
    """Delete a schedule; its runs and changes stay to be read, and what waits is not run.

    Raises:
        ConflictError: it is built in, and can only be turned off.
    """
    old = locked(connection, name)
    if old.origin == Origin.BUILTIN:
        raise ConflictError(f"{name} is built in; turn it off instead")
    last = {column: getattr(old, column) for column in EDITABLE}
    note_change(connection, by, of=(old.id, name), before=plain(last), after={})
    waiting = and_(RUNS.c.schedule_id == old.id, RUNS.c.state.in_(LIVE[:2]))
    values = {"state": str(RunState.SKIPPED), "note": f"{name} was deleted by {by.actor}"[:500]}
    now = database_time(connection)
    connection.execute(update(RUNS).where(waiting).values(**values, finished_at=now))
    with actor.because(by.comment):
        connection.execute(delete(SCHEDULES).where(SCHEDULES.c.id == old.id))
