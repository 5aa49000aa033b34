"""Claiming rows that are due, compared with updating rows whose ids are known."""

import time
from datetime import timedelta

import psycopg
from sqlalchemy import update

from core import pump
from core.clock import utcnow
from core.db import unit_of_work
from core.ids import new_id
from invoices.models import Delivery
from invoices.services import claims
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage, connect

DUE = 200_000
BATCH = 100
ROWS = 3000
DELIVERIES = Delivery.__table__


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Copy one delivery until 200,000 are due, then take pages of a hundred in both ways."""
    desk.fill("now", 1)
    _multiply(stage)
    ids = _ids(stage)
    ours, small, other = in_turns(
        lambda: _claim(pump.PAGE), lambda: _claim(BATCH), lambda: _update(stage, ids)
    )
    name, against = "claim of due rows (200,000 due), pages of", "UPDATE by key, 100"
    return [
        Row(name=f"{name} 1,000", ours=ours, other=other, against=against, goal=0.4),
        Row(name=f"{name} 100", ours=small, other=other, against=against),
    ]


def _multiply(stage: Stage) -> None:
    with connect(stage.database) as connection:
        names = [column.name for column in DELIVERIES.c if column.name not in {"id", "due_at"}]
        kept = ", ".join(names)
        connection.execute(
            f"INSERT INTO deliveries (id, due_at, {kept})"  # noqa: S608 - names of our own
            f" SELECT gen_random_uuid(), now() - number * interval '1 ms', {kept}"
            " FROM (SELECT * FROM deliveries WHERE state = 'ready' LIMIT 1) one,"
            f" generate_series(1, {DUE}) number"
        )
        connection.execute("VACUUM ANALYZE deliveries")


def _ids(stage: Stage) -> list[list[object]]:
    """Return pages of ids of deliveries, for the other side."""
    with connect(stage.database) as connection:
        found = connection.execute("SELECT id FROM deliveries ORDER BY due_at DESC LIMIT 20000")
        ids = [row[0] for row in found]
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


def _claim(size: int) -> float:
    """Return rows per second, one transaction per page; the pump's own pages are of 1,000."""
    taken = 0
    until = utcnow() + timedelta(minutes=5)
    began = time.perf_counter()
    while taken < ROWS:
        with unit_of_work() as connection:
            groups = claims.claim(connection, size, new_id(), until)
        if not groups:
            raise RuntimeError("there is nothing left to claim")
        taken += sum(len(group.ids) for group in groups)
    seconds = time.perf_counter() - began
    _forget_leases()
    return taken / seconds


def _forget_leases() -> None:
    """Take what was claimed out of the way: only so much may be under way at a time."""
    claimed = DELIVERIES.c.lease_token.is_not(None)
    with unit_of_work() as connection:
        connection.execute(update(DELIVERIES).where(claimed).values(lease_token=None, due_at=None))


def _update(stage: Stage, ids: list[list[object]]) -> float:
    statement = "UPDATE deliveries SET due_at = %s, lease_token = %s WHERE id = ANY(%s)"
    until = utcnow() + timedelta(minutes=5)
    pages = [ids.pop() for _ in range(ROWS // BATCH)]
    with connect(stage.database) as connection:
        began = time.perf_counter()
        for page in pages:
            _execute(connection, statement, (until, new_id(), page))
        return ROWS / (time.perf_counter() - began)


def _execute(connection: psycopg.Connection, statement: str, values: tuple[object, ...]) -> None:
    connection.execute(statement.encode(), values, prepare=True)
