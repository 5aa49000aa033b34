"""Addresses that bounced."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("soft_count", sa.Integer(), nullable=False),
        sa.Column("soft_since", UtcDateTime(), nullable=True),
        sa.Column("is_hard", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("suppressed_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("released_at", UtcDateTime(), nullable=True),
        sa.Column("released_by", sa.String(length=200), nullable=True),
        sa.Column("release_reason", sa.String(length=500), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_suppressions_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
        sa.UniqueConstraint("source_id", "address", name="uq_suppressions_source_id_address"),
        **MYSQL,
    )


def downgrade() -> None:
    op.drop_table("suppressions")
