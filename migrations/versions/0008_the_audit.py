"""The audit."""

import sqlalchemy as sa
from alembic import op

from core.database import Database
from core.types import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
TABLE = "audit_entries"
INDEXES = {
    "ix_audit_entries_actor": ["actor", "id"],
    "ix_audit_entries_row": ["kind", "row_id", "id"],
    "ix_audit_entries_kind": ["kind", "id"],
}


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("request_id", sa.String(length=100), nullable=True),
        sa.Column("operation", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("row_id", sa.String(length=200), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
        **MYSQL,
    )
    for name, columns in INDEXES.items():
        op.create_index(name, TABLE, columns, unique=False)
    for statement in engine_class().append_only(TABLE):
        op.execute(statement)


def downgrade() -> None:
    for statement in engine_class().not_append_only(TABLE):
        op.execute(statement)
    op.drop_table(TABLE)


def engine_class() -> type[Database]:
    """Return the class of the database that is migrated; it knows the engine's triggers."""
    database: Database = op.get_context().config.attributes["database"]
    return type(database)
