"""The table of the audit."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.models import Base


class Operation(StrEnum):
    """What was done to the row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class AuditEntry(Base):
    """One change of one row. Entries are appended; the database refuses to change them.

    `kind` is the row's table, `row_id` its id as text (several columns are joined by a slash),
    `label` what people call it. `before` and `after` hold the watched columns that changed, as
    plain values; of a secret they hold only that it changed. Ids ascend with time, so a time is
    searched by id.
    """

    __tablename__ = "audit_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(500))
    request_id: Mapped[str | None] = mapped_column(String(100))
    operation: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(60))
    row_id: Mapped[str] = mapped_column(String(200))
    label: Mapped[str | None] = mapped_column(String(200))
    before: Mapped[dict[str, object]] = mapped_column(JSON)
    after: Mapped[dict[str, object]] = mapped_column(JSON)


Index("ix_audit_entries_actor", AuditEntry.actor, AuditEntry.id)
Index("ix_audit_entries_row", AuditEntry.kind, AuditEntry.row_id, AuditEntry.id)
Index("ix_audit_entries_kind", AuditEntry.kind, AuditEntry.id)
