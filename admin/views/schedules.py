"""The schedule: when Kuvert does what, what came of it, and who changed it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import abort, make_response, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row, select
from wtforms.validators import DataRequired

from admin import cells
from admin.access import Role, who
from admin.acts import Act, ActForm, ReasonedForm
from admin.forms import AdminForm, LocalTimeField, TextField
from admin.labels import label
from admin.rows import spread
from admin.schedule_form import FIELD_OF, NewScheduleForm, ScheduleForm, zones
from admin.view import DeskView
from core.db import reading
from core.editing import By
from core.errors import Finding, InputError
from core.schedules import books, edits, history, queries, services
from core.schedules.models import Origin, Schedule

SCHEDULES = Schedule.__table__
DAY = timedelta(hours=24)
SHOWN_RUNS = 50
SHOWN_CHANGES = 20
MOST_MARKS = 100
"""Marks in a line of the chart; what runs more often is drawn as one band."""


class PauseForm(ActForm):
    """Why it is paused, and until when."""

    reason = TextField(_l("Reason"), 500, DataRequired(_l("say why it is paused")))
    until = LocalTimeField(_l("Until"), description=_l("empty: until somebody resumes it"))


def _name(connection: Connection, key: UUID) -> str:
    return str(connection.scalar(select(SCHEDULES.c.name).where(SCHEDULES.c.id == key)))


def _by(form: Any) -> By:
    return By(who(), form.reason.data if "reason" in form else None)


def _run(connection: Connection, key: UUID, form: Any) -> object:
    return services.run_now(connection, _name(connection, key), _by(form))


def _pause(connection: Connection, key: UUID, form: Any) -> object:
    services.pause(connection, _name(connection, key), _by(form), form.until.data)
    return key


def _resume(connection: Connection, key: UUID, form: Any) -> object:
    services.resume(connection, _name(connection, key), _by(form))
    return key


def _skip(connection: Connection, key: UUID, form: Any) -> object:
    return services.skip_next(connection, _name(connection, key), _by(form))


def _undo(connection: Connection, key: UUID, form: Any) -> object:
    return edits.undo(connection, _name(connection, key), _by(form))


def _silence(connection: Connection, key: UUID, form: Any) -> object:
    return services.silence(connection, _name(connection, key), _by(form))


ACTS = (
    Act(
        name="run",
        label=_l("Run now"),
        question=_l("It runs once more at once; its next run stays where it is."),
        role=Role.OPERATOR,
        run=_run,
        form=ReasonedForm,
    ),
    Act(
        name="pause",
        label=_l("Pause"),
        question=_l("Nothing runs until then; what is under way finishes."),
        role=Role.OPERATOR,
        run=_pause,
        form=PauseForm,
        fits=lambda row: row.paused_at is None,
    ),
    Act(
        name="resume",
        label=_l("Resume"),
        question=_l("It runs again from now on. What passed while it was paused is not caught up."),
        role=Role.OPERATOR,
        run=_resume,
        fits=lambda row: row.paused_at is not None,
    ),
    Act(
        name="skip",
        label=_l("Skip the next run"),
        question=_l("The next run is left out, and the history says so."),
        role=Role.OPERATOR,
        run=_skip,
        form=ReasonedForm,
        fits=lambda row: row.next_slot_at is not None,
    ),
    Act(
        name="undo",
        label=_l("Undo the last change"),
        question=_l("The fields get the values they had before; nothing runs now."),
        role=Role.APPROVER,
        run=_undo,
    ),
    Act(
        name="silence",
        label=_l("Take the alarm back"),
        question=_l("The alarm is taken back; the history keeps what happened."),
        role=Role.OPERATOR,
        run=_silence,
        fits=lambda row: bool(row.alarm),
    ),
)


def _said(name: str) -> dict[str, object]:
    """Return what can be chosen in a field of the form, and in which words."""
    return {one.value: one.label for one in getattr(ScheduleForm, name).kwargs["choices"]}


class Schedules(DeskView):
    """When Kuvert does what. Saving never runs anything; beat obeys within two seconds."""

    model = Schedule
    title_column = "name"
    columns = ("name",)
    hidden = frozenset({"plan_number", "is_planned", "next_due_at"})
    details = (
        "description",
        "task",
        "args",
        "crontab",
        "every_seconds",
        "timezone",
        "start_at",
        "end_at",
        "catchup",
        "catchup_window_seconds",
        "overlap",
        "max_run_seconds",
        "expires_seconds",
        "jitter_seconds",
        "pause_reason",
        "paused_until",
        "updated_at",
        "updated_by",
        "id",
    )
    formats = {"catchup": cells.words(_said("catchup")), "overlap": cells.words(_said("overlap"))}
    acts = ACTS
    form = NewScheduleForm
    edit_form_class = ScheduleForm
    create_words = _l("Add a schedule")
    create_role = Role.APPROVER
    edit_role = Role.APPROVER
    remove_role = Role.APPROVER
    list_template = "kuvert/admin/schedules.html"
    details_template = "kuvert/admin/schedule.html"
    create_template = "kuvert/admin/schedule_form.html"
    edit_template = "kuvert/admin/schedule_form.html"

    @expose("/")
    def index_view(self) -> str:
        """Show all schedules, and a chart of the coming day."""
        with reading() as connection:
            lines = queries.lines(connection)
            coming = queries.coming(connection)
            beat = queries.beat_status(connection)
            found = connection.execute(select(SCHEDULES.c.name, SCHEDULES.c.id))
            ids = {row.name: row.id for row in found}
        start = cells.now()
        return self.render(
            self.list_template,
            lines=lines,
            ids=ids,
            beat=beat,
            chart=[(item.name, _places(item.slots, start)) for item in coming],
            most=MOST_MARKS,
            hours=[start.astimezone(cells.zone()) + timedelta(hours=n) for n in range(0, 25, 3)],
        )

    def get_one(self, id: Any) -> Row[Any]:  # noqa: A002
        """Return a schedule, whole."""
        try:
            key = UUID(str(id[0] if isinstance(id, list) else id))
        except (ValueError, IndexError):
            abort(404)
        with reading() as connection:
            name = connection.scalar(select(SCHEDULES.c.name).where(SCHEDULES.c.id == key))
            if name is None:
                abort(404)
            return queries.find(connection, name)

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Return a schedule in words, its coming runs, its runs so far and who changed it."""
        timing = queries.timing_or_none(row)
        shown = edits.draft(connection, row.name, {}) if timing else None
        return {
            "line": queries.line(connection, row.name),
            "preview": shown.preview if shown else None,
            "runs": history.history(connection, row.name, SHOWN_RUNS),
            "changes": [
                (change, _fields(change))
                for change in history.changes(connection, row.name, SHOWN_CHANGES)
            ],
        }

    def create_form(self, obj: Any = None) -> AdminForm:
        """Begin with the desk's own zone."""
        form = super().create_form(obj)
        if request.method == "GET":
            form.timezone.data = cells.zone().key
        self._template_args["zones"] = zones()
        return form

    def edit_form(self, obj: Any = None) -> AdminForm:
        """Show a stored schedule in the words of the form."""
        form: ScheduleForm = super().edit_form(obj)
        shown = {name: form[name].data for name in form.data} if request.method == "POST" else None
        form.load(obj)
        for name, value in (shown or {}).items():
            if name in form:
                form[name].data = value
        self._template_args["zones"] = zones()
        return form

    def create(self, connection: Connection, form: Any) -> UUID:
        """Add a schedule; it runs first at its next slot."""
        with _named():
            by = By(who(), form.comment.data)
            return edits.add(connection, form.name.data, form.values(), by)

    def change(self, connection: Connection, row: Row[Any], form: Any) -> object:
        """Change a schedule; nothing runs now."""
        with _named():
            by = By(who(), form.comment.data)
            return edits.edit(connection, row.name, form.values(), by, form.shown_version())

    def is_removable(self, row: Row[Any]) -> bool:
        """Tell whether staff added it."""
        return bool(row.origin == Origin.STAFF)

    def remove(self, connection: Connection, row: Row[Any]) -> object:
        """Delete a schedule that staff added; a built-in one can only be turned off."""
        services.remove(connection, row.name, By(who()))
        return row.id

    @expose("/preview/", methods=("POST",))
    def preview_view(self) -> ResponseReturnValue:
        """Say what saving the form would do, without saving it."""
        key = request.args.get("id")
        row = self.get_one(key) if key else None
        form: Any = self.edit_form(row) if row else self.create_form()
        problems, draft = [], None
        try:
            with reading() as connection, _named():
                draft = edits.draft(connection, row.name if row else None, form.values())
        except InputError as error:
            spread(error, form)
            problems = [(str(f.label.text), f.errors) for f in form if f.errors]
        page = self.render(
            "kuvert/admin/schedule_preview.html",
            draft=draft,
            problems=problems,
            sentences=form.form_errors,
        )
        return make_response(page)

    def role_for(self, name: str) -> Role | None:
        """Return the role that a page needs: who edits may also try."""
        return self.edit_role if name == "preview_view" else super().role_for(name)


def _places(slots: tuple[datetime, ...], start: datetime) -> list[tuple[str, datetime]]:
    """Return where each slot stands in a day from `start`, in percent of its width."""
    return [(f"{(slot - start) / DAY * 100:.2f}", slot) for slot in slots]


def _fields(change: Row[Any]) -> list[tuple[str, Any, Any]]:
    """Return what a change made of which field; what was empty and stays so is left out."""
    before, after = books.typed(change.before), books.typed(change.after)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [
        (str(label(name)), cells.plain(before.get(name)), cells.plain(after.get(name)))
        for name in names
    ]


@contextmanager
def _named() -> Iterator[None]:
    """Have what a service finds named as the fields of the form are."""
    try:
        yield
    except InputError as error:
        findings = [_renamed(finding) for finding in error.findings]
        raise InputError(error.detail, findings=findings) from error


def _renamed(finding: Finding) -> Finding:
    name = finding.where.strip("/")
    message = finding.message.removeprefix(f"{name}: ")
    return replace(finding, where=f"/{FIELD_OF.get(name, name)}", message=message)
