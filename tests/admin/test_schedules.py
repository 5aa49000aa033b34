"""The schedule editor: the list, the form in its four ways, the preview, acts, who changed what."""

from collections.abc import Mapping

import pytest
from sqlalchemy import select

from core.db import reading
from core.schedules.models import Schedule, ScheduleRun
from tests.admin.conftest import Person

pytestmark = pytest.mark.pages

SCHEDULES = Schedule.__table__

FORM: Mapping[str, object] = {
    "name": "nightly",
    "task": "tasks.getTotalInvoices",
    "args": "[]",
    "way": "weekly",
    "weekdays": ["1", "2"],
    "time": "23:00",
    "every": "5",
    "unit": "60",
    "timezone": "Europe/Stockholm",
    "is_enabled": "y",
    "catchup": "latest",
    "catchup_window_seconds": "3600",
    "overlap": "allow",
    "max_run_seconds": "3600",
    "jitter_seconds": "0",
    "comment": "the books close then",
}


def _id(name: str) -> str:
    with reading() as connection:
        return str(connection.scalar(select(SCHEDULES.c.id).where(SCHEDULES.c.name == name)))


def _crontab(name: str) -> str | None:
    with reading() as connection:
        return connection.scalar(select(SCHEDULES.c.crontab).where(SCHEDULES.c.name == name))


def _add(admin: Person, **changes: object) -> str:
    answer = admin.post("/admin/schedule/new/", **{**FORM, **changes})
    assert answer.status_code == 302, answer.get_data(as_text=True)
    return _id(str(changes.get("name", "nightly")))


def _version(admin: Person, key: str) -> str:
    html = admin.text(f"/admin/schedule/edit/?id={key}")
    return html.split('name="version"')[1].split('value="')[1].split('"')[0]


def test_the_list_shows_each_schedule_in_words(admin: Person) -> None:
    html = admin.text("/admin/schedule/")

    assert "get-total-invoices" in html
    assert "Mondays at 23:00" in html


def test_weekdays_and_a_time_become_a_crontab(admin: Person) -> None:
    key = _add(admin)

    assert _crontab("nightly") == "0 23 * * 1,2"
    html = admin.text(f"/admin/schedule/edit/?id={key}")
    assert 'value="23:00"' in html
    assert html.count("checked") == 4  # weekly, two weekdays, on


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"way": "interval", "every": "15"}, "every 15 minutes"),
        ({"way": "crontab", "crontab": " 30  6 * * MON-FRI "}, "06:30"),
        ({"way": "crontab", "crontab": "@daily"}, "00:00"),
        ({"way": "once", "at": "2199-01-01T09:00"}, "2199-01-01"),
    ],
)
def test_the_preview_says_when_it_runs(
    admin: Person, changes: Mapping[str, object], words: str
) -> None:
    html = admin.post("/admin/schedule/preview/", **{**FORM, **changes}).get_data(as_text=True)

    assert words in html
    assert "<li>" in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"way": "crontab", "crontab": "60 * * * *"}, "minute"),
        ({"way": "crontab", "crontab": "0 0 31 2 *"}, "never"),
        ({"way": "crontab", "crontab": "1-1_0 * * * *"}, "Crontab"),
        ({"way": "interval", "every": "0"}, "Every"),
        ({"way": "interval", "every": "-5"}, "Every"),
        ({"way": "interval", "every": "0.001"}, "Every"),
        ({"way": "interval", "every": "999999999", "unit": "86400"}, "Every"),
        ({"way": "once", "at": "2020-01-01T09:00"}, "At this time"),
        ({"way": "once", "at": "2026-02-30T09:00"}, "At this time"),
        ({"timezone": "Mars/Base"}, "Time zone"),
        ({"time": "25:00"}, "At"),
        ({"weekdays": []}, "On"),
        ({"args": "[oops"}, "Arguments"),
        ({"args": "5"}, "Arguments"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    admin: Person, changes: Mapping[str, object], words: str
) -> None:
    shown = admin.post("/admin/schedule/preview/", **{**FORM, **changes}).get_data(as_text=True)
    saved = admin.post("/admin/schedule/new/", **{**FORM, **changes})

    assert words in shown
    assert "Not yet a schedule" in shown
    assert saved.status_code == 200
    assert "field-wrong" in saved.get_data(as_text=True)
    assert _id("nightly") == "None"


def test_an_unknown_task_is_refused(admin: Person) -> None:
    saved = admin.post("/admin/schedule/new/", **{**FORM, "task": "os.system"})

    assert saved.status_code == 200
    assert _id("nightly") == "None"


def test_an_edit_says_what_moves_and_runs_nothing(admin: Person) -> None:
    key = _add(admin)
    edit = {**FORM, "time": "22:00", "version": _version(admin, key)}

    shown = admin.post(f"/admin/schedule/preview/?id={key}", **edit).get_data(as_text=True)
    answer = admin.post(f"/admin/schedule/edit/?id={key}", **edit)

    assert "nothing runs now" in shown
    assert answer.status_code == 302
    assert _crontab("nightly") == "0 22 * * 1,2"
    with reading() as connection:
        assert connection.execute(select(ScheduleRun.__table__)).all() == []
    assert "the books close then" in admin.text(f"/admin/schedule/details/?id={key}")


def test_the_second_of_two_editors_is_told_and_overwrites_nothing(admin: Person) -> None:
    key = _add(admin)
    version = _version(admin, key)
    admin.post(f"/admin/schedule/edit/?id={key}", **{**FORM, "time": "22:00", "version": version})

    late = admin.post(
        f"/admin/schedule/edit/?id={key}", **{**FORM, "time": "21:00", "version": version}
    )

    html = late.get_data(as_text=True)
    assert "Somebody else has changed this" in html
    assert "admin@example.com" in html
    assert _crontab("nightly") == "0 22 * * 1,2"


def test_a_builtin_keeps_its_task_and_cannot_be_removed(admin: Person) -> None:
    key = _id("get-total-invoices")
    edit = {**FORM, "task": "tasks.sendInvoice", "version": _version(admin, key)}

    admin.post(f"/admin/schedule/edit/?id={key}", **edit)
    removed = admin.post("/admin/schedule/delete/", id=key, confirmed="yes")

    with reading() as connection:
        row = connection.execute(select(SCHEDULES).where(SCHEDULES.c.name == "get-total-invoices"))
        assert row.one().task == "tasks.getTotalInvoices"
    assert "turn it off instead" in admin.message(removed)


def test_one_of_staff_can_be_removed(admin: Person) -> None:
    key = _add(admin)

    asked = admin.post("/admin/schedule/delete/", id=key)
    admin.post("/admin/schedule/delete/", id=key, confirmed="yes")

    assert "Remove nightly?" in asked.get_data(as_text=True)
    assert _id("nightly") == "None"


def test_acts_ask_first_and_leave_their_trace(admin: Person) -> None:
    key = _add(admin)
    page = "/admin/schedule/action/"

    asked = admin.post(page, action="pause", rowid=key)
    admin.post(page, action="pause", rowid=key, confirmed="yes", reason="year end")
    paused = admin.text(f"/admin/schedule/details/?id={key}")
    admin.post(page, action="resume", rowid=key, confirmed="yes")
    admin.post(page, action="run", rowid=key, confirmed="yes", reason="look")
    admin.post(page, action="skip", rowid=key, confirmed="yes")

    assert "Nothing runs until then" in asked.get_data(as_text=True)
    assert "year end" in paused
    html = admin.text(f"/admin/schedule/details/?id={key}")
    assert "run by hand, admin@example.com" in html
    assert "skipped" in html


def test_undo_takes_the_last_edit_back(admin: Person) -> None:
    key = _add(admin)
    edit = {**FORM, "time": "22:00", "version": _version(admin, key)}
    admin.post(f"/admin/schedule/edit/?id={key}", **edit)

    admin.post("/admin/schedule/action/", action="undo", rowid=key, confirmed="yes")

    assert _crontab("nightly") == "0 23 * * 1,2"


def test_a_broken_row_is_shown_as_broken(admin: Person) -> None:
    from core.db import unit_of_work

    _add(admin)
    with unit_of_work() as connection:
        wrong = {"crontab": "99 * * * *"}
        mine = SCHEDULES.c.name == "nightly"
        connection.execute(SCHEDULES.update().where(mine).values(wrong))

    assert "broken" in admin.text("/admin/schedule/")
    assert "broken" in admin.text(f"/admin/schedule/details/?id={_id('nightly')}")


def test_who_may_not_edit_may_look(viewer: Person) -> None:
    key = _id("get-total-invoices")

    assert viewer.get("/admin/schedule/").status_code == 200
    assert viewer.get(f"/admin/schedule/details/?id={key}").status_code == 200
    assert viewer.get(f"/admin/schedule/edit/?id={key}").status_code == 403
    assert viewer.post("/admin/schedule/preview/", **FORM).status_code == 403
    assert viewer.post("/admin/schedule/action/", action="run", rowid=key).status_code == 403
