"""Callbacks: what providers said, as it came, and what became of it."""

from typing import Any
from uuid import UUID

from flask import Response, request
from flask_admin import expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row, select
from wtforms.validators import DataRequired

from admin import cells, filters
from admin.access import Role, by
from admin.acts import Act, ActForm
from admin.base import TableView
from admin.forms import TextField
from admin.reports import Related
from admin.view import DeskView
from admin.views import retention
from callbacks import overruling, queries, rules, services
from callbacks.models import Callback, CallbackKind, CallbackState, Ruling
from core.db import reading
from core.visible import visible
from invoices.models import Delivery, Invoice, Provider

DELIVERIES = Delivery.__table__
INVOICES = Invoice.__table__

LONGEST_SHOWN = 64 * 1024
"""Bytes of a body that its page shows; all of it can be downloaded."""

MOST_ALIKE = 25

TAKEN_FOR = {
    Ruling.HARD: _l("hard bounce"),
    Ruling.SOFT: _l("soft bounce"),
    Ruling.NONE: _l("no bounce"),
}

_NOT_TEXT = frozenset(range(32)) - frozenset(b"\t\n\r\x0b\x0c\x1b")


def body_text(body: bytes) -> str | None:
    """Return the beginning of a body as text to be read; None when it is none."""
    start = body[:LONGEST_SHOWN]
    if _NOT_TEXT.intersection(start):
        return None
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may have been cut in two at the end.
        if len(body) <= LONGEST_SHOWN or error.start < len(start) - 4:
            return None
        text = start[: error.start].decode("utf-8")
    return "\n".join(visible(line.expandtabs(4)) for line in text.splitlines())


def _replay(connection: Connection, key: UUID, form: ActForm) -> object:  # noqa: ARG001
    return services.replay(connection, key)


def _foresee(connection: Connection, key: UUID) -> str:
    """Say what a replay would do."""
    end = services.replay(connection, key)
    return _("%(state)s: %(note)s", state=end.state, note=end.note)


REPLAY = Act(
    name="replay",
    label=_l("Work through again"),
    question=_l("It is read, matched and applied as if it had come just now."),
    role=Role.OPERATOR,
    run=_replay,
    foresee=_foresee,
    counts="state",
)


class OverruleForm(ActForm):
    """Why a mail is something else than it was taken for."""

    reason = TextField(
        _l("Reason"),
        rules.REASON_LENGTH,
        DataRequired(_l("say why")),
        description=_l("history and rule keep it"),
    )


def _overrule(ruling: Ruling) -> Act:
    """Return the act by which staff take a mail for `ruling`."""

    def run(connection: Connection, key: UUID, form: Any) -> object:
        return overruling.overrule(connection, key, ruling, reason=form.reason.data, by=by())

    def foresee(connection: Connection, key: UUID) -> str:
        done = overruling.overrule(connection, key, ruling, reason="?", by=by())
        return _(
            "the delivery is %(state)s then; of %(count)s stored mails like it of the last 90 days"
            " the rule takes %(changed)s for something else",
            state=done.state,
            count=done.alike_count,
            changed=done.changed_count,
        )

    return Act(
        name=f"overrule_{ruling}",
        label=_OVERRULES[ruling][0],
        question=_OVERRULES[ruling][1],
        role=Role.APPROVER,
        run=run,
        foresee=foresee,
        form=OverruleForm,
        is_for_many=False,
        fits=lambda row: _may_be(row, ruling),
    )


_RULE = _l("All mails that are alike are taken for that from now on, until the rule is disabled.")
_OVERRULES = {
    Ruling.NONE: (
        _l("It was no bounce"),
        _l("The invoice was not refused, and its address is not suppressed for it.") + " " + _RULE,
    ),
    Ruling.SOFT: (
        _l("It was a soft bounce"),
        _l("The mail failed, and its address is good.") + " " + _RULE,
    ),
    Ruling.HARD: (
        _l("It was a hard bounce"),
        _l("The mail failed, and its address is no good: it is suppressed.") + " " + _RULE,
    ),
}


def _may_be(row: Row[Any], ruling: Ruling) -> bool:
    """Tell whether a callback is a mail about a delivery that is taken for something else now."""
    return row.likeness is not None and rules.taken_for(row.is_hard) is not ruling


def alike(view: TableView, connection: Connection, mark: str, besides: UUID | None) -> Related:
    """Return the mails that have something in common, beside one of them."""
    rows = [one for one in rules.alike(connection, mark) if one.id != besides]
    return Related(
        title=_l("Mails like this of the last 90 days"),
        heads=(_l("Received"), _l("Taken for"), _l("Note")),
        rows=[
            (
                cells.link(
                    view.get_url("callback.details_view", id=one.id), cells.moment(one.received_at)
                ),
                TAKEN_FOR[rules.taken_for(one.is_hard)],
                one.note,
            )
            for one in rows[:MOST_ALIKE]
        ],
        empty=_l("None: no other mail says the same."),
    )


class Callbacks(DeskView):
    """Every callback; nobody changes or removes what came."""

    model = Callback
    columns = (
        "received_at",
        "state",
        "provider_id",
        "provider_status",
        "kind",
        "note",
        "delivery_id",
    )
    more_columns = ("likeness", "is_hard")
    hidden = frozenset({"lease_token", "mail_key", "likeness"})
    refers = {"delivery_id": "deliveries"}
    narrowed_by = (
        filters.OneOf("state", _l("State"), CallbackState),
        filters.Refers("provider_id", _l("Provider"), Provider, "code"),
        filters.OneOf("kind", _l("Kind"), CallbackKind),
        filters.Belongs("delivery_id", _l("Delivery")),
        filters.CreatedSince("received_from", _l("Received from")),
        filters.CreatedUntil("received_to", _l("to")),
    )
    formats = {
        "state": cells.badge,
        "note": cells.excerpt,
        "kind": cells.words({CallbackKind.DSN: _l("mail")}),
    }
    details = (
        "state",
        "note",
        "provider_id",
        "provider_status",
        "kind",
        "received_at",
        "occurred_at",
        "finished_at",
        "due_at",
        "look_count",
        "dedupe_key",
        "body_sha256",
        "conflict_sha256",
        "id",
    )
    acts = (REPLAY, *map(_overrule, (Ruling.NONE, Ruling.SOFT, Ruling.HARD)))
    empty = _l(
        "No provider has said anything yet. Each posts to /callbacks/ and its code;"
        " docs/providers.md shows how to set it up."
    )
    details_template = "kuvert/admin/callback.html"

    def called(self, row: Row[Any]) -> str:
        """Return how a callback is called in sentences."""
        when = f"{row.received_at.astimezone(cells.zone()):%d %b %H:%M:%S}"
        if row._mapping.get("kind") == CallbackKind.DSN:
            return _("Mail of %(when)s", when=when)
        if row._mapping.get("provider_status"):
            return _("“%(word)s” of %(when)s", word=row.provider_status, when=when)
        return _("Callback of %(when)s", when=when)

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Return what came, and the invoice that it was matched to."""
        raw = queries.callback(connection, row.id)
        found = None
        if raw.delivery_id is not None:
            columns = (DELIVERIES.c.id, DELIVERIES.c.state, DELIVERIES.c.invoice_id)
            found = connection.execute(
                select(*columns, INVOICES.c.number, INVOICES.c.status)
                .join(INVOICES, INVOICES.c.id == DELIVERIES.c.invoice_id)
                .where(DELIVERIES.c.id == raw.delivery_id)
            ).one_or_none()
        return {
            "headers": raw.headers,
            "purged_at": raw.purged_at,
            "rule": retention.rule_of(
                connection,
                "mails" if row.kind == CallbackKind.DSN else "callback-bodies",
                raw.purged_at,
            ),
            "body": body_text(raw.body),
            "size": len(raw.body),
            "is_cut": len(raw.body) > LONGEST_SHOWN,
            "matched": found,
            **self._likeness(connection, raw),
        }

    def _likeness(self, connection: Connection, raw: Row[Any]) -> dict[str, Any]:
        """Return what a mail about a delivery is taken for, its rule, and its like."""
        if raw.likeness is None:
            return {}
        ruling = rules.taken_for(raw.is_hard)
        facts: dict[str, Any] = {_("Taken for"): TAKEN_FOR[ruling]}
        overruled = None
        rule = rules.about(connection, raw.likeness)
        if rule is not None:
            url = self.get_url("mail_rule.details_view", id=rule.id)
            words = _("Rule, disabled") if rule.is_disabled else _("Rule")
            facts[words] = cells.link(url, rules.called(rule))
            if not rule.is_disabled and rule.ruling == ruling:
                overruled = _("Overruled: it is taken for %(what)s.", what=TAKEN_FOR[ruling])
        related = [alike(self, connection, raw.likeness, raw.id)]
        return {"facts": facts, "related": related, "overruled": overruled}

    @expose("/body/")
    def body_view(self) -> Response:
        """Give the body as it came: to keep, never to be shown by the browser."""
        row = self.get_one(request.args.get("id", ""))
        with reading() as connection:
            found = queries.callback(connection, row.id)
        queries.refuse_purged(found)
        answer = Response(found.body, content_type="application/octet-stream")
        answer.headers["Content-Disposition"] = f'attachment; filename="callback-{row.id}.bin"'
        answer.headers["Cache-Control"] = "no-store"
        return answer
