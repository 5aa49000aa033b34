"""What every engine can do for us, and the choice of the class by URL.

What differs between SQLite, PostgreSQL and MySQL lives in the classes beside this module and
nowhere else: connection options, how a set of due rows is claimed, how many rows are written at
once, and how a table is made append-only.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from importlib import import_module
from time import monotonic
from typing import Any, ClassVar, NoReturn, Self, cast
from uuid import UUID

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Table,
    Update,
    bindparam,
    create_engine,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from core.database.rebuilding import Rebuild
from core.errors import SettingsError

Values = Mapping[str, object]
"""Column names and what to write in them."""

Family = Sequence[tuple[Table, Values]]
"""Rows that belong to another row and are written with it, each with its table."""

WATCHED = "kuvert_watched"
"""In `Table.info`: its changes are heard on the engine, so no statement may go past it."""

MODULES = {
    "sqlite": "core.database.sqlite",
    "postgresql": "core.database.postgresql",
    "mysql": "core.database.mysql",
    "mariadb": "core.database.mysql",
}
EXAMPLES = (
    "postgresql+psycopg://user@host/kuvert, mysql+pymysql://user@host/kuvert or sqlite:///kuvert.db"
)


class Database:
    """One database. `Database(url)` gives the class for the engine that the URL names.

    What raises NotImplementedError each engine has in its own way; were it abstract, checkers would
    refuse that call.

    Raises:
        SettingsError: unknown engine, missing driver, or a missing part of the URL; one line
            that names what to install or set.
    """

    driver: ClassVar[str]
    package: ClassVar[str]
    needs_server: ClassVar[bool] = True
    size_query: ClassVar[str]
    single_options: ClassVar[dict[str, Any]] = {
        "isolation_level": "AUTOCOMMIT",
        "kuvert_single": True,
    }
    url: URL
    engine: Engine

    def __new__(cls, url: str | URL) -> Self:
        """Choose the class of the engine; a subclass asked for by name stays what it is."""
        if cls is not Database:
            return super().__new__(cls)
        return cast("Self", super().__new__(_class_for(_parse(url))))

    def __init__(self, url: str | URL) -> None:
        self.url = self._complete(_parse(url))
        self.engine = self._make_engine()
        self._single = self._make_single()
        self._until: dict[str, float] = {}
        self.prepare(self.engine)

    # ---- connections -------------------------------------------------------------------------

    def single(self) -> AbstractContextManager[Connection]:
        """Open a connection on which each statement is its own transaction.

        For reads, and for a hot path whose whole work is one statement.
        """
        return self._single.connect()

    @property
    def singles(self) -> Engine:
        """Return the engine of such connections, for a session."""
        return self._single

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Open a connection for reads that all see the same moment, however long they take."""
        raise NotImplementedError

    def rebuild(self, names: Collection[str]) -> AbstractContextManager[Rebuild]:
        """Give an empty database to fill; it takes the place of this one when the block ends well.

        `names` are the tables that go, those that refer to others first. Killed in between, this
        one is as it was; on MySQL, which cannot take tables back, it is at no revision, says so,
        and has to be filled again.

        Raises:
            UnavailableError: somebody else uses the database.
        """
        raise NotImplementedError

    def alone(self, what: str) -> AbstractContextManager[None]:
        """Wait until no other process does `what` to this database, and keep others waiting.

        A process that dies lets go.

        Raises:
            UnavailableError: another has been at it for a quarter of an hour.
        """
        raise NotImplementedError

    def be_patient(self, connection: Connection) -> None:
        """Let statements of this transaction take as long as they need."""

    def shred(self) -> None:
        """Take what was overwritten off the disk too, where the engine does not by itself.

        Raises:
            UnavailableError: others are at work for too long.
        """

    def forget_connections(self) -> None:
        """Drop pooled connections without closing them; a child calls this after a fork."""
        self.engine.dispose(close=False)
        self._single.dispose(close=False)

    def close(self) -> None:
        """Close all pooled connections."""
        self._until.clear()
        self.engine.dispose()
        self._single.dispose()

    def prepare(self, engine: Engine) -> None:
        """Attach what the engine needs on each new connection."""

    def watch(self, context: type[DefaultExecutionContext]) -> None:
        """Have every statement run in an execution context that is a `context` as well.

        Its `pre_exec` and `post_exec` are called around each statement. SQLAlchemy's events would
        do, but cost each statement, reads too, 5 to 10 µs.
        """
        for dialect in {engine.dialect for engine in (self.engine, self._single)}:
            usual = dialect.execution_ctx_cls
            if issubclass(usual, context):
                continue
            dialect.execution_ctx_cls = type(usual.__name__, (context, usual), {})

    def engine_options(self) -> dict[str, Any]:
        """Return the arguments of `create_engine` for this engine."""
        return {}

    # ---- what was so a moment ago -----------------------------------------------------------

    def was(self, fact: str) -> bool:
        """Tell whether `fact` was found so lately that this process need not look again."""
        return self._until.get(fact, 0.0) > monotonic()

    def remember(self, fact: str, seconds: float) -> None:
        """Take `fact` to be so for some seconds, without looking."""
        self._until[fact] = monotonic() + seconds

    # ---- time --------------------------------------------------------------------------------

    def clock(self) -> ColumnElement[datetime]:
        """Return what reads the time in a statement, by one clock for all hosts."""
        raise NotImplementedError

    def transaction_mark(self) -> ColumnElement[str]:
        """Return what tells this transaction from others, as the triggers of `guarded` do.

        On MySQL it tells the connection, on SQLite, which has one writer, nothing.
        """
        raise NotImplementedError

    # ---- size --------------------------------------------------------------------------------

    def hint(self) -> str:
        """Return, in parentheses, why the database may refuse us; empty where nothing is known."""
        return ""

    def size(self, connection: Connection) -> int:
        """Return how much the database takes on its disk, in bytes."""
        return int(connection.exec_driver_sql(self.size_query).scalar_one() or 0)

    # ---- sets of rows ------------------------------------------------------------------------

    def among(
        self, column: ColumnElement[Any] | Column[Any], values: Iterable[Any]
    ) -> ColumnElement[bool]:
        """Return the condition that `column` is one of `values`."""
        return column.in_(list(values))

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
        """Set `values` on the rows that still match `where` and return their ids.

        Of two callers at once, each row goes to one. `skip_locked` passes over rows that another
        transaction holds at this moment instead of waiting for it, where the engine can.
        """
        raise NotImplementedError

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Values]) -> set[UUID]:
        """Insert those rows that break no unique rule; return the ids that went in."""
        raise NotImplementedError

    def insert_missing(self, connection: Connection, table: Table, row: Values) -> None:
        """Insert a row unless one with its key is there; of several callers at once, one does.

        The others wait until its transaction has ended.
        """
        raise NotImplementedError

    def insert_family(
        self, connection: Connection, table: Table, row: Values, family: Family
    ) -> bool:
        """Insert a row, and with it the rows that refer to it; False when it breaks a unique rule.

        Then nothing is written.
        """
        if not self.insert_new(connection, table, [row]):
            return False
        for member, values in family:
            self.insert_many(connection, member, [values])
        return True

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Values]) -> None:
        """Insert rows that all have the same keys, in the engine's quickest way."""
        if rows:
            connection.execute(insert(table), [dict(row) for row in rows])

    def update_many(self, connection: Connection, table: Table, rows: Sequence[Values]) -> None:
        """Update rows by `id`; all have the same keys. The caller holds their locks."""
        if rows:
            names = [name for name in rows[0] if name != "id"]
            connection.execute(_update_by_id(table, names), [_renamed(row) for row in rows])

    def lock(
        self,
        connection: Connection,
        table: Table,
        where: ColumnElement[bool],
        columns: Sequence[Column[Any]] = (),
    ) -> list[Row[Any]]:
        """Read and lock the rows that match, in the order of their ids; all columns, or these."""
        statement = select(*(columns or table.c)).where(where).order_by(table.c.id)
        return list(connection.execute(statement.with_for_update()).all())

    def has_index(self, connection: Connection, name: str) -> bool:  # noqa: ARG002 - see below
        """Tell whether an index is there that only this engine can have; others have none."""
        return False

    # ---- schema ------------------------------------------------------------------------------

    @staticmethod
    def append_only(table: str) -> list[str]:
        """Return the statements after which the engine refuses UPDATE and DELETE on `table`."""
        raise NotImplementedError

    @staticmethod
    def not_append_only(table: str) -> list[str]:
        """Return the statements that take `append_only` back."""
        return [f"DROP TRIGGER {table}_no_{verb}" for verb in ("update", "delete")]

    @staticmethod
    def guarded(table: str, facts: Sequence[str]) -> list[str]:
        """Return the statements that open an append-only table to core.retention.passes alone.

        Its triggers are replaced. Through a pass of the same transaction, which is younger than a
        minute, rows with smaller ids than the pass says may be deleted, or their words may be
        changed; `facts` are the columns that stay as they are whoever asks.
        """
        raise NotImplementedError

    @staticmethod
    def replan_on_change(table: str, columns: Sequence[str]) -> list[str]:
        """Return the statements after which a change of `columns`, by whomever, is marked.

        The row's `is_planned` becomes false and its `plan_number` grows, unless the writer has
        planned it himself and raised the number.
        """
        raise NotImplementedError

    @staticmethod
    def no_replan_on_change(table: str) -> list[str]:
        """Return the statements that take `replan_on_change` back."""
        return [f"DROP TRIGGER {table}_replan"]

    # ---- own -----------------------------------------------------------------------------------

    def _complete(self, url: URL) -> URL:
        """Check the URL's parts and name our driver where none is named."""
        missing = [part for part in ("host", "database") if not getattr(url, part)]
        if self.needs_server and missing:
            _refuse(f"has no {' and no '.join(missing)} in {_shown(url)}; write {EXAMPLES}")
        return url.set(drivername=self.driver) if "+" not in url.drivername else url

    def _make_single(self) -> Engine:
        """Return the engine whose connections commit each statement."""
        return self.engine.execution_options(**self.single_options)

    def _make_own_single(self) -> Engine:
        """Return such an engine with connections of its own, for engines that are servers.

        To switch a shared connection to and fro costs more than a short read, and what goes wrong
        in switching is no error of SQLAlchemy's.
        """
        options = self.engine_options() | {"pool_reset_on_return": None}
        single = create_engine(
            self.url, hide_parameters=True, **options | {"isolation_level": "AUTOCOMMIT"}
        )
        single.update_execution_options(kuvert_single=True)
        self.prepare(single)
        return single

    def _make_engine(self) -> Engine:
        try:
            # Parameters hold people's data; an error that is logged must not show them.
            return create_engine(self.url, hide_parameters=True, **self.engine_options())
        except (ImportError, NoSuchModuleError):
            _refuse(f"needs the driver of {self.url.drivername}: pip install '{self.package}'")
        except (ArgumentError, TypeError) as error:
            _refuse(f"cannot be used ({error}); write {EXAMPLES}")


def _parse(url: str | URL) -> URL:
    """Read the URL; one line where it cannot be."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        _refuse(f"is not a database URL; write {EXAMPLES}")


def _class_for(url: URL) -> type[Database]:
    """Return the class of the engine that `url` names."""
    name = url.get_backend_name()
    if name not in MODULES:
        known = ", ".join(sorted(set(MODULES)))
        _refuse(f"names the engine '{name}', which Kuvert does not know ({known})")
    chosen: type[Database] = import_module(MODULES[name]).ENGINE
    return chosen


def _shown(url: URL) -> str:
    """Write the URL without its password."""
    return url.render_as_string(hide_password=True)


def _refuse(why: str) -> NoReturn:
    raise SettingsError([f"KUVERT_DATABASE_URL {why}"])


def _update_by_id(table: Table, names: Sequence[str]) -> Update:
    """Build the UPDATE that takes one row per set of parameters."""
    return (
        update(table)
        .where(table.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )


def _renamed(row: Values) -> dict[str, object]:
    """Give a row the parameter names of `_update_by_id`."""
    named = {f"new_{name}": value for name, value in row.items() if name != "id"}
    return {"row_id": row["id"], **named}
