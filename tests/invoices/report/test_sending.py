"""The weekly report is sent once: by the timer, by people, and over a mail server's troubles."""

from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row, update

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.errors import ConflictError, InputError, UnavailableError
from core.settings import Settings, current
from invoices import tasks
from invoices.report import figures, sending
from invoices.report_models import ReportMail
from invoices.services import report_mails
from invoices.services.totals import Week
from tests.invoices.report.conftest import Setting
from tests.invoices.report.weeks import accepted
from tests.support import desk
from tests.support.console import Console
from tests.support.factories import SourceWithKey
from tests.support.mail_server import MailServer

MAILS = ReportMail.__table__

pytestmark = pytest.mark.every_database


def last_week() -> Week:
    return Week.before(utcnow(), UTC)


def mail() -> Row[Any]:
    return desk.only(MAILS)


def due() -> None:
    """Let what waits be due."""
    with unit_of_work() as connection:
        past = utcnow() - timedelta(seconds=1)
        waits = update(MAILS).where(MAILS.c.due_at.is_not(None))
        connection.execute(waits.values(due_at=past))


def words_of(server: MailServer) -> str:
    """Return the text of the mail that came first."""
    body = server.taken[0].message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def ask(*to: str, again: bool = False) -> UUID:
    with unit_of_work() as connection:
        return report_mails.ask(
            connection, last_week(), to or ["boss@example.com"], current(), again=again
        )


def test_the_timer_mails_the_week_once(
    source: SourceWithKey, mailing: Settings, server: MailServer
) -> None:
    accepted(source, "12.50", week=last_week(), status="sent")

    first = tasks.get_total_invoices()
    second = tasks.get_total_invoices()

    [taken] = server.taken
    assert taken.recipients == ("boss@example.com",)
    assert taken.message["From"] == "Kuvert <kuvert@seller.example>"
    assert taken.message["Message-ID"] == f"<{mail().id}@seller.example>"
    assert "12.50 EUR to pay" in words_of(server)
    assert first.endswith(f"{last_week().name} mailed to boss@example.com")
    assert second == f"{last_week().name}: 1 totals"
    assert (mail().state, mail().detail) == ("sent", "250 2.0.0 queued as 4711")


@pytest.mark.one_database
def test_without_an_address_nothing_is_sent_and_the_run_says_so(
    app: Flask, setting: Setting, server: MailServer
) -> None:
    setting(SMTP_URL=server.url, MAIL_FROM="kuvert@seller.example")

    said = tasks.get_total_invoices()

    assert said.endswith("not mailed: KUVERT_REPORT_TO is not set")
    assert (server.taken, desk.rows(MAILS)) == ([], [])


def test_a_server_that_is_away_is_asked_again_when_it_is_due(
    app: Flask, setting: Setting, server: MailServer
) -> None:
    sender, to = "kuvert@seller.example", "boss@example.com"
    setting(SMTP_URL="smtp://127.0.0.1:9", MAIL_FROM=sender, REPORT_TO=to)

    said = tasks.get_total_invoices()
    waiting = mail()
    setting(SMTP_URL=server.url)
    tasks.get_total_invoices()
    too_early = list(server.taken)
    due()
    tasks.get_total_invoices()

    assert f"not mailed to {to} (temporary)" in said
    assert (waiting.state, waiting.attempt_count) == ("waiting", 1)
    assert timedelta(minutes=4) < waiting.due_at - utcnow() <= timedelta(minutes=5)
    assert too_early == []
    assert len(server.taken) == 1
    assert (mail().state, mail().attempt_count) == ("sent", 2)


def test_one_that_cannot_be_put_together_is_tried_again(
    app: Flask, mailing: Settings, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(figures, "read", _is_away)
        with pytest.raises(ConnectionError):
            tasks.get_total_invoices()
    waiting = mail()
    due()
    tasks.get_total_invoices()

    assert (waiting.state, waiting.finished_at) == ("waiting", None)
    assert waiting.detail == "it could not be put together: ConnectionError: the database is away"
    assert len(server.taken) == 1
    assert mail().state == "sent"


def _is_away(*_: object) -> None:
    raise ConnectionError("the database is away")


def test_a_try_leaves_the_totals_as_they_were(
    source: SourceWithKey, setting: Setting, server: MailServer
) -> None:
    accepted(source, "10.00", week=last_week(), status="sent")
    sender = "kuvert@seller.example"
    setting(SMTP_URL="smtp://127.0.0.1:9", MAIL_FROM=sender, REPORT_TO="boss@example.com")
    tasks.get_total_invoices()
    accepted(source, "90.00", week=last_week(), status="sent")
    setting(SMTP_URL=server.url)
    due()

    tasks.get_total_invoices()

    assert "10.00 EUR to pay" in words_of(server)


def test_beat_is_told_of_a_mail_that_is_due(app: Flask, mailing: Settings) -> None:
    with reading() as connection:
        before = report_mails.has_due(connection, utcnow())
    ask()

    with reading() as connection:
        assert (before, report_mails.has_due(connection, utcnow())) == (False, True)


@pytest.mark.parametrize(
    ("to", "state", "words"),
    [
        ("refuse@example.com", "failed", "550 5.1.1 no such mailbox here"),
        ("spam@example.com", "failed", "554 5.7.1 this looks like spam"),
        ("later@example.com", "waiting", "451 4.7.1 greylisted"),
        ("full@example.com", "waiting", "452 4.2.2 mailbox full"),
        ("cut@example.com", "unclear", ""),
    ],
)
@pytest.mark.one_database
def test_each_ending_is_told_apart(
    app: Flask, mailing: Settings, to: str, state: str, words: str
) -> None:
    is_sent = sending.send_now(ask(to), mailing)

    assert not is_sent
    assert mail().state == state
    assert words in mail().detail


def test_an_unclear_one_is_not_sent_again_by_itself(
    app: Flask, mailing: Settings, setting: Setting, server: MailServer
) -> None:
    setting(REPORT_TO="cut@example.com")
    tasks.get_total_invoices()

    due()
    tasks.get_total_invoices()

    assert len(server.taken) == 1
    assert (mail().state, mail().due_at) == ("unclear", None)


def test_one_whose_sender_was_lost_is_unclear(
    app: Flask, mailing: Settings, server: MailServer
) -> None:
    ask()
    with unit_of_work() as connection:
        claimed = report_mails.claim(connection)
    due()

    tasks.get_total_invoices()

    assert claimed is not None
    assert server.taken == []
    [lost] = [row for row in desk.rows(MAILS) if row.id == claimed.id]
    assert (lost.state, lost.due_at) == ("unclear", None)
    assert "was lost" in lost.detail


def test_of_two_workers_one_sends(app: Flask, mailing: Settings) -> None:
    ask()

    with unit_of_work() as connection:
        first, second = report_mails.claim(connection), report_mails.claim(connection)

    assert first is not None
    assert second is None


@pytest.mark.one_database
def test_it_fails_once_the_tries_are_used_up(app: Flask, mailing: Settings) -> None:
    mail_id = ask("later@example.com")
    for _ in range(len(report_mails.PLAN) + 1):
        due()
        sending.send_now(mail_id, mailing)

    assert (mail().state, mail().due_at) == ("failed", None)
    assert mail().attempt_count == len(report_mails.PLAN) + 1


@pytest.mark.one_database
def test_who_was_refused_is_told_where_others_got_it(
    app: Flask, mailing: Settings, server: MailServer
) -> None:
    assert sending.send_now(ask("boss@example.com", "refuse@example.com"), mailing)

    assert server.taken[0].recipients == ("boss@example.com",)
    assert "not taken for refuse@example.com: 550" in mail().detail


def test_to_send_again_has_to_be_said(app: Flask, mailing: Settings, server: MailServer) -> None:
    sending.send_now(ask(), mailing)

    with pytest.raises(ConflictError, match=r"was sent to boss@example\.com"):
        ask()
    sending.send_now(ask(again=True), mailing)
    sending.send_now(ask("ann@example.com"), mailing)

    assert [one.recipients[0][:3] for one in server.taken] == ["bos", "bos", "ann"]


@pytest.mark.one_database
def test_the_timer_mails_no_week_that_somebody_mailed_to_the_same(
    app: Flask, mailing: Settings, server: MailServer
) -> None:
    sending.send_now(ask(), mailing)
    tasks.get_total_invoices()

    assert [one.recipients for one in server.taken] == [("boss@example.com",)]


@pytest.mark.one_database
def test_the_timer_mails_a_week_that_somebody_mailed_to_others(
    app: Flask, mailing: Settings, server: MailServer
) -> None:
    sending.send_now(ask("ann@example.com"), mailing)
    tasks.get_total_invoices()

    assert [one.recipients[0][:3] for one in server.taken] == ["ann", "bos"]


def test_one_that_waits_is_not_doubled(app: Flask, mailing: Settings) -> None:
    first = ask()
    second = ask()

    assert first == second


@pytest.mark.one_database
def test_what_cannot_be_asked_for_is_refused(app: Flask, setting: Setting) -> None:
    with pytest.raises(UnavailableError, match="KUVERT_SMTP_URL"):
        ask()
    ours = setting(SMTP_URL="smtp://127.0.0.1:9", MAIL_FROM="kuvert@seller.example")
    for name in ("1999-W01", "2999-W01"):
        with pytest.raises(InputError), unit_of_work() as connection:
            report_mails.ask(connection, Week.named(name, UTC), ["a@b.c"], ours, again=False)


# The command


@pytest.mark.one_database
def test_the_command_sends_and_says_what_came_of_it(
    console: Console, mailing: Settings, server: MailServer
) -> None:
    week = last_week().name

    to = "Ann <ann@example.com>, bob@example.com"
    sent = console("report", "send", week, "--to", to, "--json")
    again = console("report", "send", week, "--to", "bob@example.com,ann@example.com")
    listed = console("report", "mails", "--week", week, "--json").json()

    assert sent.json()["state"] == "sent"
    assert server.taken[0].recipients == ("ann@example.com", "bob@example.com")
    assert again.code == 1
    assert "--again" in again.err
    assert [row["to"] for row in listed] == ["ann@example.com, bob@example.com"]
    assert listed[0]["asked_by"].startswith("command line, ")


@pytest.mark.one_database
def test_the_command_fails_when_nobody_took_it(console: Console, setting: Setting) -> None:
    setting(SMTP_URL="smtp://127.0.0.1:9", MAIL_FROM="kuvert@seller.example")

    done = console("report", "send", "--to", "boss@example.com", "--json")

    assert done.code == 1
    assert '"state": "waiting"' in done.out


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["2026-W46"], "KUVERT_REPORT_TO"),
        (["2026-W99", "--to", "a@example.com"], "no week"),
        (["2026-W46", "--to", "nobody"], "nobody"),
    ],
)
def test_wrong_use_is_told(console: Console, arguments: list[str], words: str) -> None:
    done = console("report", "send", *arguments)

    assert done.code == 2
    assert words in done.err


@pytest.mark.one_database
def test_the_command_needs_a_mail_server(console: Console) -> None:
    done = console("report", "send", "--to", "boss@example.com")

    assert done.code == 1
    assert "KUVERT_SMTP_URL" in done.err
