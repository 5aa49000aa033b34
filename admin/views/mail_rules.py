"""Mail rules: what staff made of a mail, for all that are alike."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row
from wtforms.validators import DataRequired

from admin import cells, filters
from admin.access import Role, by
from admin.acts import Act, ActForm
from admin.forms import TextField
from admin.view import DeskView
from admin.views.callbacks import TAKEN_FOR, alike
from callbacks import rules
from callbacks.models import MailRule, Ruling

MAY_RULE = Role.APPROVER


class SwitchForm(ActForm):
    """Why a rule shall count no more, or again."""

    reason = TextField(_l("Reason"), rules.REASON_LENGTH, DataRequired(_l("say why")))


def _disable(connection: Connection, key: UUID, form: Any) -> None:
    rules.disable(connection, key, by(form.reason.data), is_disabled=True)


def _enable(connection: Connection, key: UUID, form: Any) -> None:
    rules.disable(connection, key, by(form.reason.data), is_disabled=False)


def _ruling(view: object, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    """Show what mails are taken for."""
    return TAKEN_FOR[Ruling(row._mapping[name])]


class MailRules(DeskView):
    """Every rule; one is made by overruling a mail on its page."""

    model = MailRule
    columns = ("said_by", "dsn_status", "template", "ruling", "hits", "is_disabled", "updated_by")
    more_columns = ("likeness", "updated_at", "created_at")
    hidden = frozenset({"likeness"})
    details = (
        "ruling",
        "reason",
        "said_by",
        "dsn_status",
        "template",
        "callback_id",
        "hits",
        "is_disabled",
        "created_at",
        "updated_at",
        "updated_by",
        "id",
    )
    refers = {"callback_id": "callbacks"}
    formats = {"ruling": _ruling, "template": cells.excerpt}
    searched = ("said_by", "template")
    narrowed_by = (
        filters.OneOf("ruling", _l("Taken for"), Ruling),
        filters.YesNo("is_disabled", _l("Disabled")),
    )
    acts = (
        Act(
            name="disable",
            label=_l("Disable"),
            question=_l(
                "Mails like these are taken for what they seem again. What was done by the rule"
                " stays as it is."
            ),
            role=MAY_RULE,
            run=_disable,
            form=SwitchForm,
            fits=lambda row: not row.is_disabled,
        ),
        Act(
            name="enable",
            label=_l("Enable"),
            question=_l("It counts again for what comes from now on."),
            role=MAY_RULE,
            run=_enable,
            form=SwitchForm,
            fits=lambda row: row.is_disabled,
        ),
    )
    intro = _l(
        "A rule holds for mails in which the same domain says the same, with the same status; where"
        " the words have an address, a host or a number, any will do. It never lets a mail in that"
        " does not prove which delivery it speaks of."
    )
    empty = _l("Nobody has overruled a mail yet. That is done on the page of its callback.")

    def called(self, row: Row[Any]) -> str:
        """Return how a rule is called in sentences."""
        when = row.updated_at or row.created_at
        return _("Rule of %(who)s of %(when)s", who=row.updated_by, when=f"{when:%Y-%m-%d}")

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Show the stored mails that it is about."""
        return {"related": [alike(self, connection, row.likeness, None)]}
