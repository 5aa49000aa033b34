"""The table of legal holds."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base


class LegalHold(Base):
    """What must be kept whatever its age, until somebody lifts it.

    Either one invoice, or all that go or went to `address` (in small letters) or whose buyer has
    it. While `lifted_at` is NULL neither retention nor erasure touches them.
    """

    __tablename__ = "legal_holds"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID | None] = mapped_column(Uuid(), ForeignKey("invoices.id"), index=True)
    address: Mapped[str | None] = mapped_column(String(320), index=True)
    reason: Mapped[str] = mapped_column(String(500))
    placed_at: Mapped[datetime]
    placed_by: Mapped[str] = mapped_column(String(200))
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(200))
    lift_reason: Mapped[str | None] = mapped_column(String(500))


audit.register(LegalHold.__table__, label=("invoice_id", "address"))
