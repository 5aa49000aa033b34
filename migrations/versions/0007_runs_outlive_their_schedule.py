"""Runs and changes that can be read after their schedule was deleted."""

import sqlalchemy as sa
from alembic import op

from core.database import Database

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
phase = "fill"

FOREIGN_KEY = "fk_schedule_runs_schedule_id"
NAME = "(SELECT name FROM schedules WHERE schedules.id = schedule_changes.schedule_id)"


def upgrade() -> None:
    with op.batch_alter_table("schedule_runs") as batch:
        batch.drop_constraint(FOREIGN_KEY, type_="foreignkey")
    op.add_column("schedule_changes", sa.Column("schedule_name", sa.String(length=100)))
    engine = engine_class()
    # The only change that rows of the history ever see: they get the name they had all along.
    for statement in (
        *engine.not_append_only("schedule_changes"),
        f"UPDATE schedule_changes SET schedule_name = {NAME}",  # noqa: S608
        *engine.append_only("schedule_changes"),
    ):
        op.execute(statement)
    op.create_index("ix_schedule_changes_schedule_name", "schedule_changes", ["schedule_name"])


def downgrade() -> None:
    op.drop_index("ix_schedule_changes_schedule_name", "schedule_changes")
    op.drop_column("schedule_changes", "schedule_name")
    op.execute("DELETE FROM schedule_runs WHERE schedule_id NOT IN (SELECT id FROM schedules)")
    with op.batch_alter_table("schedule_runs") as batch:
        batch.create_foreign_key(FOREIGN_KEY, "schedules", ["schedule_id"], ["id"])


def engine_class() -> type[Database]:
    """Return the class of the database that is migrated; it knows the engine's triggers."""
    database: Database = op.get_context().config.attributes["database"]
    return type(database)
