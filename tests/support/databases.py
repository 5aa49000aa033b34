"""A database of its own for each run of the tests, on every engine that is here."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import OperationalError

from core import migrations
from core.database import Database
from tests.support.data import missing
from tests.support.owned import new_name
from tests.support.sweeping import sweep_folder, sweep_once

ENGINES = ("sqlite", "postgresql", "mysql")
SERVERS = {
    "postgresql": ("postgresql+psycopg://root@127.0.0.1:5432", "postgres", "PostgreSQL"),
    "mysql": ("mysql+pymysql://root@127.0.0.1:3306", "mysql", "MySQL or MariaDB"),
}
"""Per engine: where it listens, a database that is always there, its name."""

MEMORY = Path("/dev/shm")  # noqa: S108 - with a folder of our own in it
ROOM = 2**30
"""Bytes that must be free; databases of tests take far less. Containers often have 64 MB."""

PASSES = "history_passes"
PASS = (
    "INSERT INTO history_passes (id, run_id, table_name, verb, before_id, owner, opened_at)"
    " VALUES (UUID(), UUID(), :table, 'delete', 'ffffffff-ffff-ffff-ffff-ffffffffffff',"
    " CONNECTION_ID(), UTC_TIMESTAMP(6))"
)
"""Lets this connection to MySQL delete from an append-only table."""

Wipe = Callable[[], None]


@contextmanager
def new_database(
    engine: str, folder: Path, server: str | None = None
) -> Iterator[tuple[str, Wipe]]:
    """Make a migrated database; yields its URL and what empties it, then drops it.

    `server` is the URL of another one than the usual of the engine.
    """
    if engine == "sqlite":
        parent = _quickest(folder)
        sweep_folder(parent)
        with tempfile.TemporaryDirectory(prefix=f"{new_name()}_", dir=parent) as own_folder:
            yield _new_file(Path(own_folder))
        return
    usual, always_there, name = SERVERS[engine]
    server = server or usual
    own = new_name()
    autocommit = {"isolation_level": "AUTOCOMMIT", "pool_pre_ping": True}
    admin = create_engine(f"{server}/{always_there}", **autocommit)
    _require(admin, name)
    sweep_once(engine, admin)
    _run(admin, f"CREATE DATABASE {own}")
    if engine == "postgresql" and server == usual:
        # Nobody crashes the server that all tests share, so nothing is lost by it.
        _run(admin, f"ALTER DATABASE {own} SET synchronous_commit = off")
    url = f"{server}/{own}"
    inside = create_engine(url)
    try:
        _migrate(url)
        yield url, _wiper(engine, inside)
    finally:
        inside.dispose()
        _run(admin, f"DROP DATABASE {own}" + (" WITH (FORCE)" if engine == "postgresql" else ""))
        admin.dispose()


def _quickest(folder: Path) -> Path:
    """Return the machine's memory where it has room for files; SQLite waits for disks."""
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if has_room else folder


def _require(admin: Engine, name: str) -> None:
    try:
        admin.connect().close()
    except OperationalError:
        missing(f"{name} on {admin.url.host}:{admin.url.port}", "make services")


def _run(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


def _migrate(url: str) -> None:
    database = Database(url)
    migrations.upgrade(database)
    database.close()


def _new_file(folder: Path) -> tuple[str, Wipe]:
    """SQLite: a file that is put back as it was after the migration."""
    path, template = folder / "kuvert.db", folder / "template.db"
    _migrate(f"sqlite:///{template}")

    def wipe() -> None:
        # A new file, not the old one written over: a connection that somebody still has would
        # hold what SQLite knows of the old one, and every later one would meet an I/O error.
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        shutil.copyfile(template, path)

    wipe()
    return f"sqlite:///{path}", wipe


def _wiper(engine: str, own: Engine) -> Wipe:
    """A server: rows go, append-only or not; only the owner of the database can do this.

    What the migrations have entered comes back, as in the file of SQLite.
    """
    tables = [name for name in inspect(own).get_table_names() if name != "alembic_version"]
    begin, end = {
        "postgresql": (
            "SET session_replication_role = replica",
            "SET session_replication_role = origin",
        ),
        "mysql": ("SET foreign_key_checks = 0", "SET foreign_key_checks = 1"),
    }[engine]
    guarded = _guarded(own) if engine == "mysql" else frozenset()
    entered = _entered(own, tables)

    def wipe() -> None:
        with own.begin() as connection:
            connection.execute(text(begin))
            filled = _filled(connection, tables)
            passes = [{"table": table} for table in guarded.intersection(filled)]
            if passes:
                connection.execute(text(PASS), passes)
            # The passes of this wipe go last, with those that a test has left.
            for table in (*(name for name in filled if name != PASSES), PASSES):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - our own tables
            for reflected, rows in entered:
                connection.execute(insert(reflected), rows)
            connection.execute(text(end))

    return wipe


def _entered(own: Engine, tables: list[str]) -> list[tuple[Table, list[dict[str, Any]]]]:
    """Return the rows that the migrations have entered, such as the built-in schedules."""
    with own.connect() as connection:
        reflected = [
            Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
            for name in _filled(connection, tables)
        ]
        return [
            (table, [dict(row) for row in connection.execute(select(table)).mappings()])
            for table in reflected
        ]


def _guarded(own: Engine) -> frozenset[str]:
    """Return MySQL's append-only tables: their triggers want a pass, as retention has it.

    TRUNCATE needs none, and takes fifty times as long.
    """
    columns = "SELECT DISTINCT event_object_table FROM information_schema.triggers"
    of_deletes = "trigger_schema = DATABASE() AND event_manipulation = 'DELETE'"
    with own.connect() as connection:
        return frozenset(connection.scalars(text(f"{columns} WHERE {of_deletes}")))


def _filled(connection: Connection, tables: list[str]) -> list[str]:
    """Return the tables with rows in them; emptying an empty one takes its time too."""
    parts = [f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in tables]  # noqa: S608
    return list(connection.scalars(text(" UNION ALL ".join(parts))))
