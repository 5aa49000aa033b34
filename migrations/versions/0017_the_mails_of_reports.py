"""Reports by mail: what was sent to whom, so that nothing is sent twice."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "report_mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("once", sa.String(length=60), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.String(length=1000), nullable=True),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_report_mails"),
        sa.UniqueConstraint("once", name="uq_report_mails_once"),
        **MYSQL,
    )
    op.create_index("ix_report_mails_week", "report_mails", ["week"])
    op.create_index("ix_report_mails_due_at", "report_mails", ["due_at"])


def downgrade() -> None:
    op.drop_table("report_mails")
