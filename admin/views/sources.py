"""Sources: the billing systems that hand invoices over."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row, select
from wtforms import SelectField
from wtforms.validators import DataRequired

from admin import cells, filters, listing
from admin.access import Role, by
from admin.acts import Act, ActForm
from admin.forms import RowField, TextField, VersionedForm, options
from admin.reports import Made, Related, Report
from admin.view import DeskView
from admin.views.keys import state_of
from invoices import access, edits, setup
from invoices.letters import LANGUAGES
from invoices.models import ApiKey, Environment, Invoice, Provider, Source
from status.models import Subscription, SubscriptionState

KEYS = ApiKey.__table__
SUBSCRIPTIONS = Subscription.__table__


class SourceForm(VersionedForm):
    """What may be changed of a source."""

    name = TextField(_l("Name"), 100, DataRequired())
    provider_id = RowField(
        _l("Provider"),
        Provider,
        "code",
        _l("none"),
        description=_l("who delivers where an invoice names nobody"),
    )

    language = SelectField(
        _l("Language of its letters"),
        choices=lambda: options([("", _l("the usual one")), *LANGUAGES.items()]),
        coerce=lambda value: value or None,
        description=_l("of the mails that carry its invoices"),
    )


class NewSourceForm(SourceForm):
    """A new source; its environment stays."""

    environment = SelectField(
        _l("Environment"),
        choices=options([("test", _l("test")), ("live", _l("live"))]),
        description=_l(
            "Stays as it is: what a test source hands over never reaches a real recipient."
        ),
    )


def _disable(connection: Connection, key: UUID, form: ActForm) -> object:  # noqa: ARG001
    return edits.edit_source(connection, key, {"is_disabled": True}, by())


def _enable(connection: Connection, key: UUID, form: ActForm) -> object:  # noqa: ARG001
    return edits.edit_source(connection, key, {"is_disabled": False}, by())


class Sources(DeskView):
    """Every source, with its keys."""

    model = Source
    title_column = "name"
    columns = ("name", "environment", "provider_id", "is_disabled", "created_at")
    details = (*columns, "language", "updated_at", "updated_by", "id")
    formats = {"environment": cells.badge}
    searched = ("name",)
    narrowed_by = (
        filters.OneOf("environment", _l("Environment"), Environment),
        filters.YesNo("is_disabled", _l("Disabled")),
    )
    form = NewSourceForm
    edit_form_class = SourceForm
    create_words = _l("Add a source")
    create_role = edit_role = Role.ADMIN
    needs_fresh = True
    acts = (
        Act(
            name="disable",
            label=_l("Disable"),
            question=_l("All its keys are refused from now on. What it has handed over goes on."),
            role=Role.ADMIN,
            run=_disable,
            fits=lambda row: not row.is_disabled,
            is_dangerous=True,
        ),
        Act(
            name="enable",
            label=_l("Enable"),
            question=_l("Its keys count again, as far as they were not revoked."),
            role=Role.ADMIN,
            run=_enable,
            fits=lambda row: row.is_disabled,
        ),
    )
    empty = _l("There is no source yet. Add one for each billing system that hands invoices over.")

    def create(self, connection: Connection, form: Any) -> Made:
        """Add a source and its first key, which is shown this once."""
        environment, provider_id = form.environment.data, form.provider_id.data
        providers = Provider.__table__
        code = connection.scalar(select(providers.c.code).where(providers.c.id == provider_id))
        added = setup.add_source(connection, form.name.data, environment, code)
        if form.language.data is not None:
            edits.edit_source(connection, added, {"language": form.language.data}, by())
        secret = access.create_key(connection, added, environment)
        text = _(
            "The billing system sends it with each request, in the header Authorization: Bearer …"
        )
        title = _("The first API key of %(name)s", name=form.name.data)
        return Made(added, Report(title=title, text=text, secret=secret))

    def change(self, connection: Connection, row: Row[Any], form: Any) -> object:
        """Change name, provider or language."""
        values = form.words("name", "provider_id", "language")
        return edits.edit_source(connection, row.id, values, by(), form.shown_version())

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Show its keys, and how much it has handed over."""
        invoices = listing.counted(connection, Invoice.__table__, {"source_id": row.id})
        told = SUBSCRIPTIONS.c.state != SubscriptionState.DELETED
        subscriptions = listing.counted(connection, SUBSCRIPTIONS, {"source_id": row.id}, told)
        mine = {"source_id": str(row.id)}
        return {
            "badge": cells.badge_of("disabled" if row.is_disabled else "active"),
            "facts": {
                _("Invoices"): cells.link(self.get_url("invoice.index_view", **mine), invoices),
                _("Subscriptions"): cells.link(
                    self.get_url("subscription.index_view", **mine), subscriptions
                ),
            },
            "related": [self._keys(connection, row.id)],
        }

    def _keys(self, connection: Connection, source_id: UUID) -> Related:
        columns = [column for column in KEYS.c if column is not KEYS.c.secret_sha256]
        mine = select(*columns).where(KEYS.c.source_id == source_id).order_by(KEYS.c.id.desc())
        rows = [
            (
                cells.link(self.get_url("api_key.details_view", id=key.id), key.prefix),
                cells.badge_of(state_of(key)),
                cells.plain(key.scopes) if key.scopes else _("everything"),
                cells.moment(key.expires_at),
                cells.moment(key.last_used_at),
            )
            for key in connection.execute(mine)
        ]
        heads = (_l("Prefix"), _l("State"), _l("Scopes"), _l("Expires"), _l("Last used"))
        empty = _l("It has no key: nothing can be handed over.")
        url = self.get_url("api_key.create_view", source_id=source_id)
        more = (url, _l("Add a key")) if self.can_create else None
        return Related(title=_l("API keys"), heads=heads, rows=rows, empty=empty, more=more)
