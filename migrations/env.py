"""What Alembic runs: our models against the database class of the URL."""

from alembic import context
from sqlalchemy import Connection

from core import resumable  # noqa: F401 - Alembic finds it by its name
from core.database import Database
from core.migrations import VERSION_TABLE, load_models
from core.models import Base

load_models(("status", "invoices", "callbacks"))

attributes = context.config.attributes
database: Database = attributes["database"]
given: Connection | None = attributes.get("connection")


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
        version_table=attributes.get("version_table", VERSION_TABLE),
    )
    with context.begin_transaction():
        context.run_migrations()


if given is not None:
    migrate(given)
else:
    with database.engine.connect().execution_options(kuvert_write=True) as connection:
        migrate(connection)
        connection.commit()
