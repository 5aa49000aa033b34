"""One verb for many invoices, and the timer of what goes on with it."""

from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

from core.clock import utcnow
from core.types import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
NAME = "get-bulk-acts"
SECONDS = 60

SCHEDULES = sa.table(
    "schedules",
    sa.column("id", sa.Uuid()),
    sa.column("name", sa.String()),
    sa.column("task", sa.String()),
    sa.column("args", sa.Text()),
    sa.column("kind", sa.String()),
    sa.column("every_seconds", sa.Integer()),
    sa.column("offset_seconds", sa.Integer()),
    sa.column("timezone", sa.String()),
    sa.column("jitter_seconds", sa.Integer()),
    sa.column("is_enabled", sa.Boolean()),
    sa.column("catchup", sa.String()),
    sa.column("catchup_window_seconds", sa.Integer()),
    sa.column("overlap", sa.String()),
    sa.column("max_run_seconds", sa.Integer()),
    sa.column("expires_seconds", sa.Integer()),
    sa.column("origin", sa.String()),
    sa.column("is_planned", sa.Boolean()),
    sa.column("plan_number", sa.Integer()),
    sa.column("version", sa.Integer()),
    sa.column("created_at", UtcDateTime()),
    sa.column("updated_at", UtcDateTime()),
)


def upgrade() -> None:
    op.create_table(
        "bulk_acts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verb", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("is_confirmed", sa.Boolean(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done_count", sa.Integer(), nullable=False),
        sa.Column("refused_count", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_acts"),
        sa.UniqueConstraint("nonce", name="uq_bulk_acts_nonce"),
        **MYSQL,
    )
    op.create_index("ix_bulk_acts_due_at", "bulk_acts", ["due_at"])
    op.create_table(
        "bulk_items",
        sa.Column("bulk_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("detail", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["bulk_id"], ["bulk_acts.id"], name="fk_bulk_items_bulk_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_bulk_items_invoice_id"),
        sa.PrimaryKeyConstraint("bulk_id", "position", name="pk_bulk_items"),
        **MYSQL,
    )
    seed()


def seed() -> None:
    """Enter the timer, unless staff have one of that name already."""
    same = sa.select(SCHEDULES.c.id).where(SCHEDULES.c.name == NAME)
    if op.get_bind().execute(same).first() is not None:
        return
    now = utcnow()
    row = {
        "id": uuid5(NAMESPACE_URL, f"kuvert:schedule:{NAME}"),
        "name": NAME,
        "task": "tasks.getBulkActs",
        "args": "[]",
        "kind": "interval",
        "every_seconds": SECONDS,
        "offset_seconds": 0,
        "timezone": "UTC",
        "jitter_seconds": 0,
        "is_enabled": True,
        "catchup": "latest",
        "catchup_window_seconds": 3600,
        "overlap": "allow",
        "max_run_seconds": 3600,
        "expires_seconds": SECONDS,
        "origin": "builtin",
        "is_planned": False,
        "plan_number": 1,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    op.bulk_insert(SCHEDULES, [row])


def downgrade() -> None:
    own = "SELECT id FROM schedules WHERE task = 'tasks.getBulkActs'"
    op.execute(f"DELETE FROM schedule_runs WHERE schedule_id IN ({own})")  # noqa: S608 - our own words
    op.execute("DELETE FROM schedules WHERE task = 'tasks.getBulkActs'")
    op.drop_table("bulk_items")
    op.drop_table("bulk_acts")
