"""MySQL 8 and MariaDB 10.6 or newer, through PyMySQL."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar
from typing import cast as cast_type
from uuid import UUID

from sqlalchemy import (
    CHAR,
    URL,
    ColumnElement,
    Connection,
    Engine,
    Table,
    cast,
    event,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.mysql import insert

from core.database import pymysql_silence
from core.database.alone import wait_for
from core.database.base import Database, Values
from core.database.guards import passed
from core.database.rebuilding import Rebuild, present
from core.types import UtcDateTime

_RESTORED = "restored_version"
"""Where the revision stands while tables are filled anew."""


class MysqlDatabase(Database):
    """MySQL and MariaDB: no UPDATE … RETURNING, so a claim locks its page and then updates it."""

    driver: ClassVar[str] = "mysql+pymysql"
    package: ClassVar[str] = "pymysql"
    size_query = (
        "SELECT SUM(data_length + index_length) FROM information_schema.tables"
        " WHERE table_schema = DATABASE()"
    )

    def engine_options(self) -> dict[str, Any]:
        """Bound every wait, keep four-byte characters, and see what others committed.

        READ COMMITTED: under the default REPEATABLE READ a unit of work that waited for a lock
        would go on with what it read before, and gap locks make claims wait for inserts.
        """
        return {
            "pool_size": 8,
            "max_overflow": 24,
            "pool_timeout": 4,
            "pool_recycle": 1800,
            "isolation_level": "READ COMMITTED",
            "connect_args": {
                "connect_timeout": 3,
                "write_timeout": 30,
                "charset": "utf8mb4",
                "init_command": "SET SESSION innodb_lock_wait_timeout=5, time_zone='+00:00', "
                "sql_mode=CONCAT(@@sql_mode, ',STRICT_ALL_TABLES') "
                # What a host that is gone has locked; MySQL knows no such bound.
                "/*M! , idle_transaction_timeout=60 */",
            },
        }

    def prepare(self, engine: Engine) -> None:
        """Have connections that notice when nobody answers any more."""
        event.listen(engine, "do_connect", _connect)
        event.listen(engine, "reset", _be_bounded)

    def _make_single(self) -> Engine:
        """Keep connections of their own."""
        return self._make_own_single()

    def be_patient(self, connection: Connection) -> None:
        """Take our own bound away; the server has none."""
        _of(connection).is_patient = True

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Use one REPEATABLE READ transaction; its first read fixes the moment."""
        engine = self.engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection, connection.begin():
            self.be_patient(connection)
            yield connection

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Use a lock by name, which ends with its connection."""
        name = {"name": f"kuvert {what} {self.url.database}"[:64]}
        with self.single() as connection:
            take = text("SELECT GET_LOCK(:name, 0)")
            wait_for(lambda: bool(connection.scalar(take, name)), what)
            try:
                yield
            finally:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)

    @contextmanager
    def rebuild(self, names: Collection[str]) -> Iterator[Rebuild]:
        """Say that it is unfinished from the beginning to the end: no table can be taken back."""
        with self.engine.connect() as connection:
            self.be_patient(connection)
            with connection.begin():
                _write_revision(connection, "restoring")
                connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
                for name in present(connection, [*names, _RESTORED]):
                    connection.exec_driver_sql(f"DROP TABLE `{name}`")
                connection.exec_driver_sql("SET SESSION foreign_key_checks = 1")
            yield Rebuild(self, connection, _RESTORED, connection.begin)
            with connection.begin():
                found = connection.exec_driver_sql(f"SELECT version_num FROM {_RESTORED}")  # noqa: S608 - our own name
                _write_revision(connection, found.scalar_one())
            with connection.begin():
                connection.exec_driver_sql(f"DROP TABLE {_RESTORED}")

    def clock(self) -> ColumnElement[datetime]:
        """Return the server's time to the microsecond."""
        return func.utc_timestamp(text("6"), type_=UtcDateTime())

    def claim(
        self,
        connection: Connection,
        table: Table,
        *,
        where: ColumnElement[bool],
        values: Values,
        order_by: ColumnElement[Any] | None = None,
        limit: int | None = None,
        skip_locked: bool = False,
    ) -> list[UUID]:
        """Lock the page first, then update it by id."""
        page = select(table.c.id).where(where).order_by(order_by).limit(limit)
        ids = list(connection.scalars(page.with_for_update(skip_locked=skip_locked)))
        if ids:
            connection.execute(update(table).where(table.c.id.in_(ids)).values(dict(values)))
        return ids

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Values]) -> set[UUID]:
        """Leave a row that is there as it is, then ask which of ours went in.

        INSERT IGNORE would also swallow values that are too long or out of range. Who inserts
        ids that another may insert at the same time holds a lock that keeps him out.
        """
        mine = select(table.c.id).where(table.c.id.in_([row["id"] for row in rows]))
        known = set(connection.scalars(mine))
        statement = insert(table)
        statement = statement.on_duplicate_key_update(id=table.c.id)
        connection.execute(statement, [dict(row) for row in rows])
        return set(connection.scalars(mine)) - known

    def insert_missing(self, connection: Connection, table: Table, row: Values) -> None:
        """Lock the row that is there: a lock that is shared first ends in a deadlock of two."""
        statement = insert(table).values(dict(row))
        same = {column.name: column for column in table.primary_key}
        connection.execute(statement.on_duplicate_key_update(same))

    @staticmethod
    def replan_on_change(table: str, columns: Sequence[str]) -> list[str]:
        """Mark the row as it is written."""
        same = " AND ".join(f"NEW.`{name}` <=> OLD.`{name}`" for name in columns)
        when = f"NOT ({same}) AND NEW.plan_number = OLD.plan_number"
        mark = "SET NEW.is_planned = 0, NEW.plan_number = OLD.plan_number + 1"
        head = f"CREATE TRIGGER {table}_replan BEFORE UPDATE ON {table} FOR EACH ROW"
        return [f"{head} BEGIN IF {when} THEN {mark}; END IF; END"]

    @staticmethod
    def append_only(table: str) -> list[str]:
        """Refuse UPDATE and DELETE by trigger; TRUNCATE needs the DROP privilege, so grant none."""
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} FOR EACH ROW "
            f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{table} is append-only'"
            for verb in ("UPDATE", "DELETE")
        ]

    @staticmethod
    def guarded(table: str, facts: Sequence[str]) -> list[str]:
        """Make both triggers anew, with the look for a pass."""
        same = " AND ".join(f"NEW.`{name}` <=> OLD.`{name}`" for name in facts)
        refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{table} is append-only'"
        mine = "p.owner = CONNECTION_ID() AND p.opened_at > UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE"
        made = []
        for verb, more in (("UPDATE", f" AND {same}"), ("DELETE", "")):
            name = f"{table}_no_{verb.lower()}"
            may = passed(table, f"'{verb.lower()}'", mine)
            made.append(f"DROP TRIGGER {name}")
            made.append(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW"
                f" BEGIN IF NOT ({may}{more}) THEN {refuse}; END IF; END"
            )
        return made

    def transaction_mark(self) -> ColumnElement[str]:
        """Return the connection's number; other transactions do not see what this one writes."""
        return cast(func.connection_id(), CHAR(20))

    def _complete(self, url: URL) -> URL:
        if url.get_backend_name() == "mariadb":
            url = url.set(drivername=self.driver)
        return super()._complete(url)


def _connect(
    _dialect: object, _record: object, _arguments: object, named: dict[str, Any]
) -> pymysql_silence.Connection:
    """Open a connection, as SQLAlchemy asks for it."""
    return pymysql_silence.connect(**named)


def _of(connection: Connection) -> pymysql_silence.Connection:
    """Return the driver's connection."""
    return cast_type(pymysql_silence.Connection, connection.connection.dbapi_connection)


def _be_bounded(raw: pymysql_silence.Connection, *_more: object) -> None:
    """Let whoever uses the connection next wait as usual."""
    raw.is_patient = False


def _write_revision(connection: Connection, revision: str) -> None:
    table = "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) PRIMARY KEY)"
    connection.exec_driver_sql(table)
    connection.exec_driver_sql("DELETE FROM alembic_version")
    connection.execute(text("INSERT INTO alembic_version VALUES (:at)"), {"at": revision})


ENGINE = MysqlDatabase
