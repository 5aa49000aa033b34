"""What staff made of mails, for all that are alike."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "mail_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("likeness", sa.String(length=64), nullable=False),
        sa.Column("said_by", sa.String(length=255), nullable=False),
        sa.Column("dsn_status", sa.String(length=20), nullable=False),
        sa.Column("template", sa.String(length=300), nullable=False),
        sa.Column("ruling", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("callback_id", sa.Uuid(), nullable=True),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("updated_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mail_rules"),
        sa.UniqueConstraint("likeness", name="uq_mail_rules_likeness"),
        **MYSQL,
    )
    op.add_column("callbacks", sa.Column("likeness", sa.String(length=64), nullable=True))
    op.add_column("callbacks", sa.Column("is_hard", sa.Boolean(), nullable=True))
    is_there = sa.text("likeness IS NOT NULL")
    op.create_index(
        "ix_callbacks_likeness",
        "callbacks",
        ["likeness", "id"],
        postgresql_where=is_there,
        sqlite_where=is_there,
    )


def downgrade() -> None:
    op.drop_index("ix_callbacks_likeness", "callbacks")
    op.drop_column("callbacks", "is_hard")
    op.drop_column("callbacks", "likeness")
    op.drop_table("mail_rules")
