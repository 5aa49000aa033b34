"""Reads of what retention has done."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, inspect, select

from core.retention.models import RetentionRun
from core.retention.names import ERASURE

RUNS = RetentionRun.__table__


def removed(connection: Connection, kind: str) -> str | None:
    """Say in one line what runs have removed of a kind; None: nothing ever."""
    columns = RUNS.c
    gone, until = func.sum(columns.row_count), func.max(columns.before_at)
    mine = select(gone.label("gone"), until.label("until"))
    found = connection.execute(mine.where(columns.kind == kind, columns.row_count > 0)).one()
    if not found.gone:
        return None
    return f"{found.gone} rows from before {found.until:%Y-%m-%d} were removed by retention"


def last_runs(connection: Connection) -> dict[str, Row[Any]]:
    """Return the last run of each kind."""
    ids = select(func.max(RUNS.c.started_at)).group_by(RUNS.c.kind)
    rows = connection.execute(select(RUNS).where(RUNS.c.started_at.in_(ids)))
    return {row.kind: row for row in rows}


def run_of(connection: Connection, kind: str, removed_at: datetime) -> Row[Any] | None:
    """Return the run that removed something of a kind at that time, or erased its person.

    One run at a time works, so it is the last that began before.
    """
    mine = select(RUNS).where(RUNS.c.kind.in_([kind, ERASURE]), RUNS.c.started_at <= removed_at)
    return connection.execute(mine.order_by(RUNS.c.started_at.desc()).limit(1)).first()


def newest(connection: Connection, count: int) -> Sequence[Row[Any]]:
    """Return up to `count` runs, the newest first."""
    return connection.execute(select(RUNS).order_by(RUNS.c.id.desc()).limit(count)).all()


def erasures_since(connection: Connection, moment: datetime) -> Sequence[Row[Any]]:
    """Return the erasures since a moment, the oldest first; none in a database without the table.

    That is one that nobody has filled yet, or of a version that erased nobody.
    """
    if not inspect(connection).has_table(RUNS.name):
        return []
    columns = RUNS.c
    mine = select(RUNS).where(columns.kind == ERASURE, columns.finished_at >= moment)
    return connection.execute(mine.order_by(columns.id)).all()
