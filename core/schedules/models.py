"""Tables of the schedule, the ledger of its runs, and who changed what."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base


class Origin(StrEnum):
    """Who made a schedule. A built-in one can be changed and turned off, not deleted."""

    BUILTIN = "builtin"
    STAFF = "staff"


class Overlap(StrEnum):
    """What happens to a slot while the run before it is still under way."""

    ALLOW = "allow"
    SKIP = "skip"


class Schedule(Base):
    """When a task is to be sent.

    Crontabs and what people read are meant in `timezone`. `next_slot_at` is the next moment it
    is due, `next_due_at` the same with its jitter; NULL: never again. Whoever changes a column
    of timing, by form, command or SQL, makes `is_planned` false (a trigger does) and beat plans
    the row anew from that moment on. `plan_number` grows with each such change, so that two who
    plan at once cannot overwrite each other. `args` is JSON kept as text, so that a broken one
    does not break the reading of the others; `error` says why a row cannot run.
    """

    __tablename__ = "schedules"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str | None] = mapped_column(String(500))
    task: Mapped[str] = mapped_column(String(100))
    args: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(10))
    every_seconds: Mapped[int | None]
    offset_seconds: Mapped[int]
    crontab: Mapped[str | None] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime | None]
    start_at: Mapped[datetime | None]
    end_at: Mapped[datetime | None]
    jitter_seconds: Mapped[int]
    is_enabled: Mapped[bool]
    paused_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    pause_reason: Mapped[str | None] = mapped_column(String(500))
    catchup: Mapped[str] = mapped_column(String(10))
    catchup_window_seconds: Mapped[int]
    overlap: Mapped[str] = mapped_column(String(10))
    max_run_seconds: Mapped[int]
    expires_seconds: Mapped[int | None]
    origin: Mapped[str] = mapped_column(String(10))
    next_slot_at: Mapped[datetime | None]
    next_due_at: Mapped[datetime | None] = mapped_column(index=True)
    is_planned: Mapped[bool]
    plan_number: Mapped[int]
    error: Mapped[str | None] = mapped_column(String(500))
    alarm: Mapped[str | None] = mapped_column(String(500))
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str | None] = mapped_column(String(200))


TIMING_COLUMNS = (
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
"""Columns after whose change a schedule is planned anew."""

audit.register(
    Schedule.__table__,
    label="name",
    # Beat's plan and what it finds out.
    ignore={"next_slot_at", "next_due_at", "is_planned", "plan_number", "error", "alarm"},
)

Index(
    "ix_schedules_unplanned",
    Schedule.is_planned,
    postgresql_where=text("NOT is_planned"),
    sqlite_where=text("is_planned = 0"),
)


class Reason(StrEnum):
    """Why there is a run: its slot came, it had come while nobody looked, or somebody pressed."""

    SLOT = "slot"
    CATCHUP = "catchup"
    MANUAL = "manual"


class RunState(StrEnum):
    """Where a run stands.

    `claimed` (written, not yet published), `sent`, `running`, `done`, `failed`; `skipped` and
    `missed` were never sent, and the note says why.
    """

    CLAIMED = "claimed"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSED = "missed"


class ScheduleRun(Base):
    """One slot of one schedule: dispatched at most once, whoever leads. Its id is the task's.

    Runs outlive their schedule, so that what ran can be read after it was deleted.
    """

    __tablename__ = "schedule_runs"
    __table_args__ = (UniqueConstraint("schedule_id", "slot_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    schedule_id: Mapped[UUID]
    slot_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    claimed_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    actor: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(500))


Index("ix_schedule_runs_state", ScheduleRun.state, ScheduleRun.claimed_at)


class ScheduleChange(Base):
    """Who changed a schedule, when, from what to what. Rows are appended, never changed."""

    __tablename__ = "schedule_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    schedule_id: Mapped[UUID] = mapped_column(index=True)
    schedule_name: Mapped[str | None] = mapped_column(String(100), index=True)
    changed_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    comment: Mapped[str | None] = mapped_column(String(500))
    before: Mapped[dict[str, str]] = mapped_column(JSON)
    after: Mapped[dict[str, str]] = mapped_column(JSON)
