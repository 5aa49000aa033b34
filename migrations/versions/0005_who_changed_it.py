"""Who changed the rows that staff edit, when, and how often."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
phase = "add"

TABLES = ("sources", "api_keys", "status_mappings", "providers", "subscriptions")
COUNTED_BEFORE = ("providers", "subscriptions")


def upgrade() -> None:
    for table in TABLES:
        if table not in COUNTED_BEFORE:
            version = sa.Column("version", sa.Integer(), nullable=False, server_default="1")
            op.add_column(table, version)
        op.add_column(table, sa.Column("updated_at", UtcDateTime(), nullable=True))
        op.add_column(table, sa.Column("updated_by", sa.String(length=200), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "updated_by")
        op.drop_column(table, "updated_at")
        if table not in COUNTED_BEFORE:
            op.drop_column(table, "version")
