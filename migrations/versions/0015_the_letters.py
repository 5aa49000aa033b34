"""The letters that carry invoices by mail, and the language of each source's."""

import sqlalchemy as sa
from alembic import op

from core.types import LongText, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "letter_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("scope", sa.String(length=36), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("text", LongText, nullable=False),
        sa.Column("html", LongText, nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("updated_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name="fk_letter_templates_source_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_letter_templates"),
        sa.UniqueConstraint("scope", "language", name="uq_letter_templates_scope_language"),
        **MYSQL,
    )
    op.create_index("ix_letter_templates_source_id", "letter_templates", ["source_id"])
    op.add_column("sources", sa.Column("language", sa.String(length=5), nullable=True))


def downgrade() -> None:
    op.drop_column("sources", "language")
    op.drop_table("letter_templates")
