"""Which invoices are settled: nothing about them is under way, and nothing is to be kept for it.

What has an end is `SETTLED`, and was for so long that nobody is likely to come back to it. What is
under legal hold is not settled, whatever its status.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select

from core.retention.kinds import Limits
from invoices.hold_models import LegalHold
from invoices.models import Delivery, Invoice
from status.models import Status, StatusEvent

INVOICES = Invoice.__table__
# Under a name of its own: whoever asks may have deliveries in his query too.
THEIRS = Delivery.__table__.alias("theirs")
NEWEST = StatusEvent.__table__.alias("newest")
HOLDS = LegalHold.__table__

SETTLED = frozenset(
    {Status.SENT, Status.DELIVERED, Status.UNDELIVERABLE, Status.FAILED, Status.CANCELLED}
)
"""Where an invoice may stay for good. `sent` is the most that many channels ever say."""

HELD = "legal hold"
NOT_FINAL = "not final"
CHANGED_LATELY = "changed in the last 30 days"


def is_held() -> ColumnElement[bool]:
    """Return the condition that an invoice is under legal hold, itself or by its address."""
    columns = HOLDS.c
    goes_there = exists(
        select(THEIRS.c.id)
        .where(
            THEIRS.c.invoice_id == INVOICES.c.id,
            func.lower(THEIRS.c.recipient) == columns.address,
        )
        .correlate_except(THEIRS)
    )
    mine = or_(
        columns.invoice_id == INVOICES.c.id,
        columns.address == func.lower(INVOICES.c.buyer_email),
        and_(columns.address.is_not(None), goes_there),
    )
    return exists(
        select(columns.id).where(columns.lifted_at.is_(None), mine).correlate_except(HOLDS)
    )


def is_final() -> ColumnElement[bool]:
    """Return the condition that an invoice has come to an end, and nobody has anything to do."""
    is_due = exists(
        select(THEIRS.c.id)
        .where(THEIRS.c.invoice_id == INVOICES.c.id, THEIRS.c.due_at.is_not(None))
        .correlate_except(THEIRS)
    )
    return and_(INVOICES.c.status.in_([str(status) for status in SETTLED]), ~is_due)


def is_quiet(since: datetime) -> ColumnElement[bool]:
    """Return the condition that nothing has happened to an invoice since then."""
    columns = NEWEST.c
    newest = and_(
        columns.invoice_id == INVOICES.c.id, columns.sequence == INVOICES.c.status_sequence
    )
    lately = select(columns.id).where(newest, columns.recorded_at >= since)
    return ~exists(lately.correlate_except(NEWEST))


def is_settled(limits: Limits) -> ColumnElement[bool]:
    """Return the condition that what is old of an invoice may go."""
    return and_(is_final(), is_quiet(limits.quiet_since), ~is_held())


def why_kept(limits: Limits) -> ColumnElement[str | None]:
    """Return why what an invoice has must stay; NULL where it may go."""
    return case(
        (is_held(), HELD),
        (~is_final(), NOT_FINAL),
        (~is_quiet(limits.quiet_since), CHANGED_LATELY),
    )
