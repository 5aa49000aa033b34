"""The weekly report by mail: who asks for it, and what became of it.

A mail is a row before it leaves, so that nothing is sent twice by itself: the timer asks once for
each week, whoever sends has claimed the row, and one whose sender was lost is `unclear`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import getaddresses
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, select, update

from core import actor, mailer, pauses, retries
from core.bell import ring_after_commit
from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, InputError, UnavailableError
from core.ids import new_id
from core.queues import TaskName
from core.setting_values import addresses
from core.settings import Settings
from core.smtp import Answer, Verdict
from invoices.report_models import MailState, ReportMail
from invoices.services.totals import Week

MAILS = ReportMail.__table__

LEASE = timedelta(minutes=15)
"""How long a sender has; longer than the mail server is waited for."""

PLAN = tuple(
    timedelta(minutes=minutes)
    for minutes in (5, 15, 30, 60, 2 * 60, 4 * 60, 8 * 60, 12 * 60, 24 * 60, 24 * 60)
)
"""Waits between tries; after the last one the mail has failed."""

MOST_RECIPIENTS = 50
DETAIL_LENGTH = 1000
FIRST_YEAR = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A mail that this process is to send, and nobody else."""

    id: UUID
    token: UUID
    week: str
    recipients: Sequence[str]
    attempt_count: int


def recipients_of(text: str) -> list[str]:
    """Read mail addresses that are parted by commas; names before them are left out.

    Raises:
        InputError: one of them is none, or there are too many.
    """
    try:
        found = addresses(MOST_RECIPIENTS)(text.strip())
    except ValueError as error:
        raise InputError.at("/to", "format", str(error)) from error
    return [address for _, address in getaddresses([found])]


def ask_once(connection: Connection, week: Week, settings: Settings) -> str:
    """Have the report of `week` mailed, if it was not yet; say what keeps it from it, or nothing.

    Whatever is asked for is due at once. A week is asked for once, whatever became of it, and not
    when somebody has had it mailed to the same people before.
    """
    missing = _missing(settings)
    if missing:
        return f"not mailed: {missing} is not set"
    to = recipients_of(settings.report_to or "")
    # Who asks by hand rings the same task, which would mail the week a second time.
    if not _has_been_asked(connection, week, to):
        _add(connection, week, to, f"{week.name} timer")
    return ""


def _has_been_asked(connection: Connection, week: Week, to: Sequence[str]) -> bool:
    """Tell whether somebody has had the week mailed to the same people, and it has not failed."""
    return any(
        set(row.recipients) == set(to) and row.state != MailState.FAILED
        for row in newest(connection, week.name)
    )


def _missing(settings: Settings) -> str:
    """Return the first setting that is missing for a mail by the timer; empty: none is."""
    wanted = {
        "KUVERT_REPORT_TO": settings.report_to,
        "KUVERT_SMTP_URL": settings.smtp_url,
        "KUVERT_MAIL_FROM": settings.mail_from,
    }
    return next((name for name, value in wanted.items() if not value), "")


def ask(
    connection: Connection, week: Week, to: Sequence[str], settings: Settings, *, again: bool
) -> UUID:
    """Have the report of `week` mailed to `to` now, as somebody wishes; return the mail's id.

    One that waits for another try is tried now. With `again` it is sent to whom it was sent to.

    Raises:
        InputError: the week is not over, or long before Kuvert.
        ConflictError: it is under way, or they have it and `again` was not said.
        UnavailableError: no mail server is set.
    """
    if not mailer.is_set_up(settings):
        raise UnavailableError("No mail can be sent: set KUVERT_SMTP_URL and KUVERT_MAIL_FROM")
    if week.end > utcnow():
        why = f"{week.name} is not over yet; it can be mailed from {week.end:%Y-%m-%d} on"
        raise InputError.at("/week", "week", why)
    if week.start.year < FIRST_YEAR:
        raise InputError.at("/week", "week", f"{week.name} is too long ago")
    earlier = [row for row in newest(connection, week.name) if set(row.recipients) == set(to)]
    waiting = [row for row in earlier if row.state == MailState.WAITING]
    if waiting:
        _make_due(connection, waiting[0].id)
        return UUID(str(waiting[0].id))
    _refuse_twice(earlier, again=again)
    digest = hashlib.sha256("\n".join(sorted(to)).encode()).hexdigest()[:16]
    # Of two who ask at once, both count the same.
    made = _add(connection, week, to, f"{week.name} {digest} {len(earlier)}")
    if made is None:
        raise ConflictError("Somebody asked for the same at this moment")
    return made


def _refuse_twice(earlier: Sequence[Row[Any]], *, again: bool) -> None:
    for row in earlier:
        to = ", ".join(row.recipients)
        if row.state == MailState.SENDING:
            raise ConflictError(f"It is being sent to {to} at this moment")
        if row.state in (MailState.SENT, MailState.UNCLEAR) and not again:
            done = "was sent" if row.state == MailState.SENT else "may have been sent"
            raise ConflictError(
                f"It {done} to {to} on {row.finished_at:%Y-%m-%d %H:%M} UTC;"
                " --again sends it once more"
            )


def _add(connection: Connection, week: Week, to: Sequence[str], once: str) -> UUID | None:
    """Add a mail that is due; None when there is one that is called `once`."""
    now = utcnow()
    row = {
        "id": new_id(),
        "week": week.name,
        "once": once,
        "recipients": list(to),
        "state": str(MailState.WAITING),
        "detail": None,
        "asked_by": actor.current(),
        "attempt_count": 0,
        "due_at": now,
        "lease_token": None,
        "created_at": now,
        "finished_at": None,
    }
    added = database().insert_new(connection, MAILS, [row])
    if not added:
        return None
    ring_after_commit(TaskName.GET_TOTAL_INVOICES)
    return next(iter(added))


def hurry(connection: Connection, mail_id: UUID) -> None:
    """Try a waiting mail now.

    Raises:
        ConflictError: it does not wait any more.
    """
    if not _make_due(connection, mail_id):
        raise ConflictError("It does not wait any more")


def _make_due(connection: Connection, mail_id: UUID) -> bool:
    waits = and_(MAILS.c.id == mail_id, MAILS.c.state == MailState.WAITING)
    done = connection.execute(update(MAILS).where(waits).values(due_at=utcnow()))
    ring_after_commit(TaskName.GET_TOTAL_INVOICES)
    return done.rowcount == 1


def newest(connection: Connection, week: str | None, limit: int | None = None) -> list[Row[Any]]:
    """Return the mails of a week's report, or of all, the newest first."""
    statement = select(MAILS).order_by(MAILS.c.id.desc()).limit(limit)
    if week is not None:
        statement = statement.where(MAILS.c.week == week)
    return list(connection.execute(statement))


def find(connection: Connection, mail_id: UUID) -> Row[Any]:
    """Return a mail that is there."""
    return connection.execute(select(MAILS).where(MAILS.c.id == mail_id)).one()


def has_due(connection: Connection, now: datetime) -> bool:
    """Tell whether a mail is to be sent, or its sender was lost; one indexed row."""
    found = select(MAILS.c.id).where(MAILS.c.due_at <= now).limit(1)
    return connection.execute(found).first() is not None


def claim(connection: Connection, mail_id: UUID | None = None) -> Claimed | None:
    """Take a due mail to send it, this one or any; None when there is none, or none may go out."""
    if pauses.is_paused(connection):
        return None
    now, token = utcnow(), new_id()
    _settle_lost(connection, now)
    where = and_(MAILS.c.due_at <= now, MAILS.c.state == MailState.WAITING)
    if mail_id is not None:
        where = and_(where, MAILS.c.id == mail_id)
    values = {
        "state": str(MailState.SENDING),
        "lease_token": token,
        "due_at": now + LEASE,
        "attempt_count": MAILS.c.attempt_count + 1,
    }
    order = MAILS.c.due_at
    taken = database().claim(
        connection, MAILS, where=where, values=values, order_by=order, limit=1, skip_locked=True
    )
    if not taken:
        return None
    row = find(connection, taken[0])
    return Claimed(
        id=row.id,
        token=token,
        week=row.week,
        recipients=row.recipients,
        attempt_count=row.attempt_count,
    )


def _settle_lost(connection: Connection, now: datetime) -> None:
    """Leave mails whose sender was lost for people: they may have been sent."""
    lost = and_(MAILS.c.state == MailState.SENDING, MAILS.c.due_at <= now)
    values = {
        "state": str(MailState.UNCLEAR),
        "detail": "the process that sent it was lost; it may have arrived",
        "due_at": None,
        "finished_at": now,
    }
    connection.execute(update(MAILS).where(lost).values(values))


def doubt(connection: Connection, until: datetime, settings: Settings) -> None:
    """Leave to people what may have been mailed before `until`, when the database was restored.

    The report of the last full week too, if the timer may have sent it since the backup.
    """
    now = utcnow()
    values = {
        "state": str(MailState.UNCLEAR),
        "detail": "the database was restored; it may have been sent since the backup",
        "due_at": None,
        "finished_at": now,
    }
    waiting = and_(MAILS.c.state == MailState.WAITING, MAILS.c.created_at <= until)
    connection.execute(update(MAILS).where(waiting).values(values))
    week = Week.before(now, settings.timezone)
    if week.end > until or _missing(settings):
        return
    made = _add(connection, week, recipients_of(settings.report_to or ""), f"{week.name} timer")
    if made is not None:
        connection.execute(update(MAILS).where(MAILS.c.id == made).values(values))


def record(connection: Connection, mail: Claimed, answer: Answer) -> None:
    """Write down how the sending of a mail ended; what may pass later is tried again."""
    now = utcnow()
    state = _STATES.get(answer.verdict, MailState.WAITING)
    wait = retries.step(PLAN, mail.attempt_count)
    if state == MailState.WAITING and wait is None:
        state = MailState.FAILED
    is_waiting = state == MailState.WAITING
    values = {
        "state": str(state),
        "detail": _words(answer)[:DETAIL_LENGTH],
        "due_at": now + wait if is_waiting and wait else None,
        "finished_at": None if is_waiting else now,
    }
    # By the token alone: one that was thought lost meanwhile is not, if its sender says so.
    mine = and_(MAILS.c.id == mail.id, MAILS.c.lease_token == mail.token)
    connection.execute(update(MAILS).where(mine).values(values))


_STATES = {
    Verdict.ACCEPTED: MailState.SENT,
    Verdict.REFUSED: MailState.FAILED,
    Verdict.UNKNOWN: MailState.UNCLEAR,
}


def _words(answer: Answer) -> str:
    if not answer.refused:
        return answer.words
    refused = "; ".join(str(one) for one in answer.refused)
    return f"{answer.words}; not taken for {refused}"
