"""Legal holds: what is kept whatever its age, by whom and why."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row
from wtforms.validators import DataRequired

from admin import cells
from admin.access import Role, who
from admin.acts import Act, ActForm
from admin.base import TableView
from admin.forms import AdminForm, TextField
from admin.view import DeskView
from invoices.hold_models import LegalHold
from invoices.services import holds
from invoices.services.addresses import ADDRESS_LENGTH

MAY_DECIDE = Role.APPROVER


class NewHoldForm(AdminForm):
    """An address of which all must be kept; one invoice is held on its own page."""

    address = TextField(
        _l("Mail address"),
        ADDRESS_LENGTH,
        DataRequired(),
        description=_l("of the buyer, or where invoices go; upper and lower case are the same"),
    )
    reason = TextField(_l("Reason"), holds.REASON_LENGTH, DataRequired(_l("say why")))


class WhyForm(ActForm):
    """Why something is held, or no longer."""

    reason = TextField(_l("Reason"), holds.REASON_LENGTH, DataRequired(_l("say why")))


def _lift(connection: Connection, key: UUID, form: Any) -> None:
    holds.lift(connection, key, by=who(), reason=form.reason.data)


def _hold(connection: Connection, key: UUID, form: Any) -> None:
    holds.hold_invoice(connection, key, by=who(), reason=form.reason.data)


HOLD_INVOICE = Act(
    name="legal_hold",
    label=_l("Put under legal hold"),
    question=_l("Nothing of it is removed or erased until somebody lifts the hold."),
    role=MAY_DECIDE,
    run=_hold,
    form=WhyForm,
)
LIFT = Act(
    name="lift",
    label=_l("Lift the hold"),
    question=_l("What is old enough goes with the next run of retention."),
    role=MAY_DECIDE,
    run=_lift,
    form=WhyForm,
    fits=lambda row: row.lifted_at is None,
)


def notes_on(view: TableView, connection: Connection, invoice_id: UUID) -> list[tuple[str, Any]]:
    """Return what the page of a held invoice says above all."""
    return [
        (
            "info",
            cells.link(
                view.get_url("legal_hold.details_view", id=row.id),
                _("Under legal hold: %(reason)s", reason=row.reason),
            ),
        )
        for row in holds.on_invoice(connection, invoice_id)
    ]


def _standing(view: object, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    """Say whether a hold is in force."""
    return cells.moment(row.lifted_at) if row.lifted_at else cells.badge_of("in_force")


class LegalHolds(DeskView):
    """Every hold there is or was."""

    model = LegalHold
    title_column = "reason"
    columns = ("reason", "invoice_id", "address", "placed_at", "placed_by", "lifted_at")
    searched = ("address", "reason")
    formats = {"lifted_at": _standing}
    details = (
        "invoice_id",
        "address",
        "reason",
        "placed_at",
        "placed_by",
        "lifted_at",
        "lifted_by",
        "lift_reason",
        "id",
    )
    form = NewHoldForm
    create_words = _l("Hold all of an address")
    save_words = _l("Hold")
    create_role = MAY_DECIDE
    acts = (LIFT,)
    intro = _l("What is held is neither removed by retention nor erased, whatever its age.")
    empty = _l("Nothing is under legal hold.")

    def called(self, row: Row[Any]) -> str:
        """Return how a hold is called in sentences."""
        return _("Legal hold: %(reason)s", reason=row.reason)

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Say beside its title whether it is in force."""
        return {"badge": cells.badge_of("lifted" if row.lifted_at else "in_force")}

    def create(self, connection: Connection, form: Any) -> UUID:
        """Hold all of an address."""
        return holds.hold_address(connection, form.address.data, by=who(), reason=form.reason.data)
