"""SQLite: one file, one writer, no server."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, Table, event, literal, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection

from core.clock import utcnow
from core.database.base import Database, Values
from core.types import UtcDateTime

BUSY_SECONDS = 10


class SqliteDatabase(Database):
    """SQLite in WAL mode; a unit of work takes the write lock when it begins.

    A transaction that starts by reading and writes later would fail with "database is locked"
    when another has written in between; BEGIN IMMEDIATE waits instead.
    """

    driver: ClassVar[str] = "sqlite+pysqlite"
    package: ClassVar[str] = "python with the sqlite3 module"
    size_query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    needs_server: ClassVar[bool] = False
    # Without a BEGIN of ours the driver commits each statement; SQLAlchemy's AUTOCOMMIT would
    # leave the BEGIN in and roll back what was written when the connection is given back.
    single_options: ClassVar[dict[str, Any]] = {"kuvert_single": True}

    def prepare(self, engine: Engine) -> None:
        """Let us, not the driver, begin transactions, and set the file's modes."""
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)

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
    if options.get("kuvert_single"):
        return
    is_write = options.get("kuvert_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


ENGINE = SqliteDatabase
