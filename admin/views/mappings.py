"""Status mappings: what providers' words mean, and the words that wait for a meaning."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row, select
from wtforms import SelectField
from wtforms.validators import DataRequired

from admin import cells, filters, listing
from admin.access import Role, by, holds
from admin.base import TableView
from admin.forms import RowField, TextField, VersionedForm, words_of
from admin.reports import Related
from admin.view import DeskView
from callbacks import mappings, queries
from callbacks.models import StatusMapping
from invoices.models import Provider
from invoices.services.verdicts import VERDICTS

PROVIDERS = Provider.__table__
MAY_MAP = Role.APPROVER


class _Word(VersionedForm):
    """Which word of whom; a mapping of another word is another mapping."""

    provider_id = RowField(
        _l("Provider"), Provider, "code", _l("choose one"), validators=[DataRequired()]
    )
    word = TextField(
        _l("Provider's word"),
        mappings.WORD_LENGTH,
        DataRequired(),
        description=_l("as its callbacks have it; upper and lower case are the same"),
    )


class MappingForm(VersionedForm):
    """What a word means."""

    status = SelectField(
        _l("Makes an invoice"),
        choices=words_of(sorted(VERDICTS)),
        description=_l("What was applied under another meaning stays as it is."),
    )


class NewMappingForm(_Word, MappingForm):
    """A word that has no meaning yet."""


def waiting_words(
    view: TableView, connection: Connection, provider_id: UUID | None = None
) -> Related:
    """Return the words that nobody has said the meaning of, each with the way to do so."""
    found = queries.unmapped_words(connection, provider_id)
    codes = {}
    if found:
        wanted = PROVIDERS.c.id.in_({one.provider_id for one in found})
        known = select(PROVIDERS.c.id, PROVIDERS.c.code).where(wanted)
        codes = {row.id: row.code for row in connection.execute(known)}
    rows = [
        (
            codes.get(one.provider_id, cells.NOTHING),
            one.word,
            f"{one.count:,}",
            cells.moment(one.last_at),
            _way_to_map(view, one),
        )
        for one in found
    ]
    heads = (_l("Provider"), _l("Provider's word"), _l("Waiting"), _l("Last came"), _l("Meaning"))
    more = (view.get_url("callback.index_view", state="unmapped"), _l("Callbacks that wait"))
    return Related(
        title=_l("Words that wait for a meaning"),
        heads=heads,
        rows=rows,
        empty=_l(
            "None among the newest %(count)s callbacks of all providers.",
            count=f"{queries.LOOKED_AT:,}",
        ),
        more=more,
    )


def _way_to_map(view: TableView, one: Row[Any]) -> Any:
    if not holds(MAY_MAP) or one.provider_id is None:
        return _("for approvers")
    url = view.get_url("mapping.create_view", provider_id=one.provider_id, word=one.word)
    return cells.link(url, _("Say what it means"))


class Mappings(DeskView):
    """Every word that has a meaning."""

    model = StatusMapping
    title_column = "provider_status"
    columns = ("provider_status", "provider_id", "status", "hits")
    details = ("provider_status", "provider_id", "status", "hits", "updated_at", "updated_by", "id")
    formats = {"status": cells.badge}
    searched = ("provider_status",)
    narrowed_by = (
        filters.Refers("provider_id", _l("Provider"), Provider, "code"),
        filters.OneOf("status", _l("Makes an invoice"), sorted(VERDICTS)),
    )
    form = NewMappingForm
    edit_form_class = MappingForm
    create_words = _l("Add a word")
    create_role = edit_role = remove_role = MAY_MAP
    list_template = "kuvert/admin/mappings.html"
    intro = _l(
        "A callback says with a word of its provider's what became of an invoice. A word without a"
        " meaning here changes nothing: what came with it waits until somebody adds one."
    )
    empty = _l("No word has a meaning yet. Each new provider brings the usual ones.")

    def create(self, connection: Connection, form: Any) -> UUID:
        """Say what a word means; what waited for it is looked at again."""
        return mappings.add_mapping(
            connection, form.provider_id.data, form.word.data, form.status.data
        )

    def change(self, connection: Connection, row: Row[Any], form: Any) -> None:
        """Give a word another meaning."""
        mappings.edit_mapping(connection, row.id, form.status.data, by(), form.shown_version())

    def remove(self, connection: Connection, row: Row[Any]) -> None:
        """Take the meaning back."""
        mappings.remove_mapping(connection, row.id)

    def overview(self, connection: Connection, wanted: listing.Wanted) -> dict[str, Any]:  # noqa: ARG002
        """Show the words that wait."""
        return {"waiting": waiting_words(self, connection)}
