"""The table of letters that staff have written."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base
from core.types import LongText


class LetterTemplate(Base):
    """A template of the letters of a source in a language, in place of our own.

    `source_id` NULL: of every source that has none. `scope` is the source's id as text, or
    `all`: with it a place is taken once, as NULL is unequal to itself. `html` NULL: made from
    the text. `version`, `updated_at` and `updated_by` count what people changed (core.editing).
    """

    __tablename__ = "letter_templates"
    __table_args__ = (UniqueConstraint("scope", "language"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID | None] = mapped_column(Uuid(), ForeignKey("sources.id"), index=True)
    scope: Mapped[str] = mapped_column(String(36))
    language: Mapped[str] = mapped_column(String(5))
    subject: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(LongText)
    html: Mapped[str | None] = mapped_column(LongText)
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None] = mapped_column(String(200))


audit.register(LetterTemplate.__table__, label=("language", "subject"))
