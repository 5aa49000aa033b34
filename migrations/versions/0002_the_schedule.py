"""The schedule."""

import json
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

from core.clock import utcnow
from core.database import Database
from core.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
TIMING = (
    "task",
    "args",
    "kind",
    "every_seconds",
    "offset_seconds",
    "crontab",
    "timezone",
    "at",
    "start_at",
    "end_at",
    "jitter_seconds",
    "is_enabled",
    "paused_at",
    "paused_until",
)
HOUR, DAY = 3600, 86_400


def upgrade() -> None:
    op.create_table(
        "schedule_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("comment", sa.String(length=500), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_changes"),
        **MYSQL,
    )
    op.create_index(
        "ix_schedule_changes_schedule_id", "schedule_changes", ["schedule_id"], unique=False
    )

    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("every_seconds", sa.Integer(), nullable=True),
        sa.Column("offset_seconds", sa.Integer(), nullable=False),
        sa.Column("crontab", sa.String(length=200), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("start_at", UtcDateTime(), nullable=True),
        sa.Column("end_at", UtcDateTime(), nullable=True),
        sa.Column("jitter_seconds", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("paused_until", UtcDateTime(), nullable=True),
        sa.Column("pause_reason", sa.String(length=500), nullable=True),
        sa.Column("catchup", sa.String(length=10), nullable=False),
        sa.Column("catchup_window_seconds", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.String(length=10), nullable=False),
        sa.Column("max_run_seconds", sa.Integer(), nullable=False),
        sa.Column("expires_seconds", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("next_slot_at", UtcDateTime(), nullable=True),
        sa.Column("next_due_at", UtcDateTime(), nullable=True),
        sa.Column("is_planned", sa.Boolean(), nullable=False),
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("alarm", sa.String(length=500), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.UniqueConstraint("name", name="uq_schedules_name"),
        **MYSQL,
    )
    op.create_index("ix_schedules_next_due_at", "schedules", ["next_due_at"], unique=False)
    op.create_index(
        "ix_schedules_unplanned",
        "schedules",
        ["is_planned"],
        unique=False,
        postgresql_where=sa.text("NOT is_planned"),
        sqlite_where=sa.text("is_planned = 0"),
    )

    op.create_table(
        "schedule_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("slot_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_schedule_runs_schedule_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_runs"),
        sa.UniqueConstraint("schedule_id", "slot_at", name="uq_schedule_runs_schedule_id_slot_at"),
        **MYSQL,
    )
    op.create_index(
        "ix_schedule_runs_state", "schedule_runs", ["state", "claimed_at"], unique=False
    )
    engine = engine_class()
    for statement in (
        *engine.append_only("schedule_changes"),
        *engine.replan_on_change("schedules", TIMING),
    ):
        op.execute(statement)
    seed()


def seed() -> None:
    """Enter the built-in schedules; what staff make of them later is never overwritten."""
    now = utcnow()
    zone = op.get_context().config.attributes.get("timezone", "UTC")
    schedules = sa.Table("schedules", sa.MetaData(), autoload_with=op.get_bind())
    columns = [sa.column(column.name, kind(column)) for column in schedules.columns]
    op.bulk_insert(
        sa.table("schedules", *columns),
        [
            every("get-all-ready-to-send-invoices", "tasks.getActiveInvoices", 300, now),
            every("get-due-callbacks", "tasks.getDueCallbacks", 60, now),
            every("get-due-statuses", "tasks.getDueStatuses", 60, now),
            row("get-total-invoices", "tasks.getTotalInvoices", now)
            | {
                "kind": "crontab",
                "crontab": "0 23 * * 1",
                "timezone": zone,
                "catchup_window_seconds": DAY,
            },
        ],
    )


def kind(column: sa.Column[object]) -> sa.types.TypeEngine[object]:
    """Return the type to write a column with; the engines' own know no aware times and ids."""
    if column.name == "id":
        return sa.Uuid()
    if column.name.endswith(("_at", "_until")) or column.name == "at":
        return UtcDateTime()
    return sa.Boolean() if column.name.startswith("is_") else column.type


def every(name: str, task: str, seconds: int, now: datetime) -> dict[str, object]:
    """Return an interval; a message that waited longer than it is not worth running."""
    return row(name, task, now) | {"every_seconds": seconds, "expires_seconds": seconds}


def row(name: str, task: str, now: datetime) -> dict[str, object]:
    """Return what the built-in schedules have in common; beat plans them at its first look."""
    return {
        "id": uuid5(NAMESPACE_URL, f"kuvert:schedule:{name}"),
        "name": name,
        "description": None,
        "task": task,
        "args": json.dumps([]),
        "kind": "interval",
        "every_seconds": None,
        "offset_seconds": 0,
        "crontab": None,
        "timezone": "UTC",
        "at": None,
        "start_at": None,
        "end_at": None,
        "jitter_seconds": 0,
        "is_enabled": True,
        "paused_at": None,
        "paused_until": None,
        "pause_reason": None,
        "catchup": "latest",
        "catchup_window_seconds": HOUR,
        "overlap": "allow",
        "max_run_seconds": HOUR,
        "expires_seconds": None,
        "origin": "builtin",
        "next_slot_at": None,
        "next_due_at": None,
        "is_planned": False,
        "plan_number": 1,
        "error": None,
        "alarm": None,
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "updated_by": None,
    }


def downgrade() -> None:
    engine = engine_class()
    for statement in (
        *engine.no_replan_on_change("schedules"),
        *engine.not_append_only("schedule_changes"),
    ):
        op.execute(statement)
    op.drop_table("schedule_runs")
    op.drop_table("schedules")
    op.drop_table("schedule_changes")


def engine_class() -> type[Database]:
    """Return the class of the database that is migrated; it knows the engine's triggers."""
    database: Database = op.get_context().config.attributes["database"]
    return type(database)
