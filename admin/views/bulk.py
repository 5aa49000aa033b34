"""One verb for all invoices of a list: the plan first, then the work with its progress."""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, flash, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row

from admin import cells, filters
from admin.access import Role, holds, is_fragment, refusal, who
from admin.acts import MANY_ROWS, Act
from admin.addresses import way_back
from admin.forms import AdminForm
from admin.view import DeskView
from core.db import fresh_unit_of_work, reading
from core.errors import InputError
from invoices.models import BulkAct, BulkState
from invoices.services import bulk

VERBS = {
    "cancel": _l("Cancel"),
    "hold": _l("Hold"),
    "release": _l("Release"),
    "resend": _l("Send again"),
}
"""What the buttons say."""

SHOWN_ITEMS = 200
REQUEST_SECONDS = 3.0
"""How long a request works on it by itself; workers do what is left."""


def is_wanted(verb: str | None) -> bool:
    """Tell whether the form asks for all rows of the list, not for those that were ticked."""
    return verb in bulk.BULK_VERBS and request.form.get("all") == "yes"


def carry_out(view: DeskView, act: Act) -> ResponseReturnValue:
    """Show what `act` would do to every row of the list, and once that is confirmed, do it."""
    refused = refusal(act.role)
    if refused is not None:
        return refused
    back = way_back() or view.get_url(".index_view")
    try:
        with reading() as connection:
            wanted = view.wanted((), view._get_list_extra_args())
            ids = bulk.chosen(connection, *wanted.clauses)
            plan = bulk.plan(connection, act.name, ids)
        _check_rank(plan)
    except InputError as error:
        flash(error.detail, "warning")
        return redirect(back)
    form: Any = act.form()
    if request.form.get("confirmed") != "yes" or not form.validate():
        return _ask(view, act, form, plan, back)
    return _do(act, ids, form, back)


def _check_rank(plan: bulk.Plan) -> None:
    """Refuse what is for approvers.

    Raises:
        InputError: too many rows for the role.
    """
    if plan.total > MANY_ROWS and not holds(Role.APPROVER):
        raise InputError(_("More than %(count)s rows at once are for approvers.", count=MANY_ROWS))


def _ask(view: DeskView, act: Act, form: AdminForm, plan: bulk.Plan, back: str) -> Response:
    nonce = request.form.get("nonce") or str(uuid4())
    page = view.render(
        "kuvert/admin/confirm.html",
        form=form,
        title=_("%(act)s: all %(count)s of the list", act=act.label, count=f"{plan.total:,}"),
        question=act.question,
        target=view.get_url(".action_view", **request.args),
        fields={"action": [act.name], "all": ["yes"], "nonce": [nonce], "url": [back]},
        button=act.label,
        is_dangerous=act.is_dangerous,
        counts={},
        rows=[],
        foreseen=[],
        plan=plan,
        is_fragment=is_fragment(),
        return_url=back,
    )
    return make_response(page)


def _do(act: Act, ids: list[UUID], form: Any, back: str) -> ResponseReturnValue:
    is_confirmed = bool("confirm" in form and form.confirm.data and holds(Role.APPROVER))
    wish = bulk.Wish(
        verb=act.name,
        invoice_ids=ids,
        reason=str(form.reason.data),
        actor=who(),
        nonce=request.form.get("nonce", ""),
        is_confirmed=is_confirmed,
        provider=form.provider.data if "provider" in form else None,
        to=form.to.data if "to" in form else None,
    )
    try:
        with fresh_unit_of_work() as connection:
            bulk_id = bulk.begin(connection, wish)
    except InputError as error:
        flash(error.detail, "danger")
        return redirect(back)
    bulk.go_on(bulk_id, REQUEST_SECONDS)
    return _lead_to(_page_of(bulk_id))


def _lead_to(page: str) -> ResponseReturnValue:
    """Lead on; the script of a dialog is not told where a redirect would."""
    return Response(headers={"X-Kuvert-Location": page}) if is_fragment() else redirect(page)


def _page_of(bulk_id: UUID) -> str:
    return url_for("bulk_act.details_view", id=bulk_id)


def _stop(connection: Connection, key: UUID, form: Any) -> object:  # noqa: ARG001
    bulk.stop(connection, key)
    return key


class Verb(filters.OneOf):
    """What was done, in the words of its button."""

    def options(self, connection: Connection) -> filters.Options:  # noqa: ARG002
        """Return the verbs and their words."""
        return [(verb, str(VERBS[verb])) for verb in self.words]


class BulkActs(DeskView):
    """What was asked for many invoices at once, and how far it has come."""

    model = BulkAct
    title_column = "verb"
    columns = ("created_at", "verb", "state", "total", "done_count", "refused_count", "actor")
    hidden = frozenset({"nonce", "lease_token", "due_at"})
    narrowed_by = (
        filters.OneOf("state", _l("State"), BulkState),
        Verb("verb", _l("What"), bulk.BULK_VERBS),
    )
    formats = {"state": cells.badge, "verb": cells.words(VERBS)}
    details = ("state", "verb", "reason", "actor", "options", "created_at", "finished_at")
    intro = _l("Choose all rows of a list of invoices to do something to many of them at once.")
    empty = _l("Nothing was done to many invoices at once yet.")
    details_template = "kuvert/admin/bulk.html"
    acts = (
        Act(
            name="stop",
            label=_l("Stop"),
            question=_l("What was done stays done; the rest is left as it is."),
            role=Role.OPERATOR,
            run=_stop,
            fits=lambda row: row.state == BulkState.RUNNING,
            is_dangerous=True,
        ),
    )

    def called(self, row: Row[Any]) -> str:
        """Return how an act is called in sentences: as its button is."""
        return str(VERBS.get(row.verb, row.verb))

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Return how far it has come, and what became of each invoice."""
        return {
            "progress": bulk.progress(connection, row.id),
            "items": bulk.results(connection, row.id, -1, SHOWN_ITEMS),
            "shown": SHOWN_ITEMS,
        }
