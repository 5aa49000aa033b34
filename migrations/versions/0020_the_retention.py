"""What is kept for how long, what is held, and the one way through the guards of histories."""

import sqlalchemy as sa
from alembic import op

from core.database import Database
from core.errors import ConflictError
from core.types import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

FACTS = {
    "status_events": (
        "id",
        "invoice_id",
        "source_id",
        "sequence",
        "from_status",
        "to_status",
        "cause",
        "delivery_id",
        "actor",
        "occurred_at",
        "recorded_at",
    ),
    "push_attempts": ("id", "push_id", "number", "started_at", "finished_at", "http_status"),
    "schedule_changes": ("id", "schedule_id", "schedule_name", "changed_at", "actor"),
    "audit_entries": ("id", "at", "actor", "request_id", "operation", "kind", "row_id"),
}
"""What of each history nobody may change, retention neither."""


def upgrade() -> None:
    op.create_table(
        "retention_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("before_at", UtcDateTime(), nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.String(length=500), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_retention_runs"),
        **MYSQL,
    )
    op.create_table(
        "history_passes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("table_name", sa.String(length=60), nullable=False),
        sa.Column("verb", sa.String(length=10), nullable=False),
        sa.Column("before_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["retention_runs.id"], name="fk_history_passes_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_history_passes"),
        **MYSQL,
    )
    op.create_table(
        "history_gaps",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("oldest_at", UtcDateTime(), nullable=False),
        sa.Column("newest_at", UtcDateTime(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_history_gaps_invoice_id"),
        sa.PrimaryKeyConstraint("invoice_id", "kind", name="pk_history_gaps"),
        **MYSQL,
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("placed_at", UtcDateTime(), nullable=False),
        sa.Column("placed_by", sa.String(length=200), nullable=False),
        sa.Column("lifted_at", UtcDateTime(), nullable=True),
        sa.Column("lifted_by", sa.String(length=200), nullable=True),
        sa.Column("lift_reason", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_legal_holds_invoice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_legal_holds"),
        **MYSQL,
    )
    op.create_index("ix_legal_holds_invoice_id", "legal_holds", ["invoice_id"])
    op.create_index("ix_legal_holds_address", "legal_holds", ["address"])
    op.add_column("documents", sa.Column("purged_at", UtcDateTime(), nullable=True))
    op.add_column("callbacks", sa.Column("purged_at", UtcDateTime(), nullable=True))
    op.add_column("invoices", sa.Column("erased_at", UtcDateTime(), nullable=True))
    for table, facts in FACTS.items():
        for statement in engine_class().guarded(table, facts):
            op.execute(statement)


def downgrade() -> None:
    refuse_emptied()
    for table in FACTS:
        for statement in engine_class().not_append_only(table):
            op.execute(statement)
        for statement in engine_class().append_only(table):
            op.execute(statement)
    op.drop_column("invoices", "erased_at")
    op.drop_column("callbacks", "purged_at")
    op.drop_column("documents", "purged_at")
    op.drop_table("legal_holds")
    op.drop_table("history_gaps")
    op.drop_table("history_passes")
    op.drop_table("retention_runs")


def refuse_emptied() -> None:
    """Refuse where documents are empty: the version before would send them as they are."""
    emptied = "SELECT COUNT(*) FROM documents WHERE purged_at IS NOT NULL"
    count = op.get_bind().exec_driver_sql(emptied).scalar_one()
    if count:
        raise ConflictError(
            f"retention has emptied {count} documents, which an older Kuvert would send empty:"
            " this database cannot go back behind 0020; restore a backup from before instead"
        )


def engine_class() -> type[Database]:
    """Return the class of the database that is migrated; it knows the engine's triggers."""
    database: Database = op.get_context().config.attributes["database"]
    return type(database)
