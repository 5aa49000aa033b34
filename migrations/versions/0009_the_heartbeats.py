"""Where workers say that they are alive."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("queues", sa.JSON(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_heartbeats"),
        **MYSQL,
    )


def downgrade() -> None:
    op.drop_table("heartbeats")
