"""Tables of invoices, their documents, and how they are delivered.

Where a table has `version`, `updated_at` and `updated_by`, they count what people changed in a
row (core.editing); NULL: nobody has since it was added.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, SmallInteger, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base
from core.types import LongBytes, LongText


class Environment(StrEnum):
    """Whether a key's invoices go to real recipients."""

    LIVE = "live"
    TEST = "test"


class Source(Base):
    """A billing system that hands invoices over.

    `language` is that of its letters (invoices.letters); NULL: the usual one.
    """

    __tablename__ = "sources"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    environment: Mapped[str] = mapped_column(String(10))
    provider_id: Mapped[UUID | None] = mapped_column(Uuid(), ForeignKey("providers.id"))
    language: Mapped[str | None] = mapped_column(String(5))
    is_disabled: Mapped[bool]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None] = mapped_column(String(200))


audit.register(Source.__table__, label="name")


class ApiKey(Base):
    """A key of a source: its prefix in clear, its secret only as SHA-256 of 32 random bytes.

    Empty `scopes` allow everything a source may do.
    """

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("sources.id"), index=True)
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    secret_sha256: Mapped[str] = mapped_column(String(64))
    environment: Mapped[str] = mapped_column(String(10))
    scopes: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None] = mapped_column(String(200))


audit.register(ApiKey.__table__, label="prefix", ignore={"last_used_at"})


class IdempotencyRecord(Base):
    """The first answer to a request that carried an Idempotency-Key; kept for 30 days."""

    __tablename__ = "idempotency_records"
    __table_args__ = (UniqueConstraint("source_id", "operation", "key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("sources.id"))
    operation: Mapped[str] = mapped_column(String(100))
    key: Mapped[str] = mapped_column(String(255))
    body_sha256: Mapped[str] = mapped_column(String(64))
    status_code: Mapped[int] = mapped_column(SmallInteger)
    answer: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[datetime] = mapped_column(index=True)


class ProviderState(StrEnum):
    """Whether a provider is given work. `draining`: what is under way finishes, no new work."""

    ACTIVE = "active"
    PAUSED = "paused"
    DRAINING = "draining"


class ChannelName(StrEnum):
    """How a provider is reached."""

    HTTP = "http"
    SMTP = "smtp"
    SANDBOX = "sandbox"


class Provider(Base):
    """Somebody who delivers for us.

    `auth_ref` and `callback_secret_refs` are references (`env:NAME`, `file:PATH`), never values.
    `is_idempotent`: it honours our dispatch key, so that the same hand-over may be repeated.
    `closed_until`: the breaker is open until then; `failures` counts calls in a row that failed;
    `pace`: batches that may be under way to it at once (core.pace); `rated_until`: so far its
    setting `most_per_minute` is used up (invoices.rating).
    """

    __tablename__ = "providers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(60), unique=True)
    channel: Mapped[str] = mapped_column(String(20))
    url: Mapped[str | None] = mapped_column(String(2000))
    is_idempotent: Mapped[bool]
    auth_ref: Mapped[str | None] = mapped_column(String(500))
    callback_profile: Mapped[str] = mapped_column(String(40))
    callback_secret_refs: Mapped[list[str]]
    settings: Mapped[dict[str, str]]
    concurrency: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    state_reason: Mapped[str | None] = mapped_column(String(500))
    alarm: Mapped[str | None] = mapped_column(String(500))
    failures: Mapped[int]
    closed_until: Mapped[datetime | None]
    pace: Mapped[int] = mapped_column(server_default="1")
    rated_until: Mapped[datetime | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None] = mapped_column(String(200))


audit.register(
    Provider.__table__,
    label="code",
    # The breaker's and the pace's own columns change with every trouble of a provider.
    ignore={"alarm", "failures", "closed_until", "pace", "rated_until"},
)


class Invoice(Base):
    """One invoice as a billing system handed it over; the document is the truth, this its index.

    Field names are those of EN 16931: `number` BT-1, `issue_date` BT-2, `type_code` BT-3
    (UNTDID 1001), `currency` BT-5 (ISO 4217), `due_date` BT-9, `buyer_reference` BT-10,
    `seller_name` BT-27, `buyer_name` BT-44, `tax_amount` BT-110, `payable_amount` BT-115 (may be
    negative). `seller_key` is the seller's name without case and spacing: with number, type and
    issue year it tells invoices apart. `version` grows with each change of the row. `erased_at`:
    since then pseudonyms stand in place of the buyer.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint(
            "source_id",
            "seller_key",
            "number",
            "type_code",
            "issue_year",
            name="uq_invoices_number",
        ),
        UniqueConstraint("source_id", "external_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("sources.id"))
    number: Mapped[str] = mapped_column(String(64))
    issue_date: Mapped[date]
    issue_year: Mapped[int] = mapped_column(SmallInteger)
    type_code: Mapped[str] = mapped_column(String(3))
    currency: Mapped[str] = mapped_column(String(3))
    due_date: Mapped[date | None]
    buyer_reference: Mapped[str | None] = mapped_column(String(200))
    seller_key: Mapped[str] = mapped_column(String(300))
    seller_name: Mapped[str] = mapped_column(String(300))
    seller_id: Mapped[str | None] = mapped_column(String(120))
    seller_email: Mapped[str | None] = mapped_column(String(320))
    buyer_name: Mapped[str] = mapped_column(String(300))
    buyer_id: Mapped[str | None] = mapped_column(String(120))
    buyer_email: Mapped[str | None] = mapped_column(String(320))
    buyer_address: Mapped[str | None] = mapped_column(String(1000))
    payable_amount: Mapped[Decimal]
    tax_amount: Mapped[Decimal | None]
    line_count: Mapped[int]
    syntax: Mapped[str] = mapped_column(String(10))
    customization_id: Mapped[str | None] = mapped_column(String(300))
    external_id: Mapped[str | None] = mapped_column(String(120))
    labels: Mapped[dict[str, str]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(20))
    status_sequence: Mapped[int]
    current_delivery_id: Mapped[UUID | None]
    erased_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


Index("ix_invoices_newest", Invoice.source_id, Invoice.id)
Index("ix_invoices_number_search", Invoice.source_id, Invoice.number)
Index("ix_invoices_status", Invoice.status, Invoice.id)
Index("ix_invoices_number", Invoice.number, Invoice.id)
Index("ix_invoices_due_date", Invoice.due_date, Invoice.id)


class Document(Base):
    """The bytes of an invoice as they came, or as we made them (`role` pdf).

    `search_text` of an original is what its invoice is found by (invoices.searching). `purged_at`:
    retention has emptied `body` then; `size` and `sha256` stay those of what was there.
    """

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("invoice_id", "role"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("invoices.id"))
    role: Mapped[str] = mapped_column(String(20))
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(LongBytes)
    search_text: Mapped[str | None] = mapped_column(String(1000))
    purged_at: Mapped[datetime | None]


class Origin(StrEnum):
    """Why there is a delivery."""

    FIRST = "first"
    RESEND = "resend"
    FALLBACK = "fallback"


class Delivery(Base):
    """The intent to hand one document to one address through one provider.

    Its id is the dispatch key: the same over all attempts. `due_at` is the next moment somebody
    must look at the row (NULL: never again); a claim moves it ahead and writes `lease_token`,
    which whoever records an outcome must still find there. `state` is a `Status`. `send_at`: not
    before then, as it was asked for.
    """

    __tablename__ = "deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("invoices.id"), index=True)
    document_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("documents.id"))
    provider_id: Mapped[UUID | None] = mapped_column(Uuid(), ForeignKey("providers.id"))
    recipient: Mapped[str | None] = mapped_column(String(320))
    origin: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(20))
    due_at: Mapped[datetime | None]
    send_at: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    attempt_count: Mapped[int]
    provider_reference: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]


Index("ix_deliveries_state", Delivery.state, Delivery.id)
Index(
    "ix_deliveries_due",
    Delivery.provider_id,
    Delivery.due_at,
    postgresql_where=Delivery.due_at.is_not(None),
    sqlite_where=Delivery.due_at.is_not(None),
)
Index(
    "ix_deliveries_reference",
    Delivery.provider_id,
    Delivery.provider_reference,
    postgresql_where=Delivery.provider_reference.is_not(None),
    sqlite_where=Delivery.provider_reference.is_not(None),
)


class Outcome(StrEnum):
    """How an attempt ended. `handed_back`: its worker was told to stop before a byte left."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    TEMPORARY = "temporary"
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"
    LOST = "lost"
    HANDED_BACK = "handed_back"


class Attempt(Base):
    """One try of a delivery. The row is committed before any byte leaves.

    `http_status` and `response` (an excerpt) are the provider's words; `outcome` NULL: under way.
    `may_have_arrived`: no answer says what became of the request.
    """

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("delivery_id", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("deliveries.id"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))
    may_have_arrived: Mapped[bool]
    http_status: Mapped[int | None]
    provider_reference: Mapped[str | None] = mapped_column(String(200))
    response: Mapped[str | None] = mapped_column(String(2000))
    worker: Mapped[str] = mapped_column(String(200))


class Report(Base):
    """Weekly totals, one row per week, source, currency and status.

    `week` is the ISO week of acceptance in KUVERT_TIMEZONE, such as `2026-W47`.
    """

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("week", "source_id", "currency", "status"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    week: Mapped[str] = mapped_column(String(8))
    source_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("sources.id"))
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(20))
    invoice_count: Mapped[int]
    payable_amount: Mapped[Decimal]
    tax_amount: Mapped[Decimal]
    computed_at: Mapped[datetime]


class BulkState(StrEnum):
    """Where a bulk act stands. `stopped`: somebody ended it; what was done stays done."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class BulkAct(Base):
    """One verb for many invoices, asked for once: `nonce` is that of the form.

    `options` are those of the verb (`provider`, `to`). `due_at` is when a worker goes on with it.
    """

    __tablename__ = "bulk_acts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(String(64), unique=True)
    verb: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(500))
    actor: Mapped[str] = mapped_column(String(200))
    is_confirmed: Mapped[bool]
    options: Mapped[dict[str, str]]
    state: Mapped[str] = mapped_column(String(20))
    total: Mapped[int]
    done_count: Mapped[int]
    refused_count: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    lease_token: Mapped[UUID | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class BulkOutcome(StrEnum):
    """What became of one invoice of a bulk act."""

    DONE = "done"
    REFUSED = "refused"


class BulkItem(Base):
    """One invoice of a bulk act; `outcome` NULL: its turn has not come. `detail`: why refused."""

    __tablename__ = "bulk_items"

    bulk_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("bulk_acts.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    invoice_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("invoices.id"))
    outcome: Mapped[str | None] = mapped_column(String(20))
    detail: Mapped[str | None] = mapped_column(String(500))
