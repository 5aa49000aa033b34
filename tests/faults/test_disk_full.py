"""P15: with the disk full nothing is half stored, and nothing that was accepted is lost."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine, create_engine, event, func, select, text

from core.database import Database
from core.db import database
from invoices.models import Delivery, Document, Invoice
from status.models import StatusEvent
from tests.end_to_end.desk import Desk, installation
from tests.end_to_end.ledgers import extra_acceptances
from tests.faults.figures import Figures
from tests.faults.pressure import Pressure, by_status, slowest
from tests.faults.test_database_down import is_quiet
from tests.support.brokers import virtual_host
from tests.support.cluster import Cluster, open_folder
from tests.support.databases import new_database
from tests.support.disks import MEGABYTE, Disk, disk
from tests.support.factories import invoice_json
from tests.support.processes import wait_until
from tests.support.provider import Provider

INVOICES = Invoice.__table__
PARTS = (Document.__table__, Delivery.__table__, StatusEvent.__table__)
"""What is stored with an invoice, in one transaction."""

FULL, AWAY = 507, 503
FULL_SECONDS = 15
LEFT = 1 * MEGABYTE


def incomplete(connection: Connection) -> int:
    """Count the invoices of which a part is missing."""
    return sum(
        connection.scalar(
            select(func.count()).where(INVOICES.c.id.not_in(select(part.c.invoice_id)))
        )
        or 0
        for part in PARTS
    )


def numbers_in(connection: Connection) -> set[str]:
    """Return the numbers of all invoices."""
    return set(connection.scalars(select(INVOICES.c.number)))


# A file that may not grow, without processes


@pytest.fixture
def bounded(app: Flask) -> Iterator[Callable[[int | None], None]]:
    """What bounds the database's file to so many pages more; None takes the bound away."""
    most = [2**31]

    def bound(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {most[0]}")

    def choose(pages: int | None) -> None:
        with database().single() as connection:
            now = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        most[0] = 2**31 if pages is None else now + pages
        database().close()

    with listening(database().engine, "checkout", bound):
        yield choose


@contextmanager
def listening(engine: Engine, name: str, listener: Callable[..., None]) -> Iterator[None]:
    event.listen(engine, name, listener)
    try:
        yield
    finally:
        event.remove(engine, name, listener)


def test_a_file_that_is_full_takes_nothing_in_halves(
    api: FlaskClient, bounded: Callable[[int | None], None]
) -> None:
    accepted, statuses = set(), []
    bounded(20)
    for number in (f"F-{n}" for n in range(300)):
        answer = api.post("/api/v1/invoices", json=invoice_json(number=number))
        statuses.append(answer.status_code)
        if answer.status_code == 202:
            accepted.add(number)
        else:
            assert answer.headers["Retry-After"]
            assert (answer.json or {})["type"] == "urn:kuvert:problem:storage-full"

    assert set(statuses) == {202, FULL}
    assert statuses.count(FULL) > 10
    with database().single() as connection:
        assert numbers_in(connection) == accepted
        assert incomplete(connection) == 0
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    bounded(None)
    answer = api.post("/api/v1/invoices", json=invoice_json(number="F-again"))
    assert answer.status_code == 202


# A disk that is full, with all processes


@dataclass
class Stage:
    """A desk whose data are on a small disk; `revive` does what somebody would who was called."""

    desk: Desk
    disk: Disk
    integrity: Callable[[], object]
    revive: Callable[[], None] = lambda: None


@contextmanager
def sqlite_alone(folder: Path) -> Iterator[Stage]:
    """The database's file on the small disk, the rest beside it."""
    with ExitStack() as stack:
        small = stack.enter_context(disk(folder / "small", 64))
        yield stack.enter_context(_sqlite(folder, small))


@contextmanager
def sqlite_home(folder: Path) -> Iterator[Stage]:
    """All of KUVERT_HOME on the small disk: the database, the folder queue, the metrics."""
    with ExitStack() as stack:
        small = stack.enter_context(disk(folder / "small", 64))
        more = {"KUVERT_HOME": str(small.folder)}
        yield stack.enter_context(_sqlite(folder, small, **more))


@contextmanager
def _sqlite(folder: Path, small: Disk, **more: str) -> Iterator[Stage]:
    with ExitStack() as stack:
        url, _ = stack.enter_context(new_database("sqlite", small.folder))
        kuvert = stack.enter_context(installation(folder, url, None, **more))
        kuvert.start_all("web", "worker", "beat")

        def integrity() -> object:
            with kuvert.database.single() as connection:
                return connection.scalar(text("PRAGMA integrity_check"))

        yield Stage(Desk(kuvert, "sqlite", None), small, integrity)


@contextmanager
def postgresql_tables(folder: Path) -> Iterator[Stage]:
    """Tables on the small disk, PostgreSQL's log of changes on another."""
    with ExitStack() as stack:
        place = stack.enter_context(open_folder())
        small = stack.enter_context(disk(place / "small", 128))
        (place / "cluster").mkdir()
        (small.folder / "tables").mkdir()
        server = Cluster(place / "cluster")
        server.own(small.folder / "tables")
        server.start()
        stack.callback(server.crash)
        admin = create_engine(f"{server.server}/postgres", isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            where = small.folder / "tables"
            connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{where}'")
            connection.exec_driver_sql("ALTER SYSTEM SET default_tablespace = small")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        admin.dispose()
        yield stack.enter_context(_postgresql(folder, server, small))


@contextmanager
def postgresql_whole(folder: Path) -> Iterator[Stage]:
    """The whole cluster on the small disk: where its log is full too, it stops."""
    with ExitStack() as stack:
        place = stack.enter_context(open_folder())
        small = stack.enter_context(disk(place / "small", 256))
        (small.folder / "cluster").mkdir()
        initdb = ("--wal-segsize=1",)
        bounds = "max_wal_size = 32MB\nmin_wal_size = 2MB\nwal_recycle = off"
        server = Cluster(small.folder / "cluster", more=bounds, initdb=initdb)
        server.start()
        stack.callback(lambda: server.crash() if server.is_running else None)
        stage = stack.enter_context(_postgresql(folder, server, small))
        stage.revive = lambda: None if server.is_running else server.start()
        yield stage


@contextmanager
def _postgresql(folder: Path, server: Cluster, small: Disk) -> Iterator[Stage]:
    with ExitStack() as stack:
        url, _ = stack.enter_context(new_database("postgresql", folder, server.server))
        broker_url = stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(folder, url, broker_url))
        kuvert.start_all("web", "worker", "beat")
        yield Stage(Desk(kuvert, "postgresql", broker_url), small, lambda: amcheck(url))


def amcheck(url: str) -> str:
    """Look through all tables and indexes; returns `ok` or what is wrong."""
    wanted = "CREATE EXTENSION IF NOT EXISTS amcheck"
    heap = "SELECT count(*) FROM pg_class c, verify_heapam(c.oid) WHERE c.relkind = 'r'"
    index = (
        "SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am a ON a.oid = c.relam"
        " WHERE c.relkind = 'i' AND a.amname = 'btree' AND c.relpersistence = 'p'"
    )
    own = Database(url)
    try:
        with own.single() as connection:
            connection.exec_driver_sql(wanted)
            broken = connection.scalar(text(heap))
            connection.execute(text(index)).all()
    finally:
        own.close()
    return f"{broken} broken tuples" if broken else "ok"


STAGES: dict[str, Callable[[Path], AbstractContextManager[Stage]]] = {
    "SQLite's file": sqlite_alone,
    "SQLite's KUVERT_HOME": sqlite_home,
    "PostgreSQL's tables": postgresql_tables,
    "PostgreSQL as a whole": postgresql_whole,
}


@pytest.mark.storm
@pytest.mark.processes
@pytest.mark.parametrize("kind", STAGES)
def test_a_full_disk_loses_nothing_that_was_accepted(kind: str, tmp_path: Path) -> None:
    figures = Figures(f"P15, disk full: {kind}")
    with STAGES[kind](tmp_path) as stage, Provider("post") as provider:
        desk = stage.desk
        desk.add(provider, sources={"post": "post"}, settings={"timeout_seconds": "2"})
        pressure = Pressure(desk.api("post"), "F", per_second=40)
        with pressure.running():
            time.sleep(3)
            stage.disk.leave(LEFT)
            refused = lambda: [one for one in pressure.answers if one.status in {FULL, AWAY}]  # noqa: E731
            wait_until(refused, 300, "the disk is full")
            full_at = time.monotonic()
            time.sleep(FULL_SECONDS)
            stage.disk.clear()
            stage.revive()
            time.sleep(10)
        figures.exactly("quiet again", is_quiet(desk, provider), True)
        _judge(figures, stage, pressure, provider, full_at)
    figures.check()


def _judge(
    figures: Figures, stage: Stage, pressure: Pressure, provider: Provider, full_at: float
) -> None:
    answers, accepted = pressure.answers, pressure.accepted
    figures.note("requests in all, by status", by_status(answers))
    during = pressure.between(full_at, full_at + FULL_SECONDS)
    figures.note("requests while it was full, by status", by_status(during))
    others = {one.status for one in answers if not one.is_taken} - {FULL, AWAY}
    figures.exactly("statuses that are none of 2xx, 503, 507", sorted(others), [])
    refused = [one for one in answers if one.status in {FULL, AWAY}]
    plain = [one for one in refused if not one.retry_after]
    figures.exactly("503 and 507 without Retry-After", len(plain), 0)
    figures.note("slowest answer, s", slowest(answers))
    with stage.desk.kuvert.database.single() as connection:
        stored = numbers_in(connection)
        figures.exactly("invoices of which a part is missing", incomplete(connection), 0)
    figures.exactly("integrity", stage.integrity(), "ok")
    figures.exactly("accepted and not stored", len(set(accepted) - stored), 0)
    figures.note("stored although the answer said no", len(stored - set(accepted)))
    figures.exactly("accepted and not sent", len(set(accepted) - set(provider.acceptances)), 0)
    figures.exactly("sent twice", len(extra_acceptances(provider)), 0)
    ended = [name for name, child in stage.desk.kuvert.children.items() if not child.is_running]
    figures.exactly("processes that ended", ended, [])
