"""Invoices: the list, one invoice with its history, and what staff may do to it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Connection, Row, select
from wtforms import BooleanField, SelectField
from wtforms.validators import DataRequired

from admin import cells, filters, timeline
from admin.access import Role, holds, who
from admin.acts import Act, ActForm
from admin.addresses import way_back
from admin.forms import TextField, words_of
from admin.view import DeskView
from admin.views import bulk, legal_holds, retention, suppressions
from callbacks.timeline import timeline as read_timeline
from core.db import reading
from core.errors import ForbiddenError
from invoices import pdf, queries, searching
from invoices.models import Document, Invoice, Provider, Source
from invoices.services import actions
from invoices.values import CREDIT_NOTE_CODES
from status.models import Cause, Status

PROVIDERS = Provider.__table__
DOCUMENTS = Document.__table__
INVOICES = Invoice.__table__


class Reasoned(ActForm):
    """Why: the history shows it."""

    reason = TextField(_l("Reason"), 500, DataRequired(_l("say why; the history keeps it")))


class Placed(Reasoned):
    """Why, and where it shall go instead, if elsewhere."""

    provider = TextField(
        _l("Through another provider"), 60, description=_l("its code; empty: as before")
    )
    to = TextField(_l("To another address"), 320, description=_l("empty: as before"))


class Resend(Placed):
    """The same, and a second tick where somebody would get it twice."""

    confirm = BooleanField(
        _l("Yes, also those that were sent or delivered: somebody gets them twice")
    )


class Reconcile(Reasoned):
    """What somebody has found out about an unknown outcome."""

    status = SelectField(
        _l("What became of it"),
        choices=words_of(sorted(actions.RECONCILED)),
    )


def _order(form: Reasoned) -> actions.Order:
    return actions.Order(reason=str(form.reason.data), actor=who(), cause=Cause.STAFF)


def _cancel(connection: Connection, key: UUID, form: Any) -> object:
    return actions.cancel(connection, key, _order(form))


def _hold(connection: Connection, key: UUID, form: Any) -> object:
    return actions.hold(connection, key, _order(form))


def _release(connection: Connection, key: UUID, form: Any) -> object:
    return actions.release(
        connection, key, _order(form), provider=form.provider.data, to=form.to.data
    )


def _resend(connection: Connection, key: UUID, form: Any) -> object:
    status = connection.scalar(select(INVOICES.c.status).where(INVOICES.c.id == key))
    if status in actions.NEEDS_CONSENT and not holds(Role.APPROVER):
        raise ForbiddenError(
            _("it is %(status)s: approvers alone send to somebody twice", status=status)
        )
    return actions.resend(
        connection,
        key,
        _order(form),
        provider=form.provider.data,
        to=form.to.data,
        confirm=bool(form.confirm.data),
    )


def _reconcile(connection: Connection, key: UUID, form: Any) -> object:
    return actions.reconcile(connection, key, _order(form), form.status.data)


ACTS = (
    Act(
        name="hold",
        label=_l("Hold"),
        question=_l("Nothing is sent until somebody releases it."),
        role=Role.OPERATOR,
        run=_hold,
        form=Reasoned,
        fits=lambda row: row.status in actions.MAY_HOLD,
        counts="status",
        counter="status_sequence",
    ),
    Act(
        name="release",
        label=_l("Release"),
        question=_l("It goes out at once."),
        role=Role.OPERATOR,
        run=_release,
        form=Placed,
        fits=lambda row: row.status in actions.MAY_RELEASE,
        counts="status",
        counter="status_sequence",
    ),
    Act(
        name="resend",
        label=_l("Send again"),
        question=_l("The same document goes out once more, with a dispatch key of its own."),
        role=Role.OPERATOR,
        run=_resend,
        form=Resend,
        fits=lambda row: row.status in actions.MAY_RESEND,
        counts="status",
        counter="status_sequence",
    ),
    Act(
        name="reconcile",
        label=_l("Decide the outcome"),
        question=_l(
            "What has really become of it? “retry wait” sends it again with the same dispatch key."
        ),
        role=Role.OPERATOR,
        run=_reconcile,
        form=Reconcile,
        fits=lambda row: row.status in actions.MAY_RECONCILE,
        counts="status",
        counter="status_sequence",
    ),
    Act(
        name="cancel",
        label=_l("Cancel"),
        question=_l("It is never sent. What has gone out already cannot be called back."),
        role=Role.OPERATOR,
        run=_cancel,
        form=Reasoned,
        fits=lambda row: row.status in actions.MAY_CANCEL,
        is_dangerous=True,
        counts="status",
        counter="status_sequence",
    ),
    legal_holds.HOLD_INVOICE,
)


def _removed_at(documents: Sequence[Row[Any]]) -> datetime | None:
    return next((item.purged_at for item in documents if item.purged_at), None)


def _type(view: object, context: object, row: Row[Any], name: str) -> str:  # noqa: ARG001
    """Show a code of UNTDID 1001 with what it means."""
    code = row._mapping[name]
    return f"{_('credit note') if code in CREDIT_NOTE_CODES else _('invoice')} ({code})"


class Invoices(DeskView):
    """Every invoice; the services of the package alone change one."""

    model = Invoice
    title_column = "number"
    columns = (
        "number",
        "status",
        "buyer_name",
        "payable_amount",
        "source_id",
        "issue_date",
        "created_at",
    )
    more_columns = ("currency",)
    sortable = ("number", ("created_at", "id"))
    searched = ("number", "external_id", "buyer_name")
    narrowed_by = (
        filters.OneOf("status", _l("Status"), Status),
        filters.Refers("source_id", _l("Source"), Source, "name"),
        filters.Filter("currency", _l("Currency")),
        filters.CreatedSince("created_from", _l("Taken in from")),
        filters.CreatedUntil("created_to", _l("to")),
    )
    formats = {
        "status": cells.badge,
        "payable_amount": cells.money,
        "tax_amount": cells.money,
        "type_code": _type,
    }
    details = (
        "status",
        "payable_amount",
        "tax_amount",
        "issue_date",
        "due_date",
        "type_code",
        "seller_name",
        "seller_id",
        "seller_email",
        "buyer_name",
        "buyer_id",
        "buyer_email",
        "buyer_address",
        "buyer_reference",
        "source_id",
        "external_id",
        "labels",
        "line_count",
        "syntax",
        "customization_id",
        "created_at",
        "id",
    )
    acts = ACTS
    empty = _l(
        "No invoice has been handed over yet. Billing systems do so by POST /api/v1/invoices;"
        " docs/integrators.md shows how."
    )
    details_template = "kuvert/admin/invoice.html"
    has_bulk = True

    def searching(self, words: str) -> list[ColumnElement[bool]]:
        """Return the clause of a search that does not read every invoice."""
        if not words.strip():
            return []
        with reading() as connection:
            if searching.is_bounded(connection, words):
                self._template_args["search_note"] = _(
                    "Found are numbers and external ids that begin like this, and any part of"
                    " a number, an external id or a buyer's name among the newest %(count)s"
                    " invoices.",
                    count=f"{searching.NEWEST:,}",
                )
            return [searching.clause(connection, words)]

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Return the documents of an invoice, and all that happened to it."""
        names = ("role", "media_type", "size", "sha256", "purged_at")
        statement = select(*(DOCUMENTS.c[name] for name in names)).where(
            DOCUMENTS.c.invoice_id == row.id
        )
        current = select(INVOICES.c.current_delivery_id).where(INVOICES.c.id == row.id)
        held = connection.scalar(current) if row.status == Status.HELD else None
        documents = list(connection.execute(statement))
        return {
            "notes": [
                *legal_holds.notes_on(self, connection, row.id),
                *(suppressions.notes_on(self, connection, held) if held else []),
            ],
            "documents": documents,
            "is_purged": any(item.purged_at and item.role == "original" for item in documents),
            "rule": retention.rule_of(connection, "documents", _removed_at(documents)),
            "makes_pdf": pdf.is_available(),
            "timeline": timeline.lines(read_timeline(connection, row.id)),
        }

    @expose("/action/", methods=("POST",))
    def action_view(self) -> ResponseReturnValue:
        """Do an act to the rows that were ticked, or to all of the list."""
        verb = request.form.get("action")
        if bulk.is_wanted(verb):
            return bulk.carry_out(self, next(act for act in self.acts if act.name == verb))
        if request.form.get("all") == "yes" and not request.form.getlist("rowid"):
            flash(_("This is done to ticked rows alone, not to all of a list."), "warning")
            return redirect(way_back() or self.get_url(".index_view"))
        return super().action_view()

    @expose("/pdf/")
    def pdf_view(self) -> Response:
        """Give a PDF made from the document, in the language of the reader."""
        row = self.get_one(request.args.get("id", ""))
        language = str(get_locale())
        with reading() as connection:
            found = queries.document(connection, None, row.id)
        body = pdf.make(
            found.body,
            found.media_type,
            language=language if language in pdf.LANGUAGES else pdf.LANGUAGES[0],
        )
        answer = Response(body, content_type=pdf.MEDIA_TYPE)
        answer.headers["Content-Disposition"] = f'attachment; filename="{row.id}.pdf"'
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @expose("/document/")
    def document_view(self) -> Response:
        """Give a document as it came: to keep, never to be shown by the browser."""
        row = self.get_one(request.args.get("id", ""))
        role = request.args.get("role", "original")
        mine = (DOCUMENTS.c.invoice_id == row.id) & (DOCUMENTS.c.role == role)
        with reading() as connection:
            found = connection.execute(select(DOCUMENTS).where(mine)).first()
        if found is None:
            abort(404, _("This invoice has no such document"))
        queries.refuse_purged(found)
        ending = (
            "json" if "json" in found.media_type else "pdf" if "pdf" in found.media_type else "xml"
        )
        answer = Response(found.body, content_type="application/octet-stream")
        answer.headers["Content-Disposition"] = f'attachment; filename="{row.id}.{ending}"'
        answer.headers["Cache-Control"] = "no-store"
        return answer
