"""Suppressions: addresses to which nothing goes for now, and why."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, or_
from wtforms.validators import DataRequired

from admin import cells, filters
from admin.access import Role, who
from admin.acts import Act, ActForm
from admin.base import TableView
from admin.forms import AdminForm, LocalTimeField, RowField, TextField
from admin.reports import Related
from admin.view import DeskView
from callbacks import queries
from callbacks.models import CallbackKind
from invoices import suppression_queries
from invoices.models import Source
from invoices.services import suppressions
from invoices.services.addresses import ADDRESS_LENGTH
from invoices.suppression_models import Suppression

MAY_DECIDE = Role.APPROVER
MOST_MAILS = 20
MOST_HELD = 50


class Now(StrEnum):
    """How it stands with an address."""

    SUPPRESSED = "suppressed"
    RELEASED = "released"
    EXPIRED = "expired"
    COUNTED = "counted"


def now_of(row: Row[Any]) -> Now:
    """Tell how it stands with an address; `counted`: it bounced, and not often enough yet."""
    if row.suppressed_at is None:
        return Now.COUNTED
    if row.released_at is not None:
        return Now.RELEASED
    has_ended = row.expires_at is not None and row.expires_at <= cells.now()
    return Now.EXPIRED if has_ended else Now.SUPPRESSED


class _Standing(filters.OneOf):
    """Narrow by how it stands, which follows from four times."""

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match one word, or several with commas between."""
        return or_(*(_is(table, Now(word)) for word in self.asked(given)))


def _is(table: Table, standing: Now) -> ColumnElement[bool]:
    columns, now = table.c, cells.now()
    if standing is Now.COUNTED:
        return columns.suppressed_at.is_(None)
    if standing is Now.RELEASED:
        return columns.released_at.is_not(None)
    begun = and_(columns.suppressed_at.is_not(None), columns.released_at.is_(None))
    if standing is Now.EXPIRED:
        return and_(begun, columns.expires_at <= now)
    return and_(begun, or_(columns.expires_at.is_(None), columns.expires_at > now))


class NewSuppressionForm(AdminForm):
    """An address that somebody knows to be no good."""

    source_id = RowField(
        _l("Source"), Source, "name", _l("choose one"), validators=[DataRequired()]
    )
    address = TextField(
        _l("Mail address"),
        ADDRESS_LENGTH,
        DataRequired(),
        description=_l("upper and lower case are the same"),
    )
    reason = TextField(
        _l("Reason"),
        suppressions.REASON_LENGTH,
        DataRequired(_l("say why")),
        description=_l("what is held says so in its history"),
    )
    expires_at = LocalTimeField(_l("Until"), description=_l("empty: until somebody releases it"))


class ReleaseForm(ActForm):
    """Why mail may go there again."""

    reason = TextField(_l("Reason"), suppressions.REASON_LENGTH, DataRequired(_l("say why")))


def _release(connection: Connection, key: UUID, form: Any) -> None:
    suppressions.release_one(connection, key, by=who(), reason=form.reason.data)


RELEASE = Act(
    name="release",
    label=_l("Let mail go there again"),
    question=_l(
        "Its bounces are counted from nothing. Invoices that are held stay so until they are"
        " released."
    ),
    role=MAY_DECIDE,
    run=_release,
    form=ReleaseForm,
    fits=lambda row: now_of(row) is Now.SUPPRESSED,
)


def _verdict(view: object, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    """Show what suppressed it: bounces of which kind, or somebody."""
    if row._mapping.get("suppressed_by"):
        return _("by hand")
    return _("a hard bounce") if row._mapping[name] else _("soft bounces")


def _standing(view: object, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    """Show how it stands beside the time at which it began."""
    standing = cells.badge_of(str(now_of(row)))
    return standing + " " + cells.moment(row.suppressed_at) if row.suppressed_at else standing


def notes_on(view: TableView, connection: Connection, delivery_id: UUID) -> list[tuple[str, Any]]:
    """Return what the page of a held delivery says above all: the way to what holds it."""
    found = suppression_queries.about(connection, delivery_id)
    if found is None:
        return []
    text = _("%(address)s is suppressed: %(reason)s", address=found.address, reason=found.reason)
    return [("warning", cells.link(view.get_url("suppression.details_view", id=found.id), text))]


class Suppressions(DeskView):
    """Every address that bounced or was suppressed by hand."""

    model = Suppression
    title_column = "address"
    columns = ("address", "source_id", "suppressed_at", "is_hard", "reason", "expires_at")
    more_columns = ("released_at", "suppressed_by")
    details = (
        "address",
        "source_id",
        "is_hard",
        "reason",
        "suppressed_at",
        "suppressed_by",
        "expires_at",
        "delivery_id",
        "soft_count",
        "soft_since",
        "released_at",
        "released_by",
        "release_reason",
        "created_at",
        "id",
    )
    refers = {"delivery_id": "deliveries"}
    formats = {"is_hard": _verdict, "reason": cells.excerpt, "suppressed_at": _standing}
    searched = ("address",)
    narrowed_by = (
        _Standing("standing", _l("State"), Now),
        filters.Refers("source_id", _l("Source"), Source, "name"),
        filters.YesNo("is_hard", _l("Hard bounce")),
        filters.Since("since", _l("Suppressed from"), "suppressed_at"),
        filters.Until("until", _l("to"), "suppressed_at"),
    )
    form = NewSuppressionForm
    create_role = MAY_DECIDE
    create_words = _l("Suppress an address")
    save_words = _l("Suppress")
    acts = (RELEASE,)
    intro = _l(
        "What goes to a suppressed address is held before it is tried. A hard bounce suppresses an"
        " address at once, three soft ones within 14 days for 14 days."
    )
    empty = _l("No address has bounced yet.")

    def create(self, connection: Connection, form: Any) -> UUID:
        """Suppress an address by hand."""
        return suppressions.add(
            connection,
            form.source_id.data,
            form.address.data,
            by=who(),
            reason=form.reason.data,
            expires_at=form.expires_at.data,
        )

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Show how it stands, the mails that caused it, and what is held for it."""
        return {
            "badge": cells.badge_of(str(now_of(row))),
            "related": [self._mails(connection, row), self._held(connection, row)],
        }

    def _mails(self, connection: Connection, row: Row[Any]) -> Related:
        """Return what was said of the delivery that decided."""
        found = []
        if row.delivery_id is not None:
            found = queries.of_deliveries(connection, [row.delivery_id], MOST_MAILS)
        return Related(
            title=_l("The mails that caused it"),
            heads=(_l("Received"), _l("Kind"), _l("Note")),
            rows=[
                (
                    cells.link(
                        self.get_url("callback.details_view", id=one.id),
                        cells.moment(one.received_at),
                    ),
                    one.provider_status,
                    one.note,
                )
                for one in found
                if one.kind == CallbackKind.DSN
            ],
            empty=_("None: somebody suppressed it by hand.")
            if row.suppressed_by
            else _("None is stored."),
        )

    def _held(self, connection: Connection, row: Row[Any]) -> Related:
        """Return invoices that wait because of it."""
        found = suppression_queries.held(connection, row.address, row.source_id, MOST_HELD)
        return Related(
            title=_l("Held for this address"),
            heads=(_l("Invoice"), _l("Since"), _l("Reason")),
            rows=[
                (
                    cells.link(self.get_url("invoice.details_view", id=one.invoice_id), one.number),
                    cells.moment(one.created_at),
                    one.reason,
                )
                for one in found
            ],
            empty=_l("No invoice waits."),
        )
