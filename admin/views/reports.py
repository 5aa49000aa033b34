"""Reports: the totals of each week."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from admin import cells, filters, listing
from admin.view import DeskView
from core.errors import InputError
from core.web import settings
from invoices.models import Report, Source
from invoices.services.totals import WEEK, Week

REPORTS = Report.__table__

WEEKS_SHOWN = 12


class InWeek(filters.Filter):
    """One week, such as `2026-W47`."""

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match the week."""
        if WEEK.fullmatch(given) is None:
            raise InputError(_("%(label)s: a week such as 2026-W47", label=self.label))
        return table.c.week == given


@dataclass(frozen=True, slots=True)
class Bar:
    """The amount of one week; `share` is its length in percent of the longest."""

    week: str
    amount: str
    share: str
    is_negative: bool


class Reports(DeskView):
    """Weekly totals; the task of the schedule computes them."""

    model = Report
    columns = (
        "week",
        "source_id",
        "currency",
        "status",
        "invoice_count",
        "payable_amount",
        "tax_amount",
        "computed_at",
    )
    sortable = ("week",)
    narrowed_by = (
        InWeek("week", _l("Week")),
        filters.Refers("source_id", _l("Source"), Source, "name"),
        filters.Filter("currency", _l("Currency")),
    )
    formats = {"status": cells.badge, "payable_amount": cells.money, "tax_amount": cells.money}
    empty = _l(
        "No week has been added up yet. The schedule does it each week; `manage.py task run"
        " tasks.getTotalInvoices` does it now."
    )
    list_template = "kuvert/admin/reports.html"
    details_template = "kuvert/admin/week.html"

    @property
    def intro(self) -> str:  # type: ignore[override]
        """Say what a week is here."""
        return _(
            "An invoice counts in the week it was accepted in, Monday to Sunday in the zone"
            " %(zone)s, under the status it had when the totals were computed.",
            zone=settings().timezone.key,
        )

    def called(self, row: Row[Any]) -> str:
        """Return how a total is called in sentences."""
        return f"{row.week} {row._mapping.get('currency') or ''}".strip()

    def overview(self, connection: Connection, wanted: listing.Wanted) -> dict[str, Any]:
        """Return the amounts of the last weeks as bars, by currency."""
        columns = REPORTS.c
        amount = func.sum(columns.payable_amount).label("amount")
        weeks = select(columns.week).where(*wanted.clauses).distinct()
        last = weeks.order_by(columns.week.desc()).limit(WEEKS_SHOWN).subquery()
        statement = (
            select(columns.currency, columns.week, amount)
            .where(*wanted.clauses, columns.week.in_(select(last.c.week)))
            .group_by(columns.currency, columns.week)
            .order_by(columns.currency, columns.week)
        )
        found: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
        for currency, week, total in connection.execute(statement):
            found[currency].append((week, total))
        return {"charts": {currency: _bars(currency, rows) for currency, rows in found.items()}}

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return when the week began and ended."""
        week = Week.named(row.week, settings().timezone)
        return {"week": week, "last_moment": week.end - timedelta(seconds=1)}


def _bars(currency: str, weeks: list[tuple[str, Decimal]]) -> list[Bar]:
    longest = max((abs(total) for _, total in weeks), default=Decimal(0)) or Decimal(1)
    return [
        Bar(
            week=week,
            amount=cells.amount(total, currency),
            share=f"{abs(total) / longest * 100:.1f}",
            is_negative=total < 0,
        )
        for week, total in weeks
    ]
