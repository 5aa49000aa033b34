"""Reports: the totals of each week."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from admin import cells, filters, listing
from admin.access import Role
from admin.acts import Act, ActForm
from admin.forms import TextField
from admin.reports import Related
from admin.view import DeskView
from core.errors import InputError
from core.web import settings
from invoices.models import Report, Source
from invoices.services import report_mails
from invoices.services.totals import WEEK, Week

REPORTS = Report.__table__

WEEKS_SHOWN = 12
MAILS_SHOWN = 20


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


class MailForm(ActForm):
    """To whom a report goes."""

    to = TextField(
        _l("To"),
        2000,
        description=_l("addresses parted by commas; empty: to whom KUVERT_REPORT_TO names"),
    )


def _mail(connection: Connection, key: UUID, form: Any) -> object:
    """Have the report of a row's week mailed; the dialog has told who has it already."""
    week = _week_of(connection, key)
    to = report_mails.recipients_of(form.to.data or _usual_recipients())
    return report_mails.ask(connection, week, to, settings(), again=True)


def _usual_recipients() -> str:
    """Return KUVERT_REPORT_TO.

    Raises:
        InputError: it is not set.
    """
    usual = settings().report_to
    if not usual:
        raise InputError.at("/to", "missing", _("KUVERT_REPORT_TO is not set; say to whom"))
    return usual


def _foresee(connection: Connection, key: UUID) -> str:
    """Say who has the report of a row's week already."""
    mails = report_mails.newest(connection, _week_of(connection, key).name)
    if not mails:
        return _("The report of this week was not mailed yet.")
    last = mails[0]
    return _(
        "Mailed already: to %(to)s, %(state)s, asked for by %(who)s. It goes out once more.",
        to=", ".join(last.recipients),
        state=last.state,
        who=last.asked_by,
    )


def _week_of(connection: Connection, key: UUID) -> Week:
    name = connection.scalar(select(REPORTS.c.week).where(REPORTS.c.id == key))
    return Week.named(str(name), settings().timezone)


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
        "No week has been added up yet. The schedule does it each week; `manage.py report"
        " totals` does it now."
    )
    acts = (
        Act(
            name="mail",
            label=_l("Mail the week"),
            question=_l("The report of the whole week is mailed, as text, HTML and CSV."),
            role=Role.APPROVER,
            run=_mail,
            form=MailForm,
            is_for_many=False,
            foresee=_foresee,
        ),
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

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Return when the week began and ended, and to whom its report was mailed."""
        week = Week.named(row.week, settings().timezone)
        mails = report_mails.newest(connection, row.week, MAILS_SHOWN)
        related = Related(
            title=_l("Mailed"),
            heads=(_l("Asked for"), _l("By"), _l("To"), _l("State"), _l("What came of it")),
            rows=[self._mail_cells(one) for one in mails],
            empty=_l("The report of this week was not mailed."),
        )
        last_moment = week.end - timedelta(seconds=1)
        return {"week": week, "last_moment": last_moment, "related": [related]}

    def _mail_cells(self, mail: Row[Any]) -> tuple[Any, ...]:
        url = self.get_url("report_mail.details_view", id=mail.id)
        asked = cells.link(url, cells.full_moment(mail.created_at))
        to, state = ", ".join(mail.recipients), cells.badge_of(mail.state)
        return asked, mail.asked_by, to, state, cells.plain(mail.detail)


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
