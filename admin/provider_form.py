"""The form of a provider: a written list of fields, and references in place of secrets."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, SelectField
from wtforms.validators import DataRequired, InputRequired

from admin.forms import (
    ReferenceField,
    ReferencesField,
    TextField,
    TextsField,
    VersionedForm,
    WholeNumberField,
    options,
    words_of,
)
from invoices import provider_settings, setup
from invoices.models import ChannelName

LONGEST_URL = 2000
LONGEST_REFERENCE = 500
FIELDS = (
    "url",
    "is_idempotent",
    "auth_ref",
    "callback_profile",
    "callback_secret_refs",
    "settings",
    "concurrency",
)


class _Identity(VersionedForm):
    """What stays as it was when a provider was added."""

    code = TextField(
        _l("Code"),
        60,
        DataRequired(),
        description=_l("as in the address of its callbacks: a-z 0-9 . _ - ; it stays as it is"),
    )
    channel = SelectField(
        _l("Channel"),
        choices=words_of(ChannelName),
        description=_l("how it is reached; it stays as it is"),
    )


class ProviderForm(VersionedForm):
    """What staff may change of a provider."""

    url = TextField(
        _l("Address"),
        LONGEST_URL,
        description=_l(
            "where invoices are posted to, https://…; by mail, the server: smtps://user@host, empty"
            " for the one in the settings"
        ),
    )
    is_idempotent = BooleanField(
        _l("It honours our dispatch key: the same hand-over may be repeated")
    )
    auth_ref = ReferenceField(
        _l("Credentials from"),
        LONGEST_REFERENCE,
        description=_l("env:NAME or file:/path; never the credentials themselves"),
    )
    callback_profile = SelectField(
        _l("Callback signature"), choices=options((one, one) for one in setup.CALLBACK_PROFILES)
    )
    callback_secret_refs = ReferencesField(
        _l("Callback secrets from"),
        description=_l("env:NAME or file:/path, one a line; two while the secret is changed"),
    )
    settings = TextsField(
        _l("Settings"),
        description=_l(
            "a JSON object; known: %(names)s; by mail: %(mail)s",
            names=", ".join(provider_settings.known_to(ChannelName.HTTP)),
            mail=", ".join(provider_settings.known_to(ChannelName.SMTP)),
        ),
    )
    concurrency = WholeNumberField(
        _l("Calls at once"),
        [InputRequired()],
        default=16,
        description=_l(
            "in one process, 1 to %(most)s; mails go one by one", most=setup.LARGEST_CONCURRENCY
        ),
    )

    def values(self) -> dict[str, Any]:
        """Return what was entered, by the names of the columns."""
        return {name: self[name].data for name in FIELDS}


class NewProviderForm(_Identity, ProviderForm):
    """A new provider."""


def as_new(form: Any) -> setup.NewProvider:
    """Return the provider that a form describes."""
    values: Mapping[str, Any] = form.values()
    return setup.NewProvider(code=form.code.data, channel=form.channel.data, **values)
