"""The table of addresses that bounced."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core.models import Base


class Suppression(Base):
    """An address of a source that bounced, and whether it is suppressed.

    It is while `suppressed_at` is set, `released_at` is not, and `expires_at` is not past.
    `soft_count` counts soft bounces since `soft_since`; `delivery_id` is the one that decided,
    `suppressed_by` who did so by hand. One without `expires_at` stays until it is released.
    """

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("source_id", "address"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("sources.id"))
    address: Mapped[str] = mapped_column(String(320))
    soft_count: Mapped[int]
    soft_since: Mapped[datetime | None]
    is_hard: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(String(500))
    delivery_id: Mapped[UUID | None]
    suppressed_at: Mapped[datetime | None]
    suppressed_by: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(200))
    release_reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
