"""Tables of what providers say back."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core import audit
from core.models import Base
from core.types import LongBytes


class CallbackKind(StrEnum):
    """How a callback reached us."""

    WEBHOOK = "webhook"
    DSN = "dsn"


class CallbackState(StrEnum):
    """What has become of a callback.

    `received` and `orphan` (no delivery found yet) stay due and are looked at again; `unmapped`
    (a status word that nobody has mapped) is looked at again when a mapping is added. `unmatched`
    is a mail that does not prove which delivery it speaks of.
    """

    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"
    ORPHAN = "orphan"
    UNMAPPED = "unmapped"
    UNPARSABLE = "unparsable"
    CONFLICT = "conflict"
    UNMATCHED = "unmatched"


class Callback(Base):
    """One message of a provider, or a mail, stored raw before anything else happens.

    `dedupe_key` is the provider's event id where it has one, else the SHA-256 of the body. A mail
    has no provider; it is known by `mail_key`, the hash of its Message-ID and content, and its
    `dedupe_key` is the Message-ID, for people to search.
    `conflict_sha256`: another body came later under the same key; staff should look. Of a mail
    about a delivery of ours `likeness` finds its like (MailRule), and `is_hard` tells of a bounce
    whether the address is no good; None for what is no bounce. `purged_at`: retention has emptied
    `headers` and `body` then; what it is known by stays, so that a repeat is still one.
    """

    __tablename__ = "callbacks"
    __table_args__ = (UniqueConstraint("provider_id", "dedupe_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID | None] = mapped_column(Uuid(), ForeignKey("providers.id"))
    kind: Mapped[str] = mapped_column(String(10))
    headers: Mapped[dict[str, str]]
    body: Mapped[bytes] = mapped_column(LongBytes)
    body_sha256: Mapped[str] = mapped_column(String(64))
    dedupe_key: Mapped[str] = mapped_column(String(255))
    mail_key: Mapped[str | None] = mapped_column(String(64))
    conflict_sha256: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(String(500))
    provider_status: Mapped[str | None] = mapped_column(String(100))
    delivery_id: Mapped[UUID | None] = mapped_column(index=True)
    likeness: Mapped[str | None] = mapped_column(String(64))
    is_hard: Mapped[bool | None]
    occurred_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    look_count: Mapped[int]
    received_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    purged_at: Mapped[datetime | None]


Index("ix_callbacks_state", Callback.state, Callback.id)
Index(
    "ix_callbacks_due",
    Callback.due_at,
    postgresql_where=Callback.due_at.is_not(None),
    sqlite_where=Callback.due_at.is_not(None),
)


Index(
    "ix_callbacks_mail_key",
    Callback.mail_key,
    unique=True,
    postgresql_where=Callback.mail_key.is_not(None),
    sqlite_where=Callback.mail_key.is_not(None),
)


Index(
    "ix_callbacks_likeness",
    Callback.likeness,
    Callback.id,
    postgresql_where=Callback.likeness.is_not(None),
    sqlite_where=Callback.likeness.is_not(None),
)


class Ruling(StrEnum):
    """What staff say that a mail is: `hard`, the address is no good; `none`, no bounce at all."""

    HARD = "hard"
    SOFT = "soft"
    NONE = "none"


class MailRule(Base):
    """What staff made of a mail, for all that are alike: the same host says the same.

    `said_by` is the domain that spoke, `dsn_status` the status (RFC 3463), empty without one,
    `template` the words without addresses, hosts, ids and numbers; `likeness` is the hash of the
    three. `callback_id` is the mail that it was made for; `hits` counts its uses.
    """

    __tablename__ = "mail_rules"
    __table_args__ = (UniqueConstraint("likeness"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    likeness: Mapped[str] = mapped_column(String(64))
    said_by: Mapped[str] = mapped_column(String(255))
    dsn_status: Mapped[str] = mapped_column(String(20))
    template: Mapped[str] = mapped_column(String(300))
    ruling: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(500))
    callback_id: Mapped[UUID | None]
    is_disabled: Mapped[bool]
    hits: Mapped[int]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default="1")
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None] = mapped_column(String(200))


audit.register(
    MailRule.__table__, label=("said_by", "dsn_status", "template"), ignore={"hits", "likeness"}
)


class MailboxProgress(Base):
    """How far a mailbox has been read: the IMAP number of the last mail that was taken in.

    The number means something under one `uid_validity` alone (RFC 3501 §2.3.1.1).
    """

    __tablename__ = "mailbox_progress"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    uid_validity: Mapped[int] = mapped_column(BigInteger)
    last_uid: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[datetime]


class StatusMapping(Base):
    """What a provider's status word means to us; `hits` counts its uses.

    `version`, `updated_at` and `updated_by` count what people changed (core.editing).
    """

    __tablename__ = "status_mappings"
    __table_args__ = (UniqueConstraint("provider_id", "provider_status"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("providers.id"))
    provider_status: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20))
    hits: Mapped[int]
    version: Mapped[int] = mapped_column(server_default="1")
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None] = mapped_column(String(200))


audit.register(StatusMapping.__table__, label=("provider_id", "provider_status"), ignore={"hits"})
