"""What Alembic runs: our models against the database class of the URL."""

from importlib import import_module

from alembic import context

from core.database import Database
from core.migrations import OWN
from core.models import Base

for package in (*OWN, "status", "invoices", "callbacks"):
    import_module(f"{package}.models")

database: Database = context.config.attributes["database"]

with database.engine.connect().execution_options(kuvert_write=True) as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
