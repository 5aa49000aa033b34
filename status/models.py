"""Tables of the status history, its subscribers and what is pushed to them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base
from core.types import LongText


class Status(StrEnum):
    """What has become of an invoice.

    held → ready → sending → sent → delivered, and from sending also retry_wait (ready again when
    due, failed when attempts or deadline are used up), unknown (the outcome cannot be known) and
    undeliverable (the provider's or the recipient's own verdict). `sent` is never `delivered`.
    """

    HELD = "held"
    READY = "ready"
    SENDING = "sending"
    RETRY_WAIT = "retry_wait"
    UNKNOWN = "unknown"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """What made a status change."""

    INTAKE = "intake"
    DISPATCH = "dispatch"
    CALLBACK = "callback"
    STAFF = "staff"
    API = "api"


class StatusEvent(Base):
    """One fact about one invoice. Rows are appended; the database refuses to change them.

    `sequence` counts the events of the invoice from 1. Where `to_status` equals `from_status`
    the fact changed nothing (a late or repeated callback) and `note` says so.
    """

    __tablename__ = "status_events"
    __table_args__ = (UniqueConstraint("invoice_id", "sequence"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("invoices.id"))
    source_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("sources.id"))
    sequence: Mapped[int]
    from_status: Mapped[str | None] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(20))
    delivery_id: Mapped[UUID | None]
    actor: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(2000))
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


Index("ix_status_events_feed", StatusEvent.source_id, StatusEvent.id)


class HistoryGap(Base):
    """What retention has removed of an invoice's history, of one `kind`: events or attempts.

    `oldest_at` and `newest_at` are the times of the first and the last that were removed,
    `removed_at` when that was done last.
    """

    __tablename__ = "history_gaps"

    invoice_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("invoices.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(30), primary_key=True)
    row_count: Mapped[int]
    oldest_at: Mapped[datetime]
    newest_at: Mapped[datetime]
    removed_at: Mapped[datetime]


class SubscriptionState(StrEnum):
    """Whether a subscription is told. What happens while it is not is parked, unless deleted."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    DELETED = "deleted"


class Subscription(Base):
    """A URL of a source that wants to hear of status events.

    `secret_numbers` are the numbers of its live secrets, the newest first; the secrets themselves
    are derived from KUVERT_SECRET_KEY and stored nowhere. An empty `event_types` means all.
    `version`, `updated_at` and `updated_by` count what people changed (core.editing), and that it
    was disabled.
    """

    __tablename__ = "subscriptions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("sources.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    event_types: Mapped[list[str]]
    state: Mapped[str] = mapped_column(String(20))
    state_reason: Mapped[str | None] = mapped_column(String(500))
    secret_numbers: Mapped[list[int]]
    old_secret_until: Mapped[datetime | None]
    failures: Mapped[int]
    closed_until: Mapped[datetime | None]
    pace: Mapped[int] = mapped_column(server_default="1")
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None] = mapped_column(String(200))


audit.register(
    Subscription.__table__,
    label="url",
    ignore={"failures", "closed_until", "pace"},
)


class PushState(StrEnum):
    """Where a push stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    PARKED = "parked"


class Push(Base):
    """One event for one subscription. `payload` is the body as it was when the event happened.

    `replay` is 0 for the push that the event itself made, then counts replays.
    """

    __tablename__ = "pushes"
    __table_args__ = (UniqueConstraint("event_id", "subscription_id", "replay"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("subscriptions.id"))
    event_id: Mapped[UUID]
    replay: Mapped[int]
    event_type: Mapped[str] = mapped_column(String(40))
    payload: Mapped[str] = mapped_column(LongText)
    state: Mapped[str] = mapped_column(String(20))
    due_at: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    attempt_count: Mapped[int]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


Index("ix_pushes_state", Push.state, Push.id)
Index(
    "ix_pushes_due",
    Push.subscription_id,
    Push.due_at,
    postgresql_where=Push.due_at.is_not(None),
    sqlite_where=Push.due_at.is_not(None),
)


class PushAttempt(Base):
    """One try to post a push."""

    __tablename__ = "push_attempts"
    __table_args__ = (UniqueConstraint("push_id", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    push_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("pushes.id"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    http_status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(500))
    response: Mapped[str | None] = mapped_column(String(2000))
