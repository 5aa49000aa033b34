"""Acts on rows that were ticked: ask first, then do it row by row and say what came of it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response, abort, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import Connection, LargeBinary, Row, select

from admin.access import Role, holds, is_fragment, refusal, stale
from admin.acts import (
    MANY_ROWS,
    MOST_ROWS,
    Act,
    ActForm,
    Outcome,
    carry_out,
    counted,
    foreseen,
)
from admin.addresses import way_back
from admin.rows import RowView
from core.db import reading
from core.errors import ConflictError


class ActView(RowView):
    """What staff do to rows beside editing them."""

    @expose("/action/", methods=("POST",))
    def action_view(self) -> ResponseReturnValue:
        """Do an act to the rows that were ticked: ask first, then do it and say what came of it."""
        act = next((act for act in self.acts if act.name == request.form.get("action")), None)
        if act is None:
            abort(404)
        refused = refusal(act.role) or (stale(act.role) if act.needs_fresh else None)
        if refused is not None:
            return refused
        rows = self._chosen()
        back = way_back() or self.get_url(".index_view")
        problem = _too_few_or_many(act, len(rows))
        if problem:
            flash(problem, "warning")
            return redirect(back)
        form = act.form()
        is_confirmed = request.form.get("confirmed") == "yes"
        if not is_confirmed or not form.validate():
            return self._ask(act, rows, form, back)
        check = self._counted_on(act.counter) if act.counter else None
        outcome = carry_out(act, self._named(rows), form, check)
        _tell(outcome)
        return self.show_reports(outcome.reports, back) if outcome.reports else redirect(back)

    def _counted_on(self, counter: str) -> Callable[[Connection, UUID], None]:
        """Return what refuses a row that has moved between the question and the answer."""
        seen = dict(zip(request.form.getlist("rowid"), request.form.getlist("seen"), strict=False))

        def check(connection: Connection, key: UUID) -> None:
            columns = self.table.c
            before = select(columns[counter] - 1).where(columns.id == key)
            if str(key) in seen and seen[str(key)] != str(connection.scalar(before)):
                raise ConflictError(_("it has changed since you were asked; look at it again"))

        return check

    def _named(self, rows: list[Row[Any]]) -> list[tuple[UUID, str]]:
        return [(row.id, self.called(row)) for row in rows]

    def _chosen(self) -> list[Row[Any]]:
        """Return the rows that were ticked; one more than MOST_ROWS tells that it is too many."""
        keys = []
        for text in request.form.getlist("rowid")[: MOST_ROWS + 1]:
            try:
                keys.append(UUID(text))
            except ValueError:
                abort(400, _("%(text)s is no id", text=text[:40]))
        if not keys:
            return []
        columns = [column for column in self.table.columns if column.name not in self.withheld]
        columns = [column for column in columns if not isinstance(column.type, LargeBinary)]
        statement = select(*columns).where(self.table.c.id.in_(keys), *self.clauses())
        with reading() as connection:
            return list(connection.execute(statement.order_by(self.table.c.id)))

    def _ask(self, act: Act, rows: list[Row[Any]], form: ActForm, back: str) -> Response:
        page = self.render(
            self.confirm_template,
            form=form,
            title=act.label,
            question=act.question,
            target=self.get_url(".action_view"),
            fields={
                "action": [act.name],
                "rowid": [str(row.id) for row in rows],
                "seen": [str(row._mapping[act.counter]) for row in rows] if act.counter else [],
                "url": [back],
            },
            button=act.label,
            is_dangerous=act.is_dangerous,
            counts=counted(act, rows),
            rows=[self.called(row) for row in rows],
            foreseen=foreseen(act, self._named(rows)),
            is_fragment=is_fragment(),
            return_url=back,
        )
        return make_response(page)


def _too_few_or_many(act: Act, count: int) -> str | None:
    """Say why an act cannot be done to so many rows; None when it can."""
    if not count:
        return _("Tick the rows first.")
    if count > 1 and not act.is_for_many:
        return _("This is done to one row at a time.")
    if count > MOST_ROWS:
        return _("At most %(count)s rows at once; narrow the list.", count=f"{MOST_ROWS:,}")
    if count > MANY_ROWS and not holds(Role.APPROVER):
        return _("More than %(count)s rows at once are for approvers.", count=MANY_ROWS)
    return None


def _tell(outcome: Outcome) -> None:
    """Say what an act did; a report says so itself."""
    if outcome.done > len(outcome.reports):
        flash(ngettext("Done for %(num)s row.", "Done for %(num)s rows.", outcome.done), "success")
    for name, why in outcome.refused[:10]:
        flash(f"{name}: {why}", "danger")
    if len(outcome.refused) > 10:  # noqa: PLR2004
        flash(_("and %(count)s more were refused", count=len(outcome.refused) - 10), "danger")
