"""How many batches a provider or subscriber may have under way."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
phase = "add"

TABLES = ("providers", "subscriptions")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("pace", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    for table in TABLES:
        # Not as a batch: SQLite would make the table anew, which rows of others refer to.
        op.drop_column(table, "pace")
