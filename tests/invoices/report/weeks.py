"""Weeks to report on: invoices accepted when and with what a test says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import update

from core.db import reading, unit_of_work
from invoices.report import figures
from invoices.report.figures import Figures
from invoices.services import totals
from invoices.services.totals import Week
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

WEEK = Week.named("2026-W46", UTC)
BEFORE = Week.named("2026-W45", UTC)


def accepted(
    source: SourceWithKey,
    amount: str,
    *,
    week: Week = WEEK,
    status: str = "delivered",
    currency: str = "EUR",
) -> None:
    """Store an invoice of one line without tax, as if it had come on the Wednesday of `week`."""
    line = {"description": "x", "quantity": "1", "unit_price": amount, "net_amount": amount}
    if Decimal(amount) < 0:
        line |= {"quantity": "-1", "unit_price": amount.removeprefix("-")}
    invoice_id = add_invoice(
        source, currency=currency, lines=[line], tax_amount=None, payable_amount=amount
    )
    at: datetime = week.start + timedelta(days=2)
    with unit_of_work() as connection:
        mine = desk.INVOICES.c.id == invoice_id
        changed = update(desk.INVOICES).where(mine).values(created_at=at, status=status)
        connection.execute(changed)


def kept(week: Week = WEEK) -> None:
    """Add a week up and keep it."""
    with unit_of_work() as connection:
        totals.store(connection, week)


def read(week: Week = WEEK) -> Figures:
    """Read what the report of a week says."""
    with reading() as connection:
        return figures.read(connection, week)
