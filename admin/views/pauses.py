"""Pauses of dispatch: times in which nothing went out, and letting it go out again."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row
from wtforms.validators import DataRequired

from admin import cells
from admin.access import Role
from admin.acts import Act, ActForm
from admin.forms import AdminForm, TextField
from admin.reports import Related
from admin.view import DeskView
from core import pauses
from core.pause_models import DispatchPause
from core.web import settings
from invoices.services import resuming

MOST_IN_FLIGHT = 200

FATES = {
    resuming.Fate.SENT: _l("sent"),
    resuming.Fate.UNDER_WAY: _l("is under way and ends by itself"),
    resuming.Fate.SAME_KEY: _l("sent again with the same key: what has arrived is not taken twice"),
    resuming.Fate.UNKNOWN: _l("becomes unknown: it may have been sent since the backup"),
    resuming.Fate.SETTLED: _l("is decided as that of a lost worker"),
    resuming.Fate.PERSON: _l("stays unknown: a person decides"),
    resuming.Fate.SAME_ID: _l("told again with the same event id"),
    resuming.Fate.STOPPED: _l("is stopped: ask for it again if it was not done since the backup"),
    resuming.Fate.UNCLEAR: _l("becomes unclear: it may have been sent since the backup"),
}


class PauseForm(AdminForm):
    """Why nothing may go out."""

    reason = TextField(
        _l("Reason"),
        pauses.REASON_LENGTH,
        DataRequired(_l("say why")),
        description=_l("every page says so until dispatch is resumed"),
    )


class ResumeForm(ActForm):
    """Why it may go out again."""

    reason = TextField(_l("Reason"), pauses.REASON_LENGTH, DataRequired(_l("say why")))


def _resume(connection: Connection, key: UUID, form: Any) -> Callable[[], object]:  # noqa: ARG001
    """Resume once the act's own transaction has ended: many deliveries take several."""
    reason = form.reason.data
    pauses.check_resumable(connection, reason)
    return lambda: resuming.resume(reason, settings())


RESUME = Act(
    name="resume",
    label=_l("Resume dispatch"),
    question=_l(
        "What is due goes out. After a restore, what may have been sent since the backup becomes"
        " unknown first, where the provider honours no key."
    ),
    role=Role.ADMIN,
    run=_resume,
    form=ResumeForm,
    fits=lambda row: row.resumed_at is None,
    is_dangerous=True,
    is_for_many=False,
)


def _resumed(view: object, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    """Say since when dispatch goes on, or that it does not."""
    return cells.moment(row.resumed_at) if row.resumed_at else cells.badge_of("paused")


class DispatchPauses(DeskView):
    """Every pause, and what waits while one lasts."""

    model = DispatchPause
    title_column = "reason"
    columns = ("reason", "paused_at", "paused_by", "restored_from", "resumed_at", "resumed_by")
    details = (
        "reason",
        "paused_at",
        "paused_by",
        "restored_from",
        "resumed_at",
        "resumed_by",
        "resume_reason",
        "id",
    )
    formats = {"reason": cells.excerpt, "resumed_at": _resumed}
    form = PauseForm
    create_role = Role.ADMIN
    create_words = _l("Pause dispatch")
    save_words = _l("Pause")
    acts = (RESUME,)
    intro = _l(
        "While dispatch is paused no invoice, no push and no report goes out, and the mailbox is"
        " not read. What comes in is taken in. After a restore this lasts until it is resumed."
    )
    empty = _l("Dispatch was never paused.")

    def create(self, connection: Connection, form: Any) -> UUID:
        """Pause dispatch."""
        return pauses.pause(connection, form.reason.data)

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Show what resuming would do, and what was in flight."""
        if row.resumed_at is not None:
            return {}
        return {"related": [_work(connection), self._in_flight(connection)]}

    def _in_flight(self, connection: Connection) -> Related:
        found = resuming.in_flight(connection, MOST_IN_FLIGHT)
        return Related(
            title=_l("In flight, or perhaps sent since the backup"),
            heads=(_l("Invoice"), _l("Provider"), _l("Recipient"), _l("State")),
            rows=[
                (
                    cells.link(self.get_url("delivery.details_view", id=one.id), one.number),
                    one.provider,
                    one.recipient or "",
                    cells.badge_of(one.state),
                )
                for one in found
            ],
            empty=_("Nothing."),
        )


def _work(connection: Connection) -> Related:
    return Related(
        title=_l("What resuming does"),
        heads=(_l("What"), _l("Provider"), _l("State"), _l("How many"), _l("Then")),
        rows=[
            (
                line.kind,
                line.provider or "",
                cells.badge_of(line.state),
                f"{line.count:,}",
                FATES[line.fate],
            )
            for line in resuming.foresee(connection)
        ],
        empty=_("Nothing waits."),
    )
