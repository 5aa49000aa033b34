"""When nothing may go out, and which version a worker runs."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "dispatch_pauses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("paused_at", UtcDateTime(), nullable=False),
        sa.Column("paused_by", sa.String(length=200), nullable=False),
        sa.Column("restored_from", UtcDateTime(), nullable=True),
        sa.Column("resumed_at", UtcDateTime(), nullable=True),
        sa.Column("resumed_by", sa.String(length=200), nullable=True),
        sa.Column("resume_reason", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_dispatch_pauses"),
        **MYSQL,
    )
    op.add_column("heartbeats", sa.Column("version", sa.String(length=60), nullable=True))


def downgrade() -> None:
    op.drop_column("heartbeats", "version")
    op.drop_table("dispatch_pauses")
