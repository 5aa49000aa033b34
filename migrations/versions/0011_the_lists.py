"""Indexes for what staff sort and narrow lists by, and for finding invoices."""

import logging

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
phase = "fill"

logger = logging.getLogger(__name__)

INDEXES = (
    ("ix_invoices_status", "invoices", ["status", "id"]),
    ("ix_invoices_number", "invoices", ["number", "id"]),
    ("ix_invoices_due_date", "invoices", ["due_date", "id"]),
    ("ix_deliveries_state", "deliveries", ["state", "id"]),
    ("ix_callbacks_state", "callbacks", ["state", "id"]),
    ("ix_pushes_state", "pushes", ["state", "id"]),
)
SEARCH = "CREATE INDEX ix_documents_search ON documents USING gin (search_text gin_trgm_ops)"
INVOICES = sa.table(
    "invoices",
    *(sa.column(name, sa.String()) for name in ("number", "external_id", "buyer_name")),
    sa.column("id", sa.Uuid()),
)
DOCUMENTS = sa.table(
    "documents",
    *(sa.column(name, sa.String()) for name in ("role", "search_text")),
    sa.column("invoice_id", sa.Uuid()),
)


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        op.execute("SET LOCAL statement_timeout = 0")
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)
    op.add_column("documents", sa.Column("search_text", sa.String(length=1000), nullable=True))
    op.execute(_fill())
    if is_postgresql:
        _index_three_letters()


def _fill() -> sa.Update:
    """Return the statement that says of each original what its invoice is found by."""
    columns = INVOICES.c
    external_id = sa.func.coalesce(columns.external_id, "")
    words = columns.number + "\n" + external_id + "\n" + columns.buyer_name
    own = sa.select(sa.func.lower(words)).where(columns.id == DOCUMENTS.c.invoice_id)
    statement = sa.update(DOCUMENTS).where(DOCUMENTS.c.role == "original")
    return statement.values(search_text=own.scalar_subquery())


def _index_three_letters() -> None:
    """Make the index that finds any part of a word, where we may; it can be made later too."""
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute(SEARCH)
    except DBAPIError as error:
        remedy = f"as a superuser: CREATE EXTENSION pg_trgm; then: {SEARCH}"
        why = str(error.orig).splitlines()[0]
        logger.warning("no index for searching parts of words (%s); %s", why, remedy)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX IF EXISTS ix_documents_search")
    op.drop_column("documents", "search_text")
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table)
