"""The timer of what takes away what was kept for its time."""

from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

from core.clock import utcnow
from core.types import UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
phase = "add"

NAME, TASK = "purge-expired", "tasks.purgeExpired"
NIGHTLY = "30 1-4 * * *"

SCHEDULES = sa.table(
    "schedules",
    sa.column("id", sa.Uuid()),
    sa.column("name", sa.String()),
    sa.column("task", sa.String()),
    sa.column("args", sa.Text()),
    sa.column("kind", sa.String()),
    sa.column("crontab", sa.String()),
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
    """Enter the timer, unless staff have one of that name already. Without a setting it rests."""
    same = sa.select(SCHEDULES.c.id).where(SCHEDULES.c.name == NAME)
    if op.get_bind().execute(same).first() is not None:
        return
    now = utcnow()
    row = {
        "id": uuid5(NAMESPACE_URL, f"kuvert:schedule:{NAME}"),
        "name": NAME,
        "task": TASK,
        "args": "[]",
        "kind": "crontab",
        "crontab": NIGHTLY,
        "offset_seconds": 0,
        "timezone": op.get_context().config.attributes.get("timezone", "UTC"),
        "jitter_seconds": 0,
        "is_enabled": True,
        "catchup": "latest",
        "catchup_window_seconds": 3600,
        "overlap": "skip",
        "max_run_seconds": 3600,
        "expires_seconds": 3600,
        "origin": "builtin",
        "is_planned": False,
        "plan_number": 1,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    op.bulk_insert(SCHEDULES, [row])


def downgrade() -> None:
    own = f"SELECT id FROM schedules WHERE task = '{TASK}'"  # noqa: S608 - our own words
    op.execute(f"DELETE FROM schedule_runs WHERE schedule_id IN ({own})")  # noqa: S608 - our own words
    op.execute(f"DELETE FROM schedules WHERE task = '{TASK}'")  # noqa: S608 - our own words
