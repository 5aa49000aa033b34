"""PostgreSQL through psycopg 3."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, ClassVar
from typing import cast as cast_type
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    String,
    Table,
    TableValuedAlias,
    Update,
    any_,
    bindparam,
    cast,
    column,
    event,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from core.database import psycopg_direct, psycopg_silence
from core.database.alone import wait_for
from core.database.base import WATCHED, Database, Family, Values
from core.database.guards import passed
from core.database.rebuilding import Rebuild, in_one_transaction, present
from core.types import UtcDateTime

_PATIENTLY = (
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)

COPY_FROM_ROWS = 20
"""From this many rows on COPY is quicker than a pipeline of INSERTs."""


class PostgresqlDatabase(Database):
    """PostgreSQL: SKIP LOCKED claims, COPY for many new rows, one UPDATE for many changed ones."""

    driver: ClassVar[str] = "postgresql+psycopg"
    package: ClassVar[str] = "psycopg[binary]"
    size_query = "SELECT pg_database_size(current_database())"

    def __init__(self, url: str | URL) -> None:
        self._indexes: set[str] = set()
        super().__init__(url)

    def engine_options(self) -> dict[str, Any]:
        """Bound every wait: a request must never hang on a lock."""
        bounds = "-c lock_timeout=5000 -c statement_timeout=30000 -c timezone=UTC"
        # What the server keeps for somebody who is gone: locks, until it notices.
        idle = "-c idle_in_transaction_session_timeout=60000 -c tcp_keepalives_idle=30"
        idle += " -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
        return {
            "pool_size": 8,
            "max_overflow": 24,
            "pool_timeout": 4,
            "connect_args": {
                "connect_timeout": 3,
                "application_name": "kuvert",
                "options": f"{bounds} {idle}",
            },
        }

    def prepare(self, engine: Engine) -> None:
        """Have connections that notice when nobody answers any more."""
        event.listen(engine, "do_connect", _connect)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Use one REPEATABLE READ transaction, without the bounds that requests have."""
        engine = self.engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection, connection.begin():
            for statement in ("SET TRANSACTION READ ONLY", *_PATIENTLY):
                connection.exec_driver_sql(statement)
            yield connection

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Use an advisory lock, which ends with its connection."""
        key = {"key": int.from_bytes(sha256(f"kuvert {what}".encode()).digest()[:7], "big")}
        with self.single() as connection:
            take = text("SELECT pg_try_advisory_lock(:key)")
            wait_for(lambda: bool(connection.scalar(take, key)), what)
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)

    @contextmanager
    def rebuild(self, names: Collection[str]) -> Iterator[Rebuild]:
        """Do all in one transaction: tables that were dropped come back when it is rolled back."""
        with in_one_transaction(self, self.engine) as made:
            for statement in _PATIENTLY:
                made.connection.exec_driver_sql(statement)
            for name in present(made.connection, [*names, made.version_table]):
                made.connection.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')
            for name in names:
                for function in ("refuse", "replan"):
                    made.connection.exec_driver_sql(f'DROP FUNCTION IF EXISTS "{name}_{function}"')
            yield made

    def _make_single(self) -> Engine:
        """Keep connections of their own."""
        return self._make_own_single()

    def be_patient(self, connection: Connection) -> None:
        """Take the bounds away that end a statement."""
        for statement in _PATIENTLY:
            connection.exec_driver_sql(statement)

    def clock(self) -> ColumnElement[datetime]:
        """Return the server's time; now() would be that of the transaction's begin."""
        return func.clock_timestamp(type_=UtcDateTime())

    def among(
        self, column: ColumnElement[Any] | Column[Any], values: Iterable[Any]
    ) -> ColumnElement[bool]:
        """Use one array parameter, so that the statement stays the same for any number."""
        return column == any_(literal(list(values), ARRAY(column.type)))

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
        """Lock a page and update it in one statement.

        The page is a CTE: PostgreSQL runs one that locks rows exactly once, while a plain
        sub-select may be run again for each row.
        """
        page = (
            select(table.c.id)
            .where(where)
            .order_by(order_by)
            .limit(limit)
            .with_for_update(skip_locked=skip_locked)
            .cte("page")
        )
        statement = update(table).where(table.c.id == page.c.id).values(dict(values))
        return list(connection.scalars(statement.returning(table.c.id)).all())

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Values]) -> set[UUID]:
        """Use INSERT … ON CONFLICT DO NOTHING RETURNING; from arrays where there are many."""
        is_watched = WATCHED in table.info
        if len(rows) == 1 and not is_watched:
            [row] = rows
            is_new = psycopg_direct.insert_family(connection, table, row, ())
            return {cast_type("UUID", row["id"])} if is_new else set()
        if len(rows) < COPY_FROM_ROWS or is_watched:
            statement = insert(table).on_conflict_do_nothing().returning(table.c.id)
            return set(connection.scalars(statement, [dict(row) for row in rows]))
        names = tuple(rows[0])
        found = connection.scalars(_insert_from_arrays(table, names), _arrays(rows, names))
        return set(found.all())

    def insert_missing(self, connection: Connection, table: Table, row: Values) -> None:
        """Use INSERT … ON CONFLICT DO NOTHING."""
        connection.execute(insert(table).values(dict(row)).on_conflict_do_nothing())

    def insert_family(
        self, connection: Connection, table: Table, row: Values, family: Family
    ) -> bool:
        """Use one statement for all of it."""
        if any(WATCHED in member.info for member in (table, *(one for one, _ in family))):
            return super().insert_family(connection, table, row, family)
        return psycopg_direct.insert_family(connection, table, row, family)

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Values]) -> None:
        """Use COPY where there are many rows."""
        if len(rows) < COPY_FROM_ROWS or WATCHED in table.info:
            super().insert_many(connection, table, rows)
            return
        psycopg_direct.copy(connection, table, rows)

    def update_many(self, connection: Connection, table: Table, rows: Sequence[Values]) -> None:
        """Use one UPDATE from arrays, one array per column."""
        if not rows:
            return
        names = tuple(rows[0])
        connection.execute(_update_from_arrays(table, names), _arrays(rows, names))

    def has_index(self, connection: Connection, name: str) -> bool:
        """Look it up; one that is there is remembered, one that is not may be made by hand."""
        if name not in self._indexes and connection.scalar(select(func.to_regclass(name))):
            self._indexes.add(name)
        return name in self._indexes

    @staticmethod
    def replan_on_change(table: str, columns: Sequence[str]) -> list[str]:
        """Mark the row as it is written."""
        new, old = (", ".join(f'{row}."{name}"' for name in columns) for row in ("NEW", "OLD"))
        when = f"({new}) IS DISTINCT FROM ({old}) AND NEW.plan_number = OLD.plan_number"
        mark = "NEW.is_planned := false; NEW.plan_number := OLD.plan_number + 1"
        body = f"BEGIN IF {when} THEN {mark}; END IF; RETURN NEW; END"
        before = f"BEFORE UPDATE ON {table} FOR EACH ROW"
        return [
            f"CREATE FUNCTION {table}_replan() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"CREATE TRIGGER {table}_replan {before} EXECUTE FUNCTION {table}_replan()",
        ]

    @staticmethod
    def no_replan_on_change(table: str) -> list[str]:
        """Drop the trigger and its function."""
        return [f"DROP TRIGGER {table}_replan ON {table}", f"DROP FUNCTION {table}_replan()"]

    @staticmethod
    def append_only(table: str) -> list[str]:
        """Refuse UPDATE, DELETE and TRUNCATE by trigger."""
        body = f"BEGIN RAISE EXCEPTION '{table} is append-only'; END"
        run = f"EXECUTE FUNCTION {table}_refuse()"
        changes = f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW"
        emptying = f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
        return [
            f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"CREATE TRIGGER {table}_no_change {changes} {run}",
            f"CREATE TRIGGER {table}_no_truncate {emptying} {run}",
        ]

    @staticmethod
    def guarded(table: str, facts: Sequence[str]) -> list[str]:
        """Put the look for a pass into the triggers' function."""
        mine = (
            "p.owner = pg_current_xact_id()::text"
            " AND p.opened_at > clock_timestamp() - interval '1 minute'"
        )
        old, new = (", ".join(f'{row}."{name}"' for name in facts) for row in ("OLD", "NEW"))
        may = passed(table, "lower(TG_OP)", mine)
        body = (
            f"BEGIN IF TG_OP = 'DELETE' THEN IF {may} THEN RETURN OLD; END IF;"
            f" ELSIF TG_OP = 'UPDATE' THEN IF {may}"
            f" AND ROW({new}) IS NOT DISTINCT FROM ROW({old}) THEN RETURN NEW; END IF; END IF;"
            f" RAISE EXCEPTION '{table} is append-only'; END"
        )
        head = f"CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql"
        return [f"{head} AS $${body}$$"]

    def transaction_mark(self) -> ColumnElement[str]:
        """Return the transaction's number."""
        return cast(func.pg_current_xact_id(), String())

    @staticmethod
    def not_append_only(table: str) -> list[str]:
        """Drop the triggers and their function."""
        return [
            f"DROP TRIGGER {table}_no_truncate ON {table}",
            f"DROP TRIGGER {table}_no_change ON {table}",
            f"DROP FUNCTION {table}_refuse()",
        ]


def _connect(
    _dialect: object, _record: object, arguments: tuple[Any, ...], named: dict[str, Any]
) -> psycopg_silence.Connection:
    """Open a connection, as SQLAlchemy asks for it."""
    return psycopg_silence.connect(*arguments, **named)


def _arrays(rows: Sequence[Values], names: Sequence[str]) -> dict[str, list[object]]:
    """Turn rows into one array per column, under the parameter names of `_unnested`."""
    return {f"all_{name}": [row[name] for row in rows] for name in names}


def _unnested(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Return arrays of the columns' types as a table called `new`."""
    types = {name: table.c[name].type for name in names}
    arrays = [
        cast(bindparam(f"all_{name}", type_=ARRAY(kind)), ARRAY(kind))
        for name, kind in types.items()
    ]
    columns = [column(name, kind) for name, kind in types.items()]
    return func.unnest(*arrays).table_valued(*columns, name="new").render_derived()


@lru_cache(maxsize=64)
def _update_from_arrays(table: Table, names: tuple[str, ...]) -> Update:
    """Build UPDATE … FROM unnest(…) once per table and set of columns."""
    new = _unnested(table, names)
    changed = {name: new.c[name] for name in names if name != "id"}
    return update(table).where(table.c.id == new.c.id).values(changed)


@lru_cache(maxsize=64)
def _insert_from_arrays(table: Table, names: tuple[str, ...]) -> ReturningInsert[Any]:
    """Build INSERT … SELECT FROM unnest(…) once per table and set of columns."""
    new = _unnested(table, names)
    source = select(*(new.c[name] for name in names))
    statement = insert(table).from_select(list(names), source)
    return statement.on_conflict_do_nothing().returning(table.c.id)


ENGINE = PostgresqlDatabase
