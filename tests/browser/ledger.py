"""What the database says of a schedule that a test edits in the browser."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from core.schedules.models import RunState, Schedule, ScheduleRun
from tests.browser.site import Site

SCHEDULES, RUNS = Schedule.__table__, ScheduleRun.__table__
IN_FORCE = timedelta(seconds=2)
"""From an edit to what comes of it, for a schedule that runs each second."""


def schedule(site: Site, name: str) -> Row[Any]:
    """Return the row of a schedule."""
    with site.kuvert.database.single() as connection:
        return connection.execute(select(SCHEDULES).where(SCHEDULES.c.name == name)).one()


def runs(site: Site, name: str, after: datetime | None = None) -> list[Row[Any]]:
    """Return its runs by their slots, those with a slot after a moment where one is given."""
    mine = select(RUNS).where(RUNS.c.schedule_id == schedule(site, name).id)
    if after:
        mine = mine.where(RUNS.c.slot_at > after)
    with site.kuvert.database.single() as connection:
        return list(connection.execute(mine.order_by(RUNS.c.slot_at)))


def done(site: Site, name: str) -> list[datetime]:
    """Return the slots whose runs have ended well."""
    return [run.slot_at for run in runs(site, name) if run.state == RunState.DONE]


def check_in_force(site: Site, name: str) -> None:
    """Fail when the last edit, to each second, came to its first run later than promised."""
    edited_at = schedule(site, name).updated_at
    [first, *_] = runs(site, name, edited_at)
    assert first.claimed_at - edited_at <= IN_FORCE, (edited_at, first)
