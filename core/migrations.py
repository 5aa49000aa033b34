"""Bringing a database to the schema of this code, and saying where it stands."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, column, func, inspect, select
from sqlalchemy import table as sql_table

from core.database import Database
from core.errors import KuvertError
from core.models import Base

VERSION_TABLE = "alembic_version"
UNFINISHED = "restoring"
"""What stands in place of the revision while a restore fills a database that cannot undo it."""

ENGINE_ONLY = frozenset({"ix_documents_search"})
FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def load_models(packages: Iterable[str]) -> None:
    """Import every module of core and of `packages` that declares tables: `*models.py`."""
    root = FOLDER.parent
    for package in ("core", *packages):
        for path in sorted((root / package).rglob("*models.py")):
            import_module(".".join(path.relative_to(root).with_suffix("").parts))


def head() -> str:
    """Return the newest revision this code knows."""
    revision = ScriptDirectory(str(FOLDER)).get_current_head()
    if revision is None:
        raise LookupError("migrations/versions is empty")
    return revision


def current(connection: Connection) -> str | None:
    """Return the revision the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database, revision: str = "head", timezone: str = "UTC") -> None:
    """Bring the database to `revision`; `timezone` is that of the schedules it enters.

    Of two at once the second waits, and finds nothing to do. One that was killed is gone on with.

    Raises:
        KuvertError: a newer Kuvert has been here.
    """
    with database.alone("upgrade"):
        _check_known(database)
        config = _config(database)
        config.attributes["timezone"] = timezone
        command.upgrade(config, revision)


def upgrade_within(
    database: Database,
    connection: Connection,
    revision: str = "head",
    *,
    timezone: str = "UTC",
    version_table: str = VERSION_TABLE,
) -> None:
    """Do as `upgrade` on a connection, and leave the end of its transaction to the caller.

    The revision is kept in `version_table`.
    """
    config = _config(database)
    config.attributes.update(timezone=timezone, connection=connection, version_table=version_table)
    command.upgrade(config, revision)


def known_revision(connection: Connection) -> str | None:
    """Return the revision the database is at; None for an empty one.

    Raises:
        KuvertError: a newer Kuvert has been here, or a restore into it did not finish.
    """
    at = current(connection)
    if at == UNFINISHED:
        raise KuvertError(
            "a restore or move into this database did not finish, and what is in it cannot be"
            " used: run the same command again with --force"
        )
    if at is not None and not is_known(at):
        detail = f"the database is at {at}, the code knows {head()}; use the Kuvert that made it"
        raise KuvertError(detail)
    return at


@dataclass(frozen=True, slots=True)
class Waiting:
    """A migration that a database has not had; `phase` is one of core.upgrading.PHASES."""

    revision: str
    about: str
    phase: str


def waiting(at: str | None) -> list[Waiting]:
    """Return the migrations that lead from a revision to this code's, in their order."""
    scripts = ScriptDirectory(str(FOLDER)).iterate_revisions("head", at or "base")
    found = [Waiting(script.revision, script.doc, script.module.phase) for script in scripts]
    return found[::-1]


def is_known(revision: str) -> bool:
    """Tell whether this code has the migration that leads to a revision."""
    scripts = ScriptDirectory(str(FOLDER)).walk_revisions()
    return revision in {script.revision for script in scripts}


def downgrade(database: Database, revision: str) -> None:
    """Take the database back to `revision`; `base` empties it.

    Raises:
        KuvertError: there is no such revision, or a newer Kuvert has been here.
    """
    _check_known(database)
    try:
        command.downgrade(_config(database), revision)
    except CommandError as error:
        raise KuvertError(str(error)) from error


def losses(database: Database, revision: str) -> list[str]:
    """Say what `downgrade` to `revision` would take away: rows and values by table and column.

    An empty database at that revision is made for it, beside the temporary files.

    Raises:
        KuvertError: there is no such revision, or a newer Kuvert has been here.
    """
    _check_known(database)
    with tempfile.TemporaryDirectory() as folder:
        other = Database(f"sqlite:///{folder}/kuvert.db")
        try:
            if revision != "base":
                upgrade(other, revision)
            left = _columns(other)
        except CommandError as error:
            raise KuvertError(str(error)) from error
        finally:
            other.close()
    found = []
    with database.single() as connection:
        for table, columns in sorted(_columns(database).items()):
            if table == VERSION_TABLE:
                continue
            if table not in left:
                found += _counted(connection, table, None, "rows")
                continue
            for name in sorted(columns - left[table]):
                found += _counted(connection, table, name, "values")
    return found


def _columns(database: Database) -> dict[str, set[str]]:
    """Return the names of the columns by table."""
    listed = inspect(database.engine).get_multi_columns()
    return {table: {column["name"] for column in columns} for (_, table), columns in listed.items()}


def _counted(connection: Connection, table: str, name: str | None, what: str) -> list[str]:
    """Say how many rows a table has, or a column's values; nothing where there are none."""
    counted = func.count() if name is None else func.count(column(name))
    count = connection.scalar(select(counted).select_from(sql_table(table)))
    return [f"{table}.{name}: {count} {what}" if name else f"{table}: {count} {what}"] * bool(count)


def _check_known(database: Database) -> None:
    """Refuse a database at a revision that this code does not have."""
    with database.single() as connection:
        known_revision(connection)


def differences(connection: Connection) -> list[str]:
    """Return what differs between the database and the models, one line each."""
    options = {"compare_type": True, "include_object": _is_everywhere}
    context = MigrationContext.configure(connection, opts=options)
    return [repr(item) for item in compare_metadata(context, Base.metadata)]


def _is_everywhere(_object: object, name: str | None, *_more: object) -> bool:
    """Leave out what only one engine has, and that only where we were allowed to make it."""
    return name not in ENGINE_ONLY


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["database"] = database
    return config
