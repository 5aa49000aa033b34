"""SQLite: one file, one writer, no server."""

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TextIO
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, Table, event, literal, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError

from core import owners
from core.clock import utcnow
from core.database.alone import wait_for
from core.database.base import Database, Values
from core.database.guards import passed
from core.database.rebuilding import Rebuild, in_one_transaction
from core.errors import UnavailableError
from core.types import UtcDateTime

BUSY_SECONDS = 10


LEAST_FREE_BYTES = 65_536
"""What SQLite needs beside the file, for the index of its log."""


class SqliteDatabase(Database):
    """SQLite in WAL mode; a unit of work takes the write lock when it begins.

    A transaction that starts by reading and writes later would fail with "database is locked"
    when another has written in between; BEGIN IMMEDIATE waits instead.
    """

    driver: ClassVar[str] = "sqlite+pysqlite"
    package: ClassVar[str] = "python with the sqlite3 module"
    size_query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    needs_server: ClassVar[bool] = False
    # Without a BEGIN of ours the driver commits each statement by itself, without AUTOCOMMIT.
    single_options: ClassVar[dict[str, Any]] = {"kuvert_single": True}

    def prepare(self, engine: Engine) -> None:
        """Let us, not the driver, begin transactions, and set the file's modes."""
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Use one transaction that reads: its first read fixes the moment, and nobody waits."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Lock a file beside the database's; one in memory is nobody else's."""
        if not self.url.database or self.url.database == ":memory:":
            yield
            return
        path = Path(self.url.database)
        with _opened(path.with_name(f".{path.name}.{what}.lock")) as file:
            wait_for(lambda: _lock(file), what)
            yield

    @contextmanager
    def rebuild(self, names: Collection[str]) -> Iterator[Rebuild]:  # noqa: ARG002 - a new file
        """Fill a new file beside the old one, which it replaces at the end."""
        old = Path(self.url.database or "")
        new = old.with_name(f".{old.name}.restoring")
        _remove(new)
        made = SqliteDatabase(self.url.set(database=str(new)))
        try:
            with in_one_transaction(made, made.engine) as rebuild:
                yield rebuild
            made.close()
            self.close()
            _replace(old, new)
        finally:
            made.close()
            _remove(new)

    def hint(self) -> str:
        """Say that the disk is full or read-only, or whose the file is where it is not ours."""
        file = Path(self.url.database or "")
        beside = (file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))
        return _disk_hint(file.parent) or owners.hint(file, *beside, file.parent)

    def _make_single(self) -> Engine:
        """Share the connections, but hear no BEGIN: the driver commits each statement."""
        return Engine(
            self.engine.pool,
            self.engine.dialect,
            self.engine.url,
            hide_parameters=True,
            execution_options=self.single_options,
        )

    def shred(self) -> None:
        """Write the file anew: what is deleted stays in its free pages until then."""
        try:
            with self.single() as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except OperationalError as error:
            raise UnavailableError(f"the file cannot be written anew now: {error.orig}") from error

    def clock(self) -> ColumnElement[datetime]:
        """Return our own time: whoever opens the file is on the same host."""
        return literal(utcnow(), UtcDateTime())

    def claim(
        self,
        connection: Connection,
        table: Table,
        *,
        where: ColumnElement[bool],
        values: Values,
        order_by: ColumnElement[Any] | None = None,
        limit: int | None = None,
        skip_locked: bool = False,  # noqa: ARG002 - one writer: nothing is ever locked by another
    ) -> list[UUID]:
        """Set and return in one UPDATE; the single writer makes it exclusive."""
        page = select(table.c.id).where(where).order_by(order_by).limit(limit)
        statement = update(table).where(table.c.id.in_(page)).values(dict(values))
        return list(connection.scalars(statement.returning(table.c.id)))

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Values]) -> set[UUID]:
        """Use INSERT … ON CONFLICT DO NOTHING RETURNING, row by row as the driver wants it."""
        statement = insert(table).on_conflict_do_nothing().returning(table.c.id)
        return {new for row in rows for new in connection.scalars(statement, [dict(row)])}

    def insert_missing(self, connection: Connection, table: Table, row: Values) -> None:
        """Use INSERT … ON CONFLICT DO NOTHING."""
        connection.execute(insert(table).values(dict(row)).on_conflict_do_nothing())

    @staticmethod
    def replan_on_change(table: str, columns: Sequence[str]) -> list[str]:
        """Mark the row by a second UPDATE; SQLite's triggers cannot change the first."""
        differs = " OR ".join(f'NEW."{name}" IS NOT OLD."{name}"' for name in columns)
        when = f"({differs}) AND NEW.plan_number = OLD.plan_number"
        mark = "SET is_planned = 0, plan_number = OLD.plan_number + 1 WHERE id = NEW.id"
        head = f"CREATE TRIGGER {table}_replan AFTER UPDATE ON {table}"
        return [f"{head} WHEN {when} BEGIN UPDATE {table} {mark}; END"]

    @staticmethod
    def append_only(table: str) -> list[str]:
        """Refuse UPDATE and DELETE by trigger."""
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]

    @staticmethod
    def guarded(table: str, facts: Sequence[str]) -> list[str]:
        """Make the triggers anew, with the look for a pass; one writer, so nobody else sees it."""
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        same = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in facts)
        made = []
        for verb, more in (("UPDATE", f" AND {same}"), ("DELETE", "")):
            name = f"{table}_no_{verb.lower()}"
            may = passed(table, f"'{verb.lower()}'", "p.opened_at > datetime('now', '-1 minute')")
            made.append(f"DROP TRIGGER {name}")
            made.append(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN NOT ({may}{more}) {refuse}"
            )
        return made

    def transaction_mark(self) -> ColumnElement[str]:
        """Return nothing: there is one writer, and nobody sees what is not committed."""
        return literal("")


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="ascii")
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror}") from error


def _disk_hint(folder: Path) -> str:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return ""
    if disk.f_flag & os.ST_RDONLY:
        return f" ({folder} is on a file system that is mounted read-only)"
    is_full = disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES
    return f" (the disk of {folder} is full)" if is_full else ""


def _on_connect(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        # An invoice that was answered 202 must survive a power cut, not only a crash.
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    is_write = options.get("kuvert_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _lock(file: TextIO) -> bool:
    """Take the lock of an open file, which ends with the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(old: Path, new: Path) -> None:
    """Put a new file in the place of the old one, which nobody may have open.

    Raises:
        UnavailableError: somebody has.
    """
    if old.exists():
        _fold(old)
        new.chmod(old.stat().st_mode & 0o777)
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(old)
    descriptor = os.open(old.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fold(path: Path) -> None:
    """Write the log of a file into it: left beside, it would be taken for that of the new one."""
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        [mode] = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        if mode != "delete":
            raise UnavailableError(f"{path} is in use: stop web, workers and beat first")
    except sqlite3.OperationalError as error:
        message = f"{path} is in use: stop web, workers and beat first ({error})"
        raise UnavailableError(message) from error
    finally:
        connection.close()


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


ENGINE = SqliteDatabase
