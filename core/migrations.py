"""Bringing a database to the schema of this code, and saying where it stands."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.database import Database
from core.models import Base

FOLDER = Path(__file__).resolve().parent.parent / "migrations"


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
    """Bring the database to `revision`; `timezone` is that of the schedules it enters."""
    config = _config(database)
    config.attributes["timezone"] = timezone
    command.upgrade(config, revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the database back to `revision`; `base` empties it."""
    command.downgrade(_config(database), revision)


def differences(connection: Connection) -> list[str]:
    """Return what differs between the database and the models, one line each."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return [repr(item) for item in compare_metadata(context, Base.metadata)]


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["database"] = database
    return config
