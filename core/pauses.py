"""Pausing all that goes out: invoices, pushes, reports by mail, bulk acts, and the mailbox.

After a restore nobody here knows what was sent since the backup, so nothing goes out until a
person says so. Whoever hands out or begins work asks here, in the transaction that claims it.
What comes in is still taken in: invoices over the API, callbacks of providers.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from core import actor
from core.clock import utcnow
from core.errors import ConflictError, InputError
from core.ids import new_id
from core.pause_models import DispatchPause

PAUSES = DispatchPause.__table__

PAUSED = "dispatch is paused"
REASON_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The pause that lasts; `restored_from` is the time of the newest backup it is about."""

    reason: str
    since: datetime
    by: str
    restored_from: datetime | None

    def __str__(self) -> str:
        """Say it in one line, and what to do."""
        return (
            f"dispatch is paused since {self.since:%Y-%m-%d %H:%M} UTC ({self.reason}): nothing is"
            " sent until somebody resumes it; see manage.py dispatch status"
        )


def is_paused(connection: Connection) -> bool:
    """Tell whether nothing may go out now; the table has a row for each pause there ever was."""
    lasting = select(PAUSES.c.id).where(PAUSES.c.resumed_at.is_(None)).limit(1)
    return connection.execute(lasting).first() is not None


def current(connection: Connection) -> Pause | None:
    """Return the pause that lasts; None: what is due goes out.

    Where several do (a backup was taken during one), the newest is told.
    """
    rows = _lasting(connection)
    if not rows:
        return None
    newest = rows[-1]
    restored = [row.restored_from for row in rows if row.restored_from is not None]
    return Pause(
        reason=newest.reason,
        since=newest.paused_at,
        by=newest.paused_by,
        restored_from=max(restored) if restored else None,
    )


def doubtful_until(connection: Connection) -> datetime | None:
    """Return when the database was restored; what is older may have been sent since its backup.

    None: nothing is in doubt. What was taken in after the restore never is.
    """
    times = [row.paused_at for row in _lasting(connection) if row.restored_from is not None]
    return max(times) if times else None


def pause(connection: Connection, reason: str, restored_from: datetime | None = None) -> UUID:
    """Let nothing go out from now on; what a worker has begun ends as it would.

    Returns the id of the pause.

    Raises:
        InputError: no reason, or one too long.
        ConflictError: it is paused by hand already.
    """
    _check(reason)
    if restored_from is None and is_paused(connection):
        raise ConflictError("Dispatch is paused already")
    key = new_id()
    row = {
        "id": key,
        "reason": reason,
        "paused_at": utcnow(),
        "paused_by": actor.current(),
        "restored_from": restored_from,
    }
    with actor.because(reason):
        connection.execute(insert(PAUSES), [row])
    return key


def resume(connection: Connection, reason: str) -> None:
    """Let go out what is due. What is in doubt has to be settled before (invoices.resuming).

    Raises:
        InputError: no reason, or one too long.
        ConflictError: it is not paused.
    """
    check_resumable(connection, reason)
    values = {"resumed_at": utcnow(), "resumed_by": actor.current(), "resume_reason": reason}
    with actor.because(reason):
        connection.execute(update(PAUSES).where(PAUSES.c.resumed_at.is_(None)).values(values))


def check_resumable(connection: Connection, reason: str) -> None:
    """Refuse what `resume` would refuse.

    Raises:
        InputError: no reason, or one too long.
        ConflictError: it is not paused.
    """
    _check(reason)
    if not is_paused(connection):
        raise ConflictError("Dispatch is not paused")


def _lasting(connection: Connection) -> list[Row[Any]]:
    statement = select(PAUSES).where(PAUSES.c.resumed_at.is_(None)).order_by(PAUSES.c.id)
    return list(connection.execute(statement))


def _check(reason: str) -> None:
    if not reason.strip() or len(reason) > REASON_LENGTH:
        raise InputError.at("/reason", "length", f"reason: 1 to {REASON_LENGTH} characters")
