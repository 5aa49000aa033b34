"""Tables of what retention has done, and of the passes that let it do so."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base


class RunState(StrEnum):
    """Where a run stands. `stopped`: it ended before all was done; what it did stays done."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class RetentionRun(Base):
    """Taking away once what is old of one kind, or erasing one person (`kind` erasure).

    What is older than `before_at` goes. The counts grow with each batch; `result` says at the end
    what was done, in words.
    """

    __tablename__ = "retention_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(30))
    before_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(20))
    row_count: Mapped[int] = mapped_column(BigInteger)
    byte_count: Mapped[int] = mapped_column(BigInteger)
    result: Mapped[str | None] = mapped_column(String(500))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


audit.register(
    RetentionRun.__table__,
    label="kind",
    ignore={"row_count", "byte_count", "started_at", "finished_at"},
)


class HistoryPass(Base):
    """Leave to change one append-only table in one transaction; gone before that ends.

    `verb` is `delete` or `update`, of rows with ids below `before_id`. `owner` is the transaction's
    mark (core.database). The triggers look for it; core.retention.passes alone writes it.
    """

    __tablename__ = "history_passes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("retention_runs.id"))
    table_name: Mapped[str] = mapped_column(String(60))
    verb: Mapped[str] = mapped_column(String(10))
    before_id: Mapped[UUID]
    owner: Mapped[str] = mapped_column(String(40))
    opened_at: Mapped[datetime]
