"""The table of pauses of everything that goes out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base


class DispatchPause(Base):
    """A time in which nothing goes out; while `resumed_at` is NULL it lasts.

    `restored_from`: the database was restored from a backup of that time, and what was sent since
    is not known here. NULL: somebody paused by hand, or has moved to another database.
    """

    __tablename__ = "dispatch_pauses"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(500))
    paused_at: Mapped[datetime]
    paused_by: Mapped[str] = mapped_column(String(200))
    restored_from: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    resumed_by: Mapped[str | None] = mapped_column(String(200))
    resume_reason: Mapped[str | None] = mapped_column(String(500))


audit.register(DispatchPause.__table__, label="reason")
