"""Bad inputs to the schedule, F18 to F26: each is told at its field, and nothing is saved.

The rows on crontabs were written for Celery's dialect. Ours is Debian cron's, with `@daily` and
the like: docs/operators.md describes it, tests/core/schedules holds it to other programs' tables.
"""

import pytest
from sqlalchemy import select

from core.db import reading
from core.schedules.models import Origin, Schedule
from tests.admin.conftest import Person
from tests.admin.test_schedules import FORM
from tests.support import desk

pytestmark = pytest.mark.pages

SCHEDULES = Schedule.__table__


def preview(admin: Person, **changes: object) -> str:
    """Return what the editor says of a form before it is saved."""
    return admin.post("/admin/schedule/preview/", **{**FORM, **changes}).text


def save(admin: Person, **changes: object) -> str | None:
    """Save a new schedule; return the page when it was refused, None when it was not."""
    answer = admin.post("/admin/schedule/new/", **{**FORM, **changes})
    return answer.text if answer.status_code == 200 else None


def stored() -> list[str]:
    with reading() as connection:
        return list(
            connection.scalars(select(SCHEDULES.c.name).where(SCHEDULES.c.name == "nightly"))
        )


def check_refused(admin: Person, words: str, **changes: object) -> None:
    page = save(admin, **changes)
    assert page is not None
    assert words in page
    assert "field-wrong" in page
    assert words in preview(admin, **changes)
    assert stored() == []


def crontab(expression: str) -> dict[str, str]:
    return {"way": "crontab", "crontab": expression}


def test_f18_a_crontab_that_never_comes_is_refused(admin: Person) -> None:
    check_refused(admin, "never", **crontab("0 0 31 2 *"))


@pytest.mark.parametrize("expression", ["@daily", "0 0 L * *"])
def test_f19_what_celery_does_not_read_we_do(admin: Person, expression: str) -> None:
    """The row expects a refusal, as Celery knows neither; SCHEDULING's dialect accepts both."""
    assert save(admin, **crontab(expression)) is None
    assert stored() == ["nightly"]


def test_f19_a_step_without_a_range_says_how_it_is_written(admin: Person) -> None:
    check_refused(admin, "minute: 5/15 is not understood; use 5-59/15", **crontab("5/15 * * * *"))


def test_f20_the_seventh_day_is_sunday(admin: Person) -> None:
    """The row expects "Sunday is 0", as Celery refuses 7; ours takes both, as cron does."""
    assert "Sunday" in preview(admin, **crontab("0 23 * * 7"))
    assert save(admin, **crontab("0 23 * * 7")) is None


@pytest.mark.parametrize(
    "expression", ["1-1_0 * * * *", "\u0665 * * * *", "0 \u0662\u0663 * * *", "1 * * * \u0667"]
)
def test_f21_other_digits_are_refused(admin: Person, expression: str) -> None:
    page = save(admin, **crontab(expression))

    assert page is not None
    assert "field-wrong" in page
    assert stored() == []


def test_f22_a_day_and_a_weekday_are_both_meant_and_it_is_said(admin: Person) -> None:
    """The row expects Celery's AND ("runs only on Fridays the 13th"); cron and ours take either."""
    page = preview(admin, **crontab("0 0 13 * 5"))

    assert page.count("<li>") == 5
    assert "it runs on days that fit either, OR not AND" in page


@pytest.mark.parametrize(
    ("every", "unit"),
    [("0", "1"), ("-5", "60"), ("0.001", "1"), ("1000000000", "1"), ("32", "86400"), ("", "60")],
)
def test_f23_an_interval_is_from_a_second_to_31_days(admin: Person, every: str, unit: str) -> None:
    page = save(admin, way="interval", every=every, unit=unit)

    assert page is not None
    assert "field-wrong" in page
    assert stored() == []


@pytest.mark.parametrize("task", ["os.system", "tasks.nothing", "", "getTotalInvoices"])
def test_f24_an_unknown_task_is_refused_with_the_list_of_those_there_are(
    admin: Person, task: str
) -> None:
    """Queues follow from the task and cannot be chosen."""
    page = save(admin, task=task)

    assert page is not None
    assert "Not a valid choice" in page
    assert '<option value="tasks.getTotalInvoices">' in page
    assert stored() == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("[oops", "line 1 column 2"),
        ("[NaN]", "not JSON"),
        ("[1e999]", "not JSON"),
        ('{"a": 1}', "list"),
        ("5", "list"),
        ("[1,]", "column"),
    ],
)
def test_f25_arguments_that_are_no_list_are_told_with_their_place(
    admin: Person, args: str, words: str
) -> None:
    page = save(admin, args=args)

    assert page is not None
    assert words in page
    assert "field-wrong" in page
    assert stored() == []


def test_f26_a_builtin_is_turned_off_and_never_removed(admin: Person) -> None:
    assert save(admin) is None
    desk.change(SCHEDULES, origin=str(Origin.BUILTIN))
    key = next(row.id for row in desk.rows(SCHEDULES) if row.name == "nightly")

    answer = admin.post("/admin/schedule/delete/", id=key, confirmed="yes")

    assert "turn it off instead" in admin.message(answer)
    assert stored() == ["nightly"]
    assert "Remove</button>" not in admin.text(f"/admin/schedule/details/?id={key}")
