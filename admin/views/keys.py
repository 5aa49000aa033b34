"""API keys: what a billing system proves itself with."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import Connection, Row, select
from wtforms import SelectField
from wtforms.validators import DataRequired

from admin import cells, filters
from admin.access import Role, by
from admin.acts import Act, ActForm
from admin.forms import (
    AdminForm,
    LocalTimeField,
    RowField,
    TicksField,
    VersionedForm,
    WholeNumberField,
    options,
)
from admin.reports import Made, Report
from admin.view import DeskView
from core.clock import utcnow
from invoices import access, setup
from invoices.models import ApiKey, Environment, Source

KEYS = ApiKey.__table__


class NewKeyForm(AdminForm):
    """A new key."""

    source_id = RowField(
        _l("Source"), Source, "name", _l("choose one"), validators=[DataRequired()]
    )
    environment = SelectField(
        _l("Environment"),
        choices=options(
            [("", _l("that of the source")), ("test", _l("test")), ("live", _l("live"))]
        ),
        description=_l("A test key may be made for a live source; it reaches nobody."),
    )
    scopes = TicksField(
        _l("It may"),
        choices=options((scope, scope) for scope in access.SCOPES),
        description=_l("none ticked: everything that a source may do"),
    )
    expires_days = WholeNumberField(_l("Ends after days"), description=_l("empty: has no end"))


class KeyForm(VersionedForm):
    """What may be changed of a key."""

    expires_at = LocalTimeField(_l("Expires"), description=_l("empty: has no end"))


def state_of(row: Row[Any]) -> str:
    """Return whether a key counts, in one word."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= utcnow() else "active"


def _state(view: object, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    return cells.badge_of(state_of(row))


def _scopes(view: object, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    return cells.plain(row.scopes) if row.scopes else _("everything")


def _revoke(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    access.revoke(connection, _prefix(connection, key), by())


def _prefix(connection: Connection, key: UUID) -> str:
    return str(connection.scalar(select(KEYS.c.prefix).where(KEYS.c.id == key)))


class ApiKeys(DeskView):
    """Every key by its prefix; the secrets are stored nowhere, their hashes shown nowhere."""

    model = ApiKey
    title_column = "prefix"
    columns = (
        "prefix",
        "source_id",
        "state",
        "environment",
        "scopes",
        "expires_at",
        "last_used_at",
    )
    more_columns = ("revoked_at",)
    details = (
        *("prefix", "source_id", "environment", "scopes", "expires_at", "last_used_at"),
        *("revoked_at", "created_at", "updated_at", "updated_by", "id"),
    )
    hidden = frozenset({"secret_sha256"})
    formats = {"state": _state, "environment": cells.badge, "scopes": _scopes}
    searched = ("prefix",)
    narrowed_by = (
        filters.Refers("source_id", _l("Source"), Source, "name"),
        filters.OneOf("environment", _l("Environment"), Environment),
    )
    form = NewKeyForm
    edit_form_class = KeyForm
    create_words = _l("Add a key")
    create_role = edit_role = Role.ADMIN
    needs_fresh = True
    acts = (
        Act(
            name="revoke",
            label=_l("Revoke"),
            question=_l("Every request with it is refused from now on. This cannot be taken back."),
            role=Role.ADMIN,
            run=_revoke,
            fits=lambda row: row.revoked_at is None,
            is_dangerous=True,
        ),
    )
    intro = _l("A key is shown once, when it is made. Here it is known by its prefix.")
    empty = _l("There is no API key yet. Add a source first; its first key comes with it.")

    def is_editable(self, row: Row[Any]) -> bool:
        """A key that has ended never counts again."""
        return state_of(row) == "active"

    def create(self, connection: Connection, form: Any) -> Made:
        """Make a key, which is shown this once."""
        source = setup.SOURCES
        found = connection.execute(select(source).where(source.c.id == form.source_id.data)).one()
        environment = form.environment.data or found.environment
        secret = access.create_key(
            connection, found.id, environment, form.scopes.data or (), form.expires_days.data
        )
        added = connection.scalar(select(KEYS.c.id).where(KEYS.c.prefix == secret.split("_")[2]))
        title = _("A new API key of %(name)s", name=found.name)
        return Made(UUID(str(added)), Report(title=title, secret=secret))

    def change(self, connection: Connection, row: Row[Any], form: Any) -> None:
        """Change when it ends."""
        until = form.expires_at.data
        if until and row.expires_at and until == row.expires_at.replace(second=0, microsecond=0):
            until = row.expires_at  # the field shows no seconds
        access.set_expiry(connection, row.prefix, until, by(), form.shown_version())

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Show whether it counts."""
        return {"badge": cells.badge_of(state_of(row))}
