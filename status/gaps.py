"""What retention has removed of histories: for each invoice and kind a line in place of a hole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, select, update

from core.clock import utcnow
from core.db import database
from status.models import HistoryGap

GAPS = HistoryGap.__table__


@dataclass(slots=True)
class _Removed:
    count: int
    oldest_at: datetime
    newest_at: datetime


def add(connection: Connection, kind: str, removed: Iterable[tuple[UUID, datetime]]) -> None:
    """Count what is removed, given as invoice and time; the invoices are locked."""
    found = _by_invoice(removed)
    if not found:
        return
    mine = (database().among(GAPS.c.invoice_id, found), GAPS.c.kind == kind)
    known = set(connection.scalars(select(GAPS.c.invoice_id).where(*mine)))
    now = utcnow()
    new = [
        {
            "invoice_id": invoice_id,
            "kind": kind,
            "row_count": one.count,
            "oldest_at": one.oldest_at,
            "newest_at": one.newest_at,
            "removed_at": now,
        }
        for invoice_id, one in found.items()
        if invoice_id not in known
    ]
    database().insert_many(connection, GAPS, new)
    if known:
        more = [
            {"its_id": one, "more": found[one].count, "newest": found[one].newest_at}
            for one in sorted(known)
        ]
        connection.execute(_count_on(kind, now), more)


def _by_invoice(removed: Iterable[tuple[UUID, datetime]]) -> dict[UUID, _Removed]:
    found: dict[UUID, _Removed] = {}
    for invoice_id, at in removed:
        one = found.setdefault(invoice_id, _Removed(0, at, at))
        one.count += 1
        one.oldest_at, one.newest_at = min(one.oldest_at, at), max(one.newest_at, at)
    return found


def _count_on(kind: str, now: datetime) -> Any:  # noqa: ANN401 - an UPDATE
    """Build the UPDATE of a gap that is there; what is removed later is younger."""
    columns = GAPS.c
    return (
        update(GAPS)
        .where(columns.invoice_id == bindparam("its_id"), columns.kind == kind)
        .values(
            row_count=columns.row_count + bindparam("more"),
            newest_at=bindparam("newest"),
            removed_at=now,
        )
    )


def of_invoice(connection: Connection, invoice_id: UUID) -> Sequence[Row[Any]]:
    """Return what was removed of an invoice's history, by kind."""
    mine = select(GAPS).where(GAPS.c.invoice_id == invoice_id)
    return connection.execute(mine.order_by(GAPS.c.kind)).all()


def in_words(gap: Row[Any]) -> str:
    """Say in one line what was removed."""
    what = NAMES[gap.kind][gap.row_count == 1]
    when = f"from {gap.oldest_at:%Y-%m-%d} to {gap.newest_at:%Y-%m-%d}"
    verb = "was" if gap.row_count == 1 else "were"
    return f"{gap.row_count} {what} {when} {verb} removed by retention on {gap.removed_at:%Y-%m-%d}"


EVENTS, ATTEMPTS, PUSH_ATTEMPTS = "events", "attempts", "push_attempts"
NAMES = {
    EVENTS: ("events", "event"),
    ATTEMPTS: ("attempts", "attempt"),
    PUSH_ATTEMPTS: ("attempts to push", "attempt to push"),
}
"""What each kind of gap is called, of several and of one."""
