"""What was: the runs of a schedule and who changed it, also after it was deleted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from core.db import database
from core.errors import NotFoundError
from core.schedules.models import ScheduleChange
from core.schedules.rows import SCHEDULES
from core.schedules.runs import RUNS

CHANGES = ScheduleChange.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. `lag` is the time from its slot to its begin, `duration` from there to its end."""

    id: UUID
    slot_at: datetime
    reason: str
    state: str
    sent_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    actor: str | None
    note: str | None

    @property
    def lag(self) -> timedelta | None:
        """How late it began; None when it did not."""
        return self.started_at - self.slot_at if self.started_at else None

    @property
    def duration(self) -> timedelta | None:
        """How long it took; None when it has not both begun and ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


# ---- runs ----


def history(
    connection: Connection, name: str, count: int = 20, before: datetime | None = None
) -> list[Run]:
    """Return the newest runs of a schedule, with slots before `before`: also of a deleted one.

    Those that were skipped or missed are among them.

    Raises:
        NotFoundError: there is none and was none.
    """
    return newest_runs(connection, known_id(connection, name), count, before, is_inclusive=False)


def newest_runs(
    connection: Connection,
    schedule_id: UUID,
    count: int,
    until: datetime | None = None,
    *,
    is_inclusive: bool = True,
) -> list[Run]:
    """Return the newest runs of a schedule with slots up to `until`, or before it."""
    statement = select(*_RUN).where(RUNS.c.schedule_id == schedule_id)
    if until is not None:
        slot = RUNS.c.slot_at
        statement = statement.where(slot <= until if is_inclusive else slot < until)
    rows = connection.execute(statement.order_by(RUNS.c.slot_at.desc()).limit(count))
    return [Run(**row._asdict()) for row in rows]


_RUN = tuple(RUNS.c[name] for name in Run.__slots__)


def last_runs(connection: Connection, now: datetime) -> dict[UUID, Run]:
    """Return the newest run of each schedule that has one; a slot skipped ahead is none yet."""
    own = and_(RUNS.c.schedule_id == SCHEDULES.c.id, RUNS.c.slot_at <= now)
    newest = select(RUNS.c.id).where(own).order_by(RUNS.c.slot_at.desc()).limit(1)
    ids = list(connection.scalars(select(newest.correlate(SCHEDULES).scalar_subquery())))
    mine = database().among(RUNS.c.id, [found for found in ids if found is not None])
    rows = connection.execute(select(RUNS.c.schedule_id, *_RUN).where(mine))
    return {row[0]: Run(**dict(zip(Run.__slots__, row[1:], strict=True))) for row in rows}


# ---- changes ----


def changes(connection: Connection, name: str, count: int = 20) -> list[Row[Any]]:
    """Return who changed a schedule, the newest first: also of a deleted one.

    Raises:
        NotFoundError: there is none and was none.
    """
    mine = CHANGES.c.schedule_id == known_id(connection, name)
    return _newest_changes(connection, count, mine)


def all_changes(connection: Connection, count: int = 50) -> list[Row[Any]]:
    """Return who changed any schedule, the newest first."""
    return _newest_changes(connection, count)


def _newest_changes(
    connection: Connection, count: int, *where: ColumnElement[bool]
) -> list[Row[Any]]:
    # By the database's clock, and only then by ids, which the hosts make by theirs.
    newest = (CHANGES.c.changed_at.desc(), CHANGES.c.id.desc())
    return list(connection.execute(select(CHANGES).where(*where).order_by(*newest).limit(count)))


def known_id(connection: Connection, name: str) -> UUID:
    """Return the id of the schedule that is called `name`, or was when it was deleted.

    Raises:
        NotFoundError: there is none and was none.
    """
    there: UUID | None = connection.scalar(select(SCHEDULES.c.id).where(SCHEDULES.c.name == name))
    if there is not None:
        return there
    mine = CHANGES.c.schedule_name == name
    newest = CHANGES.c.changed_at.desc()
    statement = select(CHANGES.c.schedule_id).where(mine).order_by(newest).limit(1)
    was: UUID | None = connection.scalar(statement)
    if was is None:
        raise NotFoundError(f"no schedule is called {name}")
    return was
