"""The table of reports that were mailed, or are to be."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from core.models import Base


class MailState(StrEnum):
    """What became of a report's mail.

    `waiting`: to be sent when it is due, or tried again. `sending`: a process has it. `sent`: the
    mail server took it. `unclear`: it may have been sent, nobody can know, and it is not sent
    again by itself. `failed`: it was not sent and is not tried again.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    UNCLEAR = "unclear"
    FAILED = "failed"


class ReportMail(Base):
    """The mail of one week's report to some recipients.

    `once` names what may be asked for once: the mail of a week by the timer, each one by people.
    `due_at` is the next moment somebody must look at the row (NULL: never again); while it is
    `sending`, the end of the lease whose token is `lease_token`.
    """

    __tablename__ = "report_mails"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    week: Mapped[str] = mapped_column(String(8), index=True)
    once: Mapped[str] = mapped_column(String(60), unique=True)
    recipients: Mapped[list[str]]
    state: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str | None] = mapped_column(String(1000))
    asked_by: Mapped[str] = mapped_column(String(200))
    attempt_count: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    lease_token: Mapped[UUID | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
