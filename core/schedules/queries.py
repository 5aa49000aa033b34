"""What is shown of the schedule: its rows in words, their runs, their changes, and who leads."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from core.clock import rfc3339
from core.db import database, database_time
from core.errors import InputError, NotFoundError
from core.models import Lease
from core.schedules.history import Run, last_runs, newest_runs
from core.schedules.lead import BEAT_LEASE, LEASE_LENGTH
from core.schedules.models import Origin
from core.schedules.planning import slots
from core.schedules.rows import SCHEDULES, name_of, sorted_out, timing_of
from core.schedules.runs import slots_taken
from core.schedules.timing import Timing
from core.schedules.words import describe

LEASES = Lease.__table__

DAY = timedelta(hours=24)
MOST_SCHEDULES = 200
MOST_SLOTS = 288
"""Slots of one schedule that a chart shows: one every five minutes of a day."""


class State(StrEnum):
    """Whether a schedule runs."""

    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One schedule as a list shows it.

    `state_words` say more than the state: until when and why it is paused, why it is broken.
    `error` is what is wrong with the row; a row may have one and run all the same. `alarm` is
    what happened and somebody should look at (`silence` takes it back). `paused_until` is None
    also when it is paused until somebody resumes it.
    """

    name: str
    words: str
    state: State
    state_words: str
    paused_until: datetime | None
    pause_reason: str | None
    error: str | None
    alarm: str | None
    timezone: str
    next_slot_at: datetime | None
    next_due_at: datetime | None
    last: Run | None
    task: str
    description: str | None
    is_builtin: bool
    version: int


@dataclass(frozen=True, slots=True)
class Coming:
    """The runs of one schedule in a stretch of time; `is_cut` when there are more than shown."""

    name: str
    slots: tuple[datetime, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class BeatStatus:
    """Who leads since when, and when it last gave a sign; no `leader`: nothing runs now."""

    leader: str | None
    since: datetime | None
    seen_at: datetime | None
    age: timedelta | None


# ---- schedules ----


def find(connection: Connection, name: str) -> Row[Any]:
    """Return the schedule called `name`.

    Raises:
        NotFoundError: there is none.
        InputError: somebody has written a time into its row that is none.
    """
    try:
        row = connection.execute(select(SCHEDULES).where(SCHEDULES.c.name == name)).one_or_none()
    except ValueError as error:
        raise InputError(f"the row of {name} cannot be read: {error}") from error
    if row is None:
        raise NotFoundError(f"no schedule is called {name}")
    return row


def lines(connection: Connection) -> list[Line]:
    """Return all schedules by name, those too whose row cannot be read."""
    now = database_time(connection)
    rows, unreadable = sorted_out(connection, select(SCHEDULES).order_by(SCHEDULES.c.name))
    last = last_runs(connection, now)
    found = [_line(row, last.get(row.id), now) for row in rows]
    found += [_unreadable(name_of(connection, key), why) for key, why in unreadable.items()]
    return sorted(found, key=lambda line: line.name)


def line(connection: Connection, name: str) -> Line:
    """Return one schedule as `lines` shows it.

    Raises:
        NotFoundError: there is none.
        InputError: its row cannot be read.
    """
    row, now = find(connection, name), database_time(connection)
    newest = newest_runs(connection, row.id, 1, now)
    return _line(row, newest[0] if newest else None, now)


def timing_or_none(row: Row[Any]) -> Timing | None:
    """Return a row's timing; None for a broken one."""
    try:
        return timing_of(row)
    except InputError:
        return None


def _line(row: Row[Any], last: Run | None, now: datetime) -> Line:
    timing = timing_or_none(row)
    state = State.BROKEN if timing is None else _state(row, now)
    return Line(
        name=row.name,
        words=describe(timing) if timing else "broken",
        state=state,
        state_words=_state_words(row, state),
        paused_until=row.paused_until,
        pause_reason=row.pause_reason,
        error=row.error or (None if timing else "its timing cannot be read"),
        alarm=row.alarm,
        timezone=row.timezone,
        next_slot_at=row.next_slot_at,
        next_due_at=row.next_due_at,
        last=last,
        task=row.task,
        description=row.description,
        is_builtin=row.origin == Origin.BUILTIN,
        version=row.version,
    )


def _unreadable(name: str, why: str) -> Line:
    return Line(
        name=name,
        words="broken",
        state=State.BROKEN,
        state_words=f"broken: {why}",
        paused_until=None,
        pause_reason=None,
        error=why,
        alarm=None,
        timezone="UTC",
        next_slot_at=None,
        next_due_at=None,
        last=None,
        task="",
        description=None,
        is_builtin=False,
        version=0,
    )


def _state(row: Row[Any], now: datetime) -> State:
    if row.error:
        return State.BROKEN
    if not row.is_enabled:
        return State.OFF
    is_paused = row.paused_at and (row.paused_until is None or row.paused_until > now)
    return State.PAUSED if is_paused else State.ON


def _state_words(row: Row[Any], state: State) -> str:
    if state is State.BROKEN:
        return f"broken: {row.error or 'its timing cannot be read'}"
    if state is State.PAUSED:
        until = f" until {row.paused_until:%Y-%m-%d %H:%M}Z" if row.paused_until else ""
        return f"paused{until}: {row.pause_reason}" if row.pause_reason else f"paused{until}"
    return str(state)


# ---- what comes ----


def coming(connection: Connection, length: timedelta = DAY) -> list[Coming]:
    """Return the runs of all schedules within `length` from now, the soonest schedule first.

    At most MOST_SCHEDULES of them, and MOST_SLOTS of each.
    """
    now = database_time(connection)
    soon = and_(SCHEDULES.c.next_slot_at.is_not(None), SCHEDULES.c.next_slot_at <= now + length)
    statement = select(SCHEDULES).where(soon).order_by(SCHEDULES.c.next_slot_at)
    rows, _ = sorted_out(connection, statement.limit(MOST_SCHEDULES))
    taken = slots_taken(connection, [row.id for row in rows], now)
    found = (_coming(row, now + length, taken[row.id]) for row in rows)
    return [item for item in found if item is not None]


def _coming(row: Row[Any], until: datetime, taken: set[datetime]) -> Coming | None:
    timing = timing_or_none(row)
    if timing is None:
        return None
    most = MOST_SLOTS + len(taken) + 1
    found = slots(timing, row.next_slot_at - datetime.resolution, until, most)
    left = [slot for slot in found if slot not in taken]
    return Coming(row.name, tuple(left[:MOST_SLOTS]), is_cut=len(left) > MOST_SLOTS)


# ---- beat ----


def beat_status(connection: Connection) -> BeatStatus:
    """Say which beat leads, and how long ago it gave a sign."""
    statement = select(LEASES, database().clock().label("now")).where(LEASES.c.name == BEAT_LEASE)
    row = connection.execute(statement).one_or_none()
    if row is None:
        return BeatStatus(None, None, None, None)
    now = row.now
    # One that gave its lease back ended it there and then.
    seen_at = row.until if row.holder is None else row.until - LEASE_LENGTH
    leader = row.holder if row.until > now else None
    return BeatStatus(leader, row.since if leader else None, seen_at, now - seen_at)


def leader(connection: Connection) -> str | None:
    """Say in words which beat leads since when; None when none does."""
    status = beat_status(connection)
    if status.leader is None or status.since is None:
        return None
    return f"{status.leader} leads since {rfc3339(status.since)}"
