"""Mails of reports: to whom each went, who asked for it, and what became of it."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row

from admin import cells, filters
from admin.access import Role
from admin.acts import Act, ActForm
from admin.view import DeskView
from admin.views.reports import InWeek
from invoices.report_models import MailState, ReportMail
from invoices.services import report_mails


def _hurry(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    report_mails.hurry(connection, key)


class ReportMails(DeskView):
    """What was mailed of the weekly reports, and what waits."""

    model = ReportMail
    title_column = "week"
    columns = ("created_at", "week", "recipients", "state", "detail", "asked_by", "finished_at")
    details = (
        *("week", "recipients", "state", "detail", "asked_by", "attempt_count"),
        *("created_at", "due_at", "finished_at", "id"),
    )
    hidden = frozenset({"once", "lease_token"})
    formats = {
        "state": cells.badge,
        "detail": cells.excerpt,
        "asked_by": cells.asked_by,
        "week": cells.week,
    }
    narrowed_by = (
        InWeek("week", _l("Week")),
        filters.OneOf("state", _l("State"), MailState),
    )
    acts = (
        Act(
            name="hurry",
            label=_l("Try now"),
            question=_l("It waits for its next try; the mail server is asked again now."),
            role=Role.OPERATOR,
            run=_hurry,
            fits=lambda row: row.state == MailState.WAITING,
        ),
    )
    intro = _l(
        "The report of a week is mailed once by itself, to KUVERT_REPORT_TO. One that is unclear"
        " may have arrived: it is sent again only by somebody, on the page of a report."
    )
    empty = _l("No report was mailed yet.")

    def called(self, row: Row[Any]) -> str:
        """Return how a mail is called in sentences."""
        return _("%(week)s to %(to)s", week=row.week, to=", ".join(row.recipients))

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Show its state, and say what an unclear one means."""
        notes = []
        if row.state == MailState.UNCLEAR:
            notes.append(("warning", _("It may have arrived: ask those who should have it.")))
        return {"badge": cells.badge_of(row.state), "notes": notes}
