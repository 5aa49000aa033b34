"""Claiming rows that are due, compared with updating rows whose ids are known."""

import time
from datetime import timedelta

import psycopg

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
PAGE = 100
PAGES = 60
DELIVERIES = Delivery.__table__


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Copy one delivery until 200,000 are due, then take pages of a hundred in both ways."""
    desk.fill("now", 1)
    _multiply(stage)
    ids = _ids(stage)
    ours, other = in_turns(_claim, lambda: _update(stage, ids))
    name = "claim of due rows (200,000 due)"
    return [Row(name=name, ours=ours, other=other, against="UPDATE by key, 100", goal=0.4)]


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
    return [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]


def _claim() -> float:
    """Return rows per second, one transaction per page."""
    taken = 0
    until = utcnow() + timedelta(minutes=5)
    began = time.perf_counter()
    for _ in range(PAGES):
        with unit_of_work() as connection:
            groups = claims.claim(connection, PAGE, new_id(), until)
            taken += sum(len(group.ids) for group in groups)
    return taken / (time.perf_counter() - began)


def _update(stage: Stage, ids: list[list[object]]) -> float:
    statement = "UPDATE deliveries SET due_at = %s, lease_token = %s WHERE id = ANY(%s)"
    until = utcnow() + timedelta(minutes=5)
    pages = [ids.pop() for _ in range(PAGES)]
    with connect(stage.database) as connection:
        began = time.perf_counter()
        for page in pages:
            _execute(connection, statement, (until, new_id(), page))
        return PAGES * PAGE / (time.perf_counter() - began)


def _execute(
    connection: psycopg.Connection, statement: str, values: tuple[object, ...]
) -> None:
    connection.execute(statement.encode(), values, prepare=True)
