"""The page Retention: what is kept for how long, what is due, and what was taken away."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app, request
from flask_admin import BaseView, expose
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row

from admin import cells
from admin.access import Role
from admin.page import Page
from core.db import database, reading
from core.retention import kinds, queries
from core.retention.kinds import Kind, Limits, Survey
from core.retention.names import ERASURE

MOST_RUNS = 20

WHAT: dict[str, LazyString] = {
    "documents": _l("Documents of invoices"),
    "callback-bodies": _l("Headers and bodies of callbacks"),
    "mails": _l("Mails that came"),
    "events": _l("Status events and their pushes"),
    "attempts": _l("Attempts to hand over and to push"),
    "audit": _l("Audit"),
    ERASURE: _l("A person was erased"),
}


def rule_of(connection: Connection, kind: str, removed_at: datetime | None) -> str | None:
    """Say by which rule something was removed; None when it was not, or nobody knows."""
    run = removed_at and queries.run_of(connection, kind, removed_at)
    if not run:
        return None
    if run.kind == ERASURE:
        return _("Rule: a person was erased.")
    return _(
        "Rule: %(what)s that came before %(date)s. Asked for: %(by)s.",
        what=WHAT[run.kind],
        date=cells.day(run.before_at),
        by=cells.asker(run.asked_by),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One kind: for how many days it is kept, what is due, and its last run."""

    kind: Kind
    days: int | None
    due: Survey | None
    last: Row[Any] | None


class Retention(Page, BaseView):
    """Each kind with its setting; what is due is counted when somebody asks."""

    see_role = Role.APPROVER

    @expose("/")
    def index(self) -> str:
        """Show the kinds and the last runs."""
        is_counted = request.args.get("count") == "yes"
        settings = current_app.extensions["kuvert_settings"]
        # Counting may take longer than a statement of a page otherwise may.
        with database().snapshot() if is_counted else reading() as connection:
            runs = queries.newest(connection, MOST_RUNS)
            last = queries.last_runs(connection)
            lines = []
            for kind in kinds.registered():
                days = kind.days(settings)
                is_due = days is not None and is_counted
                due = kind.survey(connection, Limits.of(days)) if is_due and days else None
                lines.append(Line(kind, days, due, last.get(kind.name)))
        return self.render(
            "kuvert/admin/retention.html",
            lines=lines,
            runs=runs,
            what=WHAT,
            is_counted=is_counted,
        )
