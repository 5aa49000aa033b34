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
        with op.batch_alter_table(table) as batch:
            batch.drop_column("pace")
