"""What Alembic runs: our models against the database class of the URL."""

from alembic import context

from core.database import Database
from core.migrations import load_models
from core.models import Base

load_models(("status", "invoices", "callbacks"))

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
