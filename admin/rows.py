"""One row: its page, its forms, and taking it away, all through services."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from flask import Response, abort, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import gettext as _
from sqlalchemy import Connection, Row
from wtforms import SelectField

from admin import cells
from admin.access import is_fragment
from admin.acts import ActForm
from admin.addresses import way_back
from admin.forms import AdminForm, VersionedForm
from admin.lists import ListView
from admin.reports import Made, Report
from core.actor import because
from core.db import fresh_unit_of_work, let_go, reading
from core.errors import ChangedError, KuvertError


class RowView(ListView):
    """The page of one row, and its forms.

    The parts of DeskView stand in one line: Flask-Admin copies the pages of a class into each that
    inherits, so that of two side by side the first would hide what the second has changed.
    """

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """Show one row."""
        row = self.get_one(request.args.get("id", ""))
        with reading() as connection:
            about = self.about(connection, row)
        return self.render(
            self.details_template,
            row=row,
            called=self.called(row),
            details_columns=[
                (name, words) for name, words in self._details_columns if name in self.table.c
            ],
            get_value=self.get_detail_value,
            offered=[act for act in self.offered() if act.fits(row)],
            return_url=self._back(),
            **about,
        )

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """Add a row."""
        form = self.create_form()
        if request.method == "POST" and form.validate():
            made = self._attempt(
                form, lambda connection: self.create(connection, form), self.before
            )
            if isinstance(made, Made):
                return self.show_reports([made.report], self._page_of(made.id))
            if made is not None:
                flash(_("Added."), "success")
                return redirect(self._page_of(made))
        return self._form_page(self.create_template, form, None)

    def create_form(self, obj: Any = None) -> AdminForm:
        """Return an empty form; a link may bring values for it."""
        form: AdminForm = super().create_form(obj)
        if request.method == "GET":
            for name in form.data.keys() & request.args.keys() - {"url", "csrf_token"}:
                form[name].process(request.args)
        return form

    def show_reports(self, reports: Sequence[Report], back: str) -> Response:
        """Show what came of something; in the dialog, where that asked for it.

        The page takes the address that it leads on to, so that a reload does nothing again.
        """
        page = self.render(
            self.report_template, reports=reports, return_url=back, is_fragment=is_fragment()
        )
        return make_response(page)

    def _page_of(self, key: UUID) -> str:
        return self.get_url(".details_view", id=key)

    def _back(self) -> str:
        # Of the address alone: forms may have a field of that name.
        there = way_back() if "url" in request.args else None
        return there or self.get_url(".index_view")

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """Change a row; of two who change it at once, the second is shown both versions."""
        row = self.get_one(request.args.get("id", ""))
        if not self.is_editable(row):
            abort(409, _("%(name)s cannot be changed any more", name=self.called(row)))
        form = self.edit_form(obj=row)
        if request.method == "POST" and form.validate():
            done = self._attempt(
                form, lambda connection: self.change(connection, row, form) or True, self.before
            )
            if done is not None:
                flash(_("Saved."), "success")
                return redirect(self._page_of(row.id))
            if form.conflict is not None:
                row = self.get_one(str(row.id))
        return self._form_page(self.edit_template, form, row)

    def _attempt(
        self,
        form: AdminForm,
        work: Callable[[Connection], Any],
        before: Callable[[AdminForm], object] | None = None,
    ) -> Any:
        """Do `work` in a transaction; what the service refuses goes to the fields it names."""
        try:
            if before is not None:
                let_go()
                before(form)
            with because(form.why()), fresh_unit_of_work() as connection:
                return work(connection)
        except ChangedError as error:
            form.conflict = error
        except KuvertError as error:
            spread(error, form)
        return None

    def _form_page(self, template: str, form: AdminForm, row: Row[Any] | None) -> Response:
        theirs = {}
        if form.conflict is not None and row is not None and isinstance(form, VersionedForm):
            theirs = self._differences(form, row)
            form.version.data = str(row.version)
            form.version.raw_data = None
        page = self.render(
            template,
            form=form,
            row=row,
            called=self.called(row) if row is not None else "",
            theirs=theirs,
            return_url=self._back(),
        )
        # 200, as Flask-Admin has it: browsers report a page with 422 as one that failed.
        return make_response(page)

    def _differences(self, form: AdminForm, row: Row[Any]) -> dict[str, tuple[Any, Any]]:
        """Return the fields whose stored value is not the one in the form: stored, ours."""
        mapping = row._mapping
        return {
            str(field.label.text): (shown(field, mapping[field.name]), shown(field, field.data))
            for field in form
            if field.name in mapping
            and field.name != "version"
            and mapping[field.name] != field.data
        }

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> ResponseReturnValue:
        """Remove a row, once that was confirmed."""
        row = self.get_one(request.form.get("id", ""))
        form = ActForm()
        if request.form.get("confirmed") != "yes":
            return self.render(
                self.confirm_template,
                form=form,
                title=_("Remove %(name)s?", name=self.called(row)),
                question=_("This cannot be taken back."),
                target=self.get_url(".delete_view"),
                fields={"id": [str(row.id)]},
                button=_("Remove"),
                is_dangerous=True,
                counts={},
                rows=[],
                is_fragment=is_fragment(),
                return_url=self.get_url(".index_view"),
            )
        if form.validate():
            self._attempt(form, lambda connection: self.remove(connection, row) or True)
        for sentence in form.form_errors or []:
            flash(sentence, "danger")
        if not form.errors:
            flash(_("Removed: %(name)s", name=self.called(row)), "success")
        return redirect(self.get_url(".index_view"))


def shown(field: Any, value: Any) -> Any:
    """Show a value of a field: what was chosen by its words."""
    if not isinstance(field, SelectField):
        return cells.plain(value)
    return next((one.label for one in field.choices if field.coerce(one.value) == value), value)


def spread(error: KuvertError, form: AdminForm) -> None:
    """Put what a service found beside the fields it names, the rest above the form."""
    left = []
    for finding in error.findings:
        name = finding.where.strip("/").split("/")[0]
        if name in form:
            message = finding.message.removeprefix(f"{name}: ")  # its label says so
            form[name].errors = [*form[name].errors, message]
        else:
            left.append(finding.message)
    if left or not error.findings:
        form.form_errors.extend(left or [error.detail])
