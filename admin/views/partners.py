"""Billing systems and providers."""

from typing import Any, ClassVar
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection
from wtforms import SelectField
from wtforms.validators import DataRequired

from admin import cells
from admin.access import Role
from admin.forms import AdminForm, TextField, words_of
from admin.view import DeskView
from invoices import setup
from invoices.models import Environment, Provider, Source


class SourceForm(AdminForm):
    """A new billing system."""

    name = TextField(_l("Name"), 100, DataRequired())
    environment = SelectField(_l("Environment"), choices=words_of(Environment))
    provider = TextField(
        _l("Provider"), 60, description=_l("the code of who delivers where an invoice names nobody")
    )


class Sources(DeskView):
    """Billing systems that hand invoices over."""

    model = Source
    title_column = "name"
    columns = ("name", "environment", "provider_id", "is_disabled", "created_at")
    formats: ClassVar = {"environment": cells.badge}
    searched = ("name",)
    form = SourceForm
    create_role = Role.ADMIN

    def create(self, connection: Connection, form: Any) -> UUID:
        """Add a source."""
        return setup.add_source(
            connection, form.name.data, form.environment.data, form.provider.data
        )


class Providers(DeskView):
    """Who delivers for us."""

    model = Provider
    title_column = "code"
    columns = ("code", "channel", "state", "is_idempotent", "alarm", "created_at")
    formats: ClassVar = {"state": cells.badge}
    searched = ("code",)
