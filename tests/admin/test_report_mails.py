"""Mailing a week's report on the desk, and looking at what became of it."""

from collections.abc import Iterator
from datetime import UTC, timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from core import settings as settings_module
from core.clock import utcnow
from core.db import unit_of_work
from core.settings import current
from invoices import tasks
from invoices.models import Report
from invoices.report_models import ReportMail
from invoices.services import report_mails, totals
from invoices.services.totals import Week
from tests.admin.conftest import LogIn
from tests.invoices.report.weeks import accepted
from tests.support import desk
from tests.support.factories import SourceWithKey
from tests.support.mail_server import MailServer, mail_server

REPORTS = Report.__table__
MAILS = ReportMail.__table__


@pytest.fixture
def server(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server, to which reports are mailed."""
    with mail_server() as running:
        monkeypatch.setenv("KUVERT_SMTP_URL", running.url)
        monkeypatch.setenv("KUVERT_MAIL_FROM", "kuvert@seller.example")
        settings_module.current.cache_clear()
        monkeypatch.setitem(app.extensions, "kuvert_settings", current())
        yield running
    monkeypatch.undo()
    settings_module.current.cache_clear()


@pytest.fixture
def report_id(source: SourceWithKey) -> str:
    """A row of the totals of the last week."""
    week = Week.before(utcnow(), UTC)
    accepted(source, "12.00", week=week, status="sent")
    with unit_of_work() as connection:
        totals.store(connection, week)
    return str(desk.only(REPORTS).id)


def test_an_approver_mails_a_week_and_sees_what_became_of_it(
    server: MailServer, report_id: str, person: LogIn
) -> None:
    bob = person("approver")
    asked = bob.post("/admin/report/action/", action="mail", rowid=report_id)
    said = bob.message(
        bob.post(
            "/admin/report/action/",
            action="mail",
            rowid=report_id,
            confirmed="yes",
            to="boss@example.com",
        )
    )

    tasks.get_total_invoices()

    assert "was not mailed yet" in asked.get_data(as_text=True)
    assert "Done for 1 row" in said
    [taken] = server.taken
    assert taken.recipients == ("boss@example.com",)
    page = bob.text(f"/admin/report/details/?id={report_id}")
    assert "approver@example.com" in page
    assert "queued as 4711" in page
    again = bob.post("/admin/report/action/", action="mail", rowid=report_id)
    assert "Mailed already: to boss@example.com, sent" in again.get_data(as_text=True)
    assert "boss@example.com" in bob.text("/admin/report_mail/")


@pytest.mark.parametrize(("to", "words"), [("", "KUVERT_REPORT_TO is not set"), ("x", "x")])
def test_an_address_is_needed(
    server: MailServer, report_id: str, person: LogIn, to: str, words: str
) -> None:
    bob = person("approver")

    said = bob.message(
        bob.post("/admin/report/action/", action="mail", rowid=report_id, confirmed="yes", to=to)
    )

    assert words in said
    assert desk.rows(MAILS) == []


def test_without_a_mail_server_it_says_so(report_id: str, person: LogIn) -> None:
    bob = person("approver")

    said = bob.message(
        bob.post(
            "/admin/report/action/",
            action="mail",
            rowid=report_id,
            confirmed="yes",
            to="a@b.example",
        )
    )

    assert "KUVERT_SMTP_URL" in said


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_mail_nothing(report_id: str, person: LogIn, role: str) -> None:
    answer = person(role).post("/admin/report/action/", action="mail", rowid=report_id)

    assert answer.status_code == 403


def test_one_that_waits_is_tried_now(server: MailServer, report_id: str, person: LogIn) -> None:
    carol = person("operator")
    with unit_of_work() as connection:
        week = Week.before(utcnow(), UTC)
        mail_id = report_mails.ask(connection, week, ["later@example.com"], current(), again=False)
        later = utcnow() + timedelta(hours=1)
        connection.execute(update(MAILS).values(attempt_count=1, due_at=later))
    before = desk.only(MAILS)

    said = carol.message(
        carol.post(
            "/admin/report_mail/action/", action="hurry", rowid=str(mail_id), confirmed="yes"
        )
    )

    assert before.due_at > utcnow()
    assert "Done for 1 row" in said
    assert desk.only(MAILS).due_at <= utcnow()
