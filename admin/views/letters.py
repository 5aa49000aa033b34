"""Letters: the mails that carry invoices, as staff word them, with a preview."""

from typing import Any
from uuid import UUID

from flask import make_response, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row
from wtforms import SelectField, TextAreaField
from wtforms.validators import DataRequired, Length

from admin import cells, filters, listing
from admin.access import Role, by
from admin.base import TableView
from admin.forms import AdminForm, RowField, TextField, VersionedForm, options, printable
from admin.reports import Related
from admin.rows import spread
from admin.view import DeskView
from core.db import reading
from core.errors import KuvertError
from core.security_headers import allow_style_attributes
from invoices.letter_models import LetterTemplate
from invoices.letters import (
    BODY_LENGTH,
    DEFAULT_LANGUAGE,
    LANGUAGES,
    SAMPLE,
    SUBJECT_LENGTH,
    VARIABLES,
    Facts,
    Letter,
    Template,
    builtin,
    check,
    write,
)
from invoices.models import Source
from invoices.services import letters

MAY_WORD = Role.APPROVER
_WIDE = {"spellcheck": "false", "dir": "auto"}


class LetterForm(VersionedForm):
    """What a letter says."""

    subject = TextField(_l("Subject"), SUBJECT_LENGTH, DataRequired())
    text = TextAreaField(
        _l("Text"),
        [DataRequired(), Length(max=BODY_LENGTH), printable],
        render_kw={"rows": 18, **_WIDE},
        description=_l("An empty line begins a new paragraph."),
    )
    html = TextAreaField(
        _l("HTML"),
        [Length(max=BODY_LENGTH), printable],
        render_kw={"rows": 6, **_WIDE},
        description=_l("Leave it empty to have it made from the text."),
    )
    invoice = TextField(
        _l("Show it with the invoice"),
        64,
        description=_l("a number or an id; an invented invoice while this is empty. Not saved."),
    )

    def template(self, language: str) -> Template:
        """Return the template that the form holds."""
        return Template(
            self.subject.data or "", self.text.data or "", self.html.data or None, language
        )


class NewLetterForm(LetterForm):
    """A new letter; whose it is and its language stay."""

    source_id = RowField(_l("Source"), Source, "name", _l("all other sources"))
    language = SelectField(_l("Language"), choices=lambda: options(LANGUAGES.items()))


def _language(view: TableView, context: object, row: Row[Any], name: str) -> str:  # noqa: ARG001
    return LANGUAGES.get(row.language, row.language)


def _source(view: TableView, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    if row.source_id is None:
        return _("all other sources")
    shown = listing.name_of(view.references[name], row.source_id, listing.names_here())
    return cells.link(view.get_url("source.details_view", id=row.source_id), shown)


class Letters(DeskView):
    """Every letter that staff have worded, and those that count where they have not."""

    model = LetterTemplate
    title_column = "subject"
    hidden = frozenset({"scope"})
    columns = ("language", "source_id", "subject", "updated_at")
    details = (
        "language",
        "source_id",
        "subject",
        "created_at",
        "updated_at",
        "updated_by",
        "id",
    )
    more_columns = ("text", "html")
    formats = {"language": _language, "source_id": _source}
    searched = ("subject",)
    narrowed_by = (
        filters.OneOf("language", _l("Language"), tuple(LANGUAGES)),
        filters.Refers("source_id", _l("Source"), Source, "name"),
    )
    form = NewLetterForm
    edit_form_class = LetterForm
    create_words = _l("Word a letter")
    create_role = edit_role = remove_role = MAY_WORD
    list_template = "kuvert/admin/letters.html"
    details_template = "kuvert/admin/letter.html"
    create_template = edit_template = "kuvert/admin/letter_form.html"
    intro = _l(
        "A mail that carries an invoice is worded here. The letter of the invoice's source in the"
        " wanted language counts first, then the source's own in its usual language, then the one"
        " for all sources, then ours."
    )
    empty = _l("Nobody has worded one yet: ours count.")

    def create_form(self, obj: Any = None) -> AdminForm:
        """Begin with our own words in the language that was asked for."""
        form: AdminForm = super().create_form(obj)
        allow_style_attributes()
        self._template_args["variables"] = VARIABLES
        if request.method == "GET" and not form["text"].data:
            ours = builtin(form["language"].data or DEFAULT_LANGUAGE)
            form["subject"].data, form["text"].data = ours.subject, ours.text
        return form

    def edit_form(self, obj: Any = None) -> AdminForm:
        """Show a letter as it was written."""
        allow_style_attributes()
        self._template_args["variables"] = VARIABLES
        form: AdminForm = super().edit_form(obj)
        return form

    def create(self, connection: Connection, form: Any) -> UUID:
        """Keep a new letter."""
        template = form.template(form.language.data)
        return letters.add_template(connection, template, form.source_id.data)

    def change(self, connection: Connection, row: Row[Any], form: Any) -> None:
        """Word a letter anew."""
        wanted = form.template(row.language)
        values = {"subject": wanted.subject, "text": wanted.text, "html": wanted.html}
        letters.edit_template(connection, row.id, values, by(), form.shown_version())

    def remove(self, connection: Connection, row: Row[Any]) -> None:
        """Take a letter away; the next that fits counts."""
        letters.remove_template(connection, row.id)

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Show the letter as it would be of an invented invoice."""
        allow_style_attributes()
        letter, problems = _tried(Template(row.subject, row.text, row.html, row.language), SAMPLE)
        return {"letter": letter, "notes": [("danger", one) for one in problems]}

    def overview(self, connection: Connection, wanted: listing.Wanted) -> dict[str, Any]:  # noqa: ARG002
        """Show our own letters, and the way to begin with one."""
        ours = [one for one in map(builtin, LANGUAGES) if one.language != DEFAULT_LANGUAGE]
        rows = [
            (LANGUAGES[one.language], one.subject, self._way_to_begin(one.language))
            for one in (builtin(DEFAULT_LANGUAGE), *ours)
        ]
        heads = (_l("Language"), _l("Subject"), _l("Word it"))
        return {"ours": Related(title=_l("Our own letters"), heads=heads, rows=rows, empty="")}

    def _way_to_begin(self, language: str) -> Any:
        if not self.can_create:
            return _("for approvers")
        url = self.get_url(".create_view", language=language)
        return cells.link(url, _("Begin with this"))

    @expose("/preview/", methods=("POST",))
    def preview_view(self) -> ResponseReturnValue:
        """Show the letter of an invoice as the form words it, without saving it."""
        key = request.args.get("id")
        row = self.get_one(key) if key else None
        form: Any = self.edit_form(row) if row else self.create_form()
        template = form.template(row.language if row else form.language.data)
        letter = None
        try:
            facts = _facts(form.invoice.data)
            check(template)
            letter = write(template, facts)
        except KuvertError as error:
            spread(error, form)
        page = self.render(
            "kuvert/admin/letter_preview.html",
            letter=letter,
            problems=[(str(one.label.text), one.errors) for one in form if one.errors],
            sentences=form.form_errors,
        )
        return make_response(page)

    def role_for(self, name: str) -> Role | None:
        """Return the role that a page needs: who words letters may also try them."""
        return self.edit_role if name == "preview_view" else super().role_for(name)


def _facts(wanted: str | None) -> Facts:
    """Return what the letter of an invoice may say; None: of an invented one."""
    if not wanted:
        return SAMPLE
    with reading() as connection:
        draft = letters.draft(connection, letters.find_invoice(connection, wanted))
    return draft.facts()


def _tried(template: Template, facts: Facts) -> tuple[Letter | None, list[str]]:
    """Write a letter; one that was kept long ago may break a rule of today."""
    try:
        return write(template, facts), []
    except KuvertError as error:
        return None, [error.detail]
