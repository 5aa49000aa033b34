"""The timer, the command and the task around reading the mailbox."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from callbacks.mailbox import reading
from callbacks.mailbox.protocol import MailboxError
from callbacks.tasks import check_email_inbox
from core import migrations
from core import settings as settings_module
from core.celery_app import KuvertCelery
from core.clock import utcnow
from core.database import Database
from core.db import reading as read_database
from core.db import unit_of_work
from core.schedules import history, queries, rows, runs
from core.schedules.models import Reason, RunState
from core.schedules.running import tracked
from tests.support.console import Console
from tests.support.databases import ENGINES, new_database
from tests.support.mailbox import Client, mail

NAME = "get-failed-callbacks-emails"


@pytest.fixture
def set_url(monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[str]:
    """The mailbox is set, as if by the environment."""
    monkeypatch.setenv("KUVERT_IMAP_URL", url)
    settings_module.current.cache_clear()
    yield url
    monkeypatch.undo()
    settings_module.current.cache_clear()


def run_of_the_schedule(work: Callable[[], object]) -> history.Run:
    """Do the work as a worker does that took a message of beat; returns what is written of it."""
    with unit_of_work() as connection:
        schedule_id = queries.find(connection, NAME).id
        row = runs.new_run(
            schedule_id, utcnow(), Reason.SLOT, RunState.SENT, now=utcnow(), note=None
        )
        connection.execute(runs.RUNS.insert().values(row))
    with contextlib.suppress(MailboxError):
        tracked(str(row["id"]), work)
    with read_database() as connection:
        [run] = history.history(connection, NAME)
    return run


def before_the_mailbox() -> str:
    [ours] = (migrations.FOLDER / "versions").glob("*_the_mailbox.py")
    return f"{int(ours.name[:4]) - 1:04}"


@pytest.mark.parametrize("engine_name", ENGINES)
def test_the_timer_is_there_and_no_upgrade_takes_one_s_own_back(
    engine_name: str, tmp_path: Path
) -> None:
    with new_database(engine_name, tmp_path) as (url, _):
        database = Database(url)
        mine = rows.SCHEDULES.c.name == NAME
        with database.engine.begin() as connection:
            row = connection.execute(select(rows.SCHEDULES).where(mine)).one()
            # One of that name that staff have made before.
            other = {"task": "tasks.getDueStatuses", "every_seconds": 77, "version": 2}
            connection.execute(update(rows.SCHEDULES).where(mine).values(other))

        migrations.downgrade(database, before_the_mailbox())
        migrations.upgrade(database)

        with database.engine.begin() as connection:
            kept = connection.execute(select(rows.SCHEDULES).where(mine)).one()
        database.close()
    assert (kept.every_seconds, kept.version) == (77, 2)
    assert (row.task, row.kind, row.every_seconds) == ("tasks.checkEmailInbox", "interval", 900)
    assert (row.origin, row.is_enabled, row.timezone) == ("builtin", True, "UTC")


def test_a_run_without_a_mailbox_is_done_and_says_so(console: Console) -> None:
    run = run_of_the_schedule(check_email_inbox)

    assert (run.state, run.note) == ("done", "no mailbox is set (KUVERT_IMAP_URL)")
    assert "no mailbox is set (KUVERT_IMAP_URL)" in console("schedule", "show", NAME).out


def test_a_run_says_what_it_read(app: Flask, set_url: str, box: Client) -> None:
    box.put(mail())

    run = run_of_the_schedule(check_email_inbox)

    assert (run.state, run.note) == ("done", "1 new (1 ordinary), 0 processed, 1 unmatched")


def test_a_mailbox_that_refuses_fails_the_run_and_says_why(app: Flask, url: str, user: str) -> None:
    wrong = url.replace("s3cret", "hunter2")

    run = run_of_the_schedule(lambda: reading.check(wrong))

    assert run.state == "failed"
    assert run.note == f"MailboxError: login refused for {user} at localhost, INBOX"


def test_the_task_s_failure_is_no_trace_in_the_log(app: Flask) -> None:
    celery: KuvertCelery = app.extensions["celery"]
    throws = celery.tasks["tasks.checkEmailInbox"].throws

    assert issubclass(MailboxError, throws)


def test_a_check_by_hand_tells_and_shows_its_progress(
    console: Console, set_url: str, box: Client
) -> None:
    box.put(mail("One"), mail("Two"))

    done = console("mail", "check")

    assert done.out == "2 new (2 ordinary), 0 processed, 2 unmatched\n"
    assert done.err == "2 of 2 mails\n"


def test_a_check_in_json(console: Console, set_url: str, box: Client) -> None:
    box.put(mail())

    assert console("mail", "check", "--json").json() == {
        "new": 1,
        "kinds": {"ordinary": 1},
        "repeated": 0,
        "processed": 0,
        "unmatched": 1,
        "gone": 0,
        "left": 0,
        "note": None,
    }


def test_a_check_without_a_mailbox_says_so(console: Console) -> None:
    done = console("mail", "check")

    assert (done.code, done.out) == (0, "no mailbox is set (KUVERT_IMAP_URL)\n")


def test_a_check_that_fails_is_one_line(
    console: Console, set_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    done = console("mail", "check")

    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "its certificate is not trusted" in done.err
    assert "s3cret" not in done.err


def test_what_was_read_is_in_the_list_of_callbacks(
    console: Console, set_url: str, box: Client
) -> None:
    box.put(mail("Shown", message_id="<shown@example.org>"))
    console("mail", "check")

    [row] = console("callback", "list", "--json").json()
    shown = console("callback", "show", row["id"])
    again = console("callback", "replay", row["id"], "--json").json()

    assert (row["kind"], row["provider"], row["state"]) == ("dsn", None, "ignored")
    assert "Shown" in shown.out
    assert "Good day." in shown.out
    assert again["state"] == "ignored"
