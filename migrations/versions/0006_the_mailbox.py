"""Mails as callbacks without a provider, how far the mailbox was read, and its timer."""

from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

from core.clock import utcnow
from core.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
IS_MAIL = sa.text("mail_key IS NOT NULL")
NAME = "get-failed-callbacks-emails"
SECONDS = 900

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
    with op.batch_alter_table("callbacks") as batch:
        batch.alter_column("provider_id", existing_type=sa.Uuid(), nullable=True)
        batch.add_column(sa.Column("mail_key", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_callbacks_mail_key",
        "callbacks",
        ["mail_key"],
        unique=True,
        postgresql_where=IS_MAIL,
        sqlite_where=IS_MAIL,
    )
    op.create_table(
        "mailbox_progress",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mailbox_progress"),
        sa.UniqueConstraint("name", name="uq_mailbox_progress_name"),
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
        "task": "tasks.checkEmailInbox",
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
    """Take it back; mails that were kept go too, but they are still in the mailbox."""
    own = "SELECT id FROM schedules WHERE task = 'tasks.checkEmailInbox'"
    op.execute(f"DELETE FROM schedule_runs WHERE schedule_id IN ({own})")  # noqa: S608 - our own words
    op.execute("DELETE FROM schedules WHERE task = 'tasks.checkEmailInbox'")
    op.execute("DELETE FROM callbacks WHERE provider_id IS NULL")
    op.drop_table("mailbox_progress")
    op.drop_index("ix_callbacks_mail_key", "callbacks")
    with op.batch_alter_table("callbacks") as batch:
        batch.drop_column("mail_key")
        batch.alter_column("provider_id", existing_type=sa.Uuid(), nullable=False)
