"""`manage.py schedule`: seeing and changing the schedule while it runs."""

import io
from typing import Any

import pytest
from sqlalchemy import delete

from core.db import reading, unit_of_work
from core.schedules import queries
from core.schedules.rows import SCHEDULES
from core.staff import command_line_user
from tests.support.console import Console, Done


@pytest.fixture(autouse=True)
def one(console: Console) -> None:
    """One schedule, `job`, of every full hour in Stockholm."""
    with unit_of_work() as connection:
        connection.execute(delete(SCHEDULES))
    done = schedule(
        console,
        *("add", "job", "--task", "tasks.getTotalInvoices", "--crontab", "0 * * * *"),
        *("--timezone", "Europe/Stockholm"),
    )
    assert done.code == 0, done.err


def schedule(console: Console, *arguments: object) -> Done:
    return console("schedule", *arguments)


def shown(console: Console) -> dict[str, Any]:
    found: dict[str, Any] = schedule(console, "show", "job", "--json").json()
    return found


def test_the_list_says_when_and_who_leads(console: Console) -> None:
    done = schedule(console, "list")

    assert "job" in done.out
    assert "Europe/Stockholm" in done.out
    assert "No beat leads: nothing runs until one is started." in done.err


def test_the_list_in_json(console: Console) -> None:
    [line] = schedule(console, "list", "--json").json()

    assert line["name"] == "job"
    assert line["state"] == "on"
    assert line["next"].split()[-1] in {"CET", "CEST"}


def test_an_interval_needs_no_kind(console: Console) -> None:
    done = schedule(console, "add", "often", "--task", "tasks.getDueStatuses", "--every", "30")

    assert done.code == 0, done.err
    with reading() as connection:
        row = queries.find(connection, "often")
    assert (row.kind, row.every_seconds) == ("interval", 30)


def test_a_single_run_is_read_in_its_zone(console: Console) -> None:
    done = schedule(
        console,
        *("add", "once", "--task", "tasks.getDueStatuses"),
        *("--at", "2999-07-01T09:00", "--timezone", "Europe/Stockholm"),
    )

    assert done.code == 0, done.err
    with reading() as connection:
        assert queries.find(connection, "once").at.hour == 7


def test_an_edit_says_what_it_moves(console: Console) -> None:
    done = schedule(console, "edit", "job", "--crontab", "30 * * * *", "--comment", "half past")

    assert done.out.startswith("next run moves from ")
    assert done.out.rstrip().endswith("nothing runs now")
    [change, _] = shown(console)["changes"]
    assert change["actor"] == command_line_user()
    assert change["comment"] == "half past"


def test_an_edit_may_turn_off_and_on(console: Console) -> None:
    schedule(console, "edit", "job", "--disable")
    [line] = schedule(console, "list", "--json").json()
    assert (line["state"], line["next"]) == ("off", "never")

    schedule(console, "edit", "job", "--enable")

    [line] = schedule(console, "list", "--json").json()
    assert line["state"] == "on"


def test_an_edit_of_a_time_is_read_in_the_schedules_own_zone(console: Console) -> None:
    schedule(console, "edit", "job", "--start", "2999-07-01T09:00")

    with reading() as connection:
        assert queries.find(connection, "job").start_at.hour == 7


def test_an_edit_of_nothing_is_a_mistake(console: Console) -> None:
    done = schedule(console, "edit", "job")

    assert done.code == 2
    assert "Say what to change" in done.err


def test_two_kinds_at_once_are_a_mistake(console: Console) -> None:
    done = schedule(console, "edit", "job", "--every", "30", "--crontab", "0 * * * *")

    assert done.code == 2
    assert "one of --every, --crontab and --at" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("edit", "job", "--crontab", "61 * * * *"), "61 is outside 0-59"),
        (("edit", "job", "--timezone", "Mars/Base"), "Mars/Base"),
        (("edit", "job", "--task", "tasks.nothing"), "tasks.nothing"),
        (("edit", "job", "--args", "[oops"), "not JSON"),
        (("edit", "job", "--start", "tomorrow"), "'tomorrow' is no time"),
        (("show", "nobody"), "no schedule is called nobody"),
        (("pause", "job", "--reason", "x", "--until", "2001-01-01"), "past"),
        (("undo", "job"), "nothing of job was changed"),
        (("add", "job", "--task", "tasks.getDueStatuses", "--every", "5"), "already"),
    ],
)
def test_a_refusal_is_one_line(console: Console, arguments: tuple[str, ...], words: str) -> None:
    done = schedule(console, *arguments)

    assert done.code != 0
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err


def test_pause_and_resume(console: Console) -> None:
    assert schedule(console, "pause", "job", "--reason", "year's end").code == 0
    [line] = schedule(console, "list", "--json").json()
    assert (line["state"], line["next"]) == ("paused", "never")

    done = schedule(console, "resume", "job")

    assert done.out.startswith("job runs next at ")
    [line] = schedule(console, "list", "--json").json()
    assert line["state"] == "on"


def test_a_pause_needs_a_reason(console: Console) -> None:
    assert schedule(console, "pause", "job").code == 2


def test_run_and_history(console: Console) -> None:
    done = schedule(console, "run", "job", "--reason", "asked for")

    assert done.out.endswith("as soon as beat looks\n")
    [run] = schedule(console, "history", "job", "--json").json()
    assert (run["reason"], run["state"], run["note"]) == ("manual", "claimed", "asked for")
    assert run["actor"] == command_line_user()


def test_skip(console: Console) -> None:
    before = shown(console)["next_slot_at"]

    done = schedule(console, "skip", "job", "--reason", "a holiday")

    assert done.out.startswith("job runs next at ")
    after = shown(console)
    assert after["next_slot_at"] > before
    [run] = after["runs"]
    assert (run["state"], run["slot_at"]) == ("skipped", before)


def test_undo(console: Console) -> None:
    schedule(console, "edit", "job", "--crontab", "30 * * * *")

    assert schedule(console, "undo", "job").code == 0

    assert shown(console)["crontab"] == "0 * * * *"


def test_a_broken_row_is_shown_as_broken(console: Console) -> None:
    with unit_of_work() as connection:
        connection.exec_driver_sql("UPDATE schedules SET timezone = 'Mars/Base', error = 'bad'")

    [line] = schedule(console, "list", "--json").json()

    assert (line["when"], line["state"], line["alarm"]) == ("broken", "broken", "bad")
    assert schedule(console, "show", "job").code == 0


def test_silence(console: Console) -> None:
    with unit_of_work() as connection:
        connection.exec_driver_sql("UPDATE schedules SET alarm = '3 missed'")
    listed = schedule(console, "list")
    assert "3 missed" in listed.out
    assert "schedule silence NAME" in listed.err

    done = schedule(console, "silence", "job", "--comment", "seen")

    assert done.out == "the alarm of job is taken back\n"
    assert schedule(console, "silence", "job").out == "job has no alarm\n"
    assert "silence NAME" not in schedule(console, "list").err


def test_delete_asks_first(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert schedule(console, "delete", "job").code != 0
    assert len(schedule(console, "list", "--json").json()) == 1

    done = schedule(console, "delete", "job", "--yes", "--comment", "not needed")

    assert done.out == "job is deleted\n"
    assert schedule(console, "list", "--json").json() == []
    assert schedule(console, "history", "job").code == 0


def test_what_is_built_in_is_not_deleted(console: Console) -> None:
    with unit_of_work() as connection:
        connection.exec_driver_sql("UPDATE schedules SET origin = 'builtin'")

    done = schedule(console, "delete", "job", "--yes")

    assert done.code != 0
    assert "job is built in; turn it off instead" in done.err


def test_an_unreadable_row_is_listed_as_broken(console: Console) -> None:
    with unit_of_work() as connection:
        connection.exec_driver_sql("UPDATE schedules SET created_at = 'yesterday'")

    [line] = schedule(console, "list", "--json").json()

    assert (line["name"], line["state"]) == ("job", "broken")
    assert "yesterday" in line["alarm"]
    assert "cannot be read" in schedule(console, "show", "job").err
