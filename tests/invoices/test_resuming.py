"""What becomes of work that stood still, after a restore above all (P19)."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from core import pauses
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.errors import ConflictError
from core.web import settings
from invoices.models import BulkAct
from invoices.report_models import MailState, ReportMail
from invoices.services import bulk, resuming, verdicts
from invoices.services.claims import PROVIDERS
from invoices.services.outcomes import settle_lost
from invoices.services.totals import Week
from status.models import Status
from tests.support import desk
from tests.support.console import Console
from tests.support.desk import DELIVERIES
from tests.support.environment import make_settings
from tests.support.factories import SourceWithKey, add_invoice, add_source


@pytest.fixture
def keyless(app: Flask) -> SourceWithKey:
    """A source whose provider honours no dispatch key."""
    made = add_source("keyless", provider="plain")
    with unit_of_work() as connection:
        plain = update(PROVIDERS).where(PROVIDERS.c.code == "plain")
        connection.execute(plain.values(is_idempotent=False))
    return made


def restored() -> None:
    with unit_of_work() as connection:
        pauses.pause(connection, "restored", restored_from=utcnow() - timedelta(hours=1))


def resume() -> int:
    return resuming.resume("looked", settings())


def fates() -> dict[tuple[str, str], resuming.Fate]:
    with reading() as connection:
        return {(line.kind, line.state): line.fate for line in resuming.foresee(connection)}


@pytest.mark.every_database
def test_what_waited_where_no_key_is_honoured_becomes_unknown(keyless: SourceWithKey) -> None:
    invoice_id = add_invoice(keyless)
    restored()
    assert fates()["delivery", "ready"] == resuming.Fate.UNKNOWN

    assert resume() == 1

    row = desk.only(DELIVERIES)
    assert (row.state, row.due_at) == (Status.UNKNOWN, None)
    event = desk.history_of(invoice_id)[-1]
    assert (event.to_status, event.cause) == (Status.UNKNOWN, "staff")
    assert "restored" in event.note


@pytest.mark.every_database
def test_where_the_key_is_honoured_the_same_key_goes_again(source: SourceWithKey) -> None:
    add_invoice(source)
    before = desk.only(DELIVERIES)
    restored()
    assert fates()["delivery", "ready"] == resuming.Fate.SAME_KEY

    assert resume() == 0

    assert desk.only(DELIVERIES) == before


@pytest.mark.every_database
def test_what_came_after_the_restore_is_in_no_doubt(keyless: SourceWithKey) -> None:
    restored()
    invoice_id = add_invoice(keyless)
    assert fates()["delivery", "ready"] == resuming.Fate.SENT

    assert resume() == 0

    assert desk.status_of(invoice_id) == Status.READY


def test_what_was_not_to_go_before_the_restore_is_in_no_doubt(keyless: SourceWithKey) -> None:
    invoice_id = add_invoice(keyless)
    desk.change(DELIVERIES, send_at=utcnow() + timedelta(days=1))
    restored()
    assert fates() == {("delivery", "ready"): resuming.Fate.SENT}

    assert resume() == 0
    assert desk.status_of(invoice_id) == Status.READY


def test_a_pause_by_hand_puts_nothing_in_doubt(keyless: SourceWithKey) -> None:
    invoice_id = add_invoice(keyless)
    with unit_of_work() as connection:
        pauses.pause(connection, "by hand")
    assert fates() == {("delivery", "ready"): resuming.Fate.SENT}

    assert resume() == 0
    assert desk.status_of(invoice_id) == Status.READY


@pytest.mark.every_database
def test_what_was_under_way_is_decided_as_that_of_a_lost_worker(keyless: SourceWithKey) -> None:
    invoice_id = add_invoice(keyless)
    desk.change(DELIVERIES, state=str(Status.SENDING), attempt_count=1, due_at=utcnow())
    restored()
    assert fates()["delivery", "sending"] == resuming.Fate.SETTLED

    resume()
    with unit_of_work() as connection:
        settle_lost(connection)

    assert desk.only(DELIVERIES).state == Status.UNKNOWN
    assert desk.status_of(invoice_id) == Status.UNKNOWN


def test_it_goes_on_where_it_was_killed(
    keyless: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        add_invoice(keyless)
    monkeypatch.setattr(resuming, "AT_ONCE", 2)
    restored()
    with unit_of_work() as connection:
        until = pauses.doubtful_until(connection)
        assert until is not None
        resuming._settle_page(connection, until)
    with reading() as connection:
        assert pauses.is_paused(connection)

    assert resume() == 3
    assert {row.state for row in desk.rows(DELIVERIES)} == {Status.UNKNOWN}


@pytest.mark.every_database
def test_a_word_of_the_provider_settles_what_became_unknown(keyless: SourceWithKey) -> None:
    """It had its attempt after the backup, so none stands here."""
    invoice_id = add_invoice(keyless)
    restored()
    resume()
    delivery: UUID = desk.only(DELIVERIES).id

    verdict = verdicts.Verdict(
        key=delivery,
        delivery_id=delivery,
        status=Status.DELIVERED,
        occurred_at=utcnow(),
        note="delivered",
    )
    with unit_of_work() as connection:
        effects = verdicts.apply_verdicts(connection, [verdict])

    assert effects == {delivery: verdicts.Effect.APPLIED}
    assert desk.status_of(invoice_id) == Status.DELIVERED


def test_a_bulk_act_of_before_is_stopped(source: SourceWithKey) -> None:
    """Done again, `resend` would make deliveries with new keys."""
    invoice_id = add_invoice(source)
    with unit_of_work() as connection:
        wish = bulk.Wish(
            verb="hold", invoice_ids=[invoice_id], reason="why", actor="ann", nonce="n"
        )
        bulk.begin(connection, wish)
    restored()
    assert fates()["bulk act", "running"] == resuming.Fate.STOPPED

    resume()

    assert desk.only(BulkAct.__table__).state == "stopped"


def test_the_report_that_may_have_been_mailed_is_left_to_people(app: Flask) -> None:
    restored()
    wanted = make_settings(
        settings().home,
        REPORT_TO="boss@example.com",
        SMTP_URL="smtp://127.0.0.1:9",
        MAIL_FROM="kuvert@example.com",
    )

    resuming.resume("looked", wanted)

    mail = desk.only(ReportMail.__table__)
    week = Week.before(utcnow(), wanted.timezone)
    assert (mail.week, mail.state, mail.due_at) == (week.name, MailState.UNCLEAR, None)


def test_what_runs_cannot_be_resumed(app: Flask) -> None:
    with pytest.raises(ConflictError, match="not paused"):
        resume()


def test_the_commands_tell_pause_and_resume(console: Console, keyless: SourceWithKey) -> None:
    assert console("dispatch", "status").out.startswith("dispatch runs")
    assert console("dispatch", "pause", "--reason", "looking").code == 0
    assert "already" in console("dispatch", "pause", "--reason", "again").err
    add_invoice(keyless)

    told = console("dispatch", "status", "--json").json()

    assert told["paused"]["reason"] == "looking"
    assert [(line["state"], line["count"], line["then"]) for line in told["work"]] == [
        ("ready", 1, "sent")
    ]
    assert "ready" in console("dispatch", "status", "--list").out
    assert console("dispatch", "resume", "--reason", "fine").out == "dispatch runs again\n"
    assert console("dispatch", "status").out.startswith("dispatch runs")


def test_after_a_restore_the_list_names_what_may_have_been_sent(
    console: Console, keyless: SourceWithKey
) -> None:
    add_invoice(keyless, number="2026-777")
    restored()

    told = console("dispatch", "status", "--list")

    assert "2026-777" in told.out
    assert "becomes unknown" in told.out
    assert "1 deliveries" in console("dispatch", "resume", "--reason", "fine").out
