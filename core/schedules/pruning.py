"""Forgetting old runs: after 90 days, those that went wrong after a year."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, or_, select

from core.db import database
from core.schedules.models import RunState
from core.schedules.rows import SCHEDULES
from core.schedules.runs import RUNS

QUARTER, YEAR = timedelta(days=90), timedelta(days=365)
KEPT = {
    state: QUARTER if state in {RunState.DONE, RunState.SKIPPED} else YEAR for state in RunState
}
"""How long a run is kept, by its state; one that never ended counts as gone wrong."""

PAGE = 1000
"""Runs that go in one transaction, which holds nobody up for longer than some milliseconds."""


def prune(connection: Connection, now: datetime) -> int:
    """Delete at most a page of old runs; return how many. A schedule's newest run stays."""
    later = RUNS.alias()
    is_not_newest = exists().where(
        later.c.schedule_id == RUNS.c.schedule_id, later.c.slot_at > RUNS.c.slot_at
    )
    is_orphan = ~exists().where(SCHEDULES.c.id == RUNS.c.schedule_id)
    count = 0
    for state, length in KEPT.items():
        old = (RUNS.c.state == state, RUNS.c.claimed_at < now - length)
        page = select(RUNS.c.id).where(*old, or_(is_not_newest, is_orphan)).limit(PAGE - count)
        ids = list(connection.scalars(page))
        if ids:
            connection.execute(delete(RUNS).where(database().among(RUNS.c.id, ids)))
        count += len(ids)
    return count
