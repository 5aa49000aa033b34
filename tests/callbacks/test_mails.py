"""What mails do to invoices: only with our token, each once, in any order."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row, select, update

from callbacks import mails, services
from callbacks.mail.understanding import understand
from callbacks.mail.verdict import Understood
from callbacks.mailbox import storing
from callbacks.mailbox.protocol import Folder, Mail
from callbacks.models import Callback
from core import mail_token
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from core.settings import current
from invoices import suppression_queries
from invoices.models import Provider
from status.models import Status
from tests.callbacks import calling
from tests.callbacks.conftest import Sent
from tests.callbacks.mail.test_understanding import block, odd, report
from tests.support import desk
from tests.support.mailbox import mail

pytestmark = pytest.mark.pages

CALLBACKS = Callback.__table__
RECIPIENT = "deliver@sandbox.example"
FAILED = block(RECIPIENT, "failed", "5.1.1", "550 5.1.1 User unknown")


def sender_of(delivery_id: UUID) -> str:
    """The address that bounces of a delivery come to."""
    key = current().secret_key
    return mail_token.envelope_sender(key, delivery_id, "billing@example.com")


def message_id_of(delivery_id: UUID) -> str:
    return mail_token.message_id(current().secret_key, delivery_id, "example.com")


def to(address: str, raw: bytes) -> bytes:
    """Address a mail to somebody."""
    return raw.replace(b"bounces@example.com", address.encode(), 1)


def take_in(*raws: bytes) -> list[Row[Any]]:
    """Keep mails and work through them, as a run does; returns their rows."""
    token, now = new_id(), utcnow()
    found = [Mail(number, raw, len(raw)) for number, raw in enumerate(raws, 1)]
    with unit_of_work() as connection:
        kept = storing.keep(connection, found, token, now, now + timedelta(minutes=5))
    ids = [item.id for item in kept]
    with unit_of_work() as connection:
        services.process(connection, token, ids)
    with reading() as connection:
        rows = {
            row.id: row
            for row in connection.execute(select(CALLBACKS).where(CALLBACKS.c.id.in_(ids)))
        }
    return [rows[one] for one in ids]


def place_of(row: Row[Any]) -> Folder:
    """Where a mail is moved to."""
    with reading() as connection:
        places = storing.destinations(connection, [storing.Kept(1, row.id, is_new=True)])
    [folder] = [folder for folder, uids in places.items() if uids]
    return folder


def last_note(invoice_id: UUID) -> str:
    return str(desk.history_of(invoice_id)[-1].note)


# With our token


def test_a_bounce_to_the_signed_address_makes_an_invoice_undeliverable(sent: Sent) -> None:
    [row] = take_in(to(sender_of(sent.delivery_id), report(FAILED)))

    assert desk.status_of(sent.id) == "undeliverable"
    assert last_note(sent.id) == (
        "bounced (hard, 5.1.1): no such mailbox: smtp; 550 5.1.1 User unknown"
    )
    assert (row.state, row.provider_status, row.delivery_id) == (
        "applied",
        "bounce",
        sent.delivery_id,
    )
    assert place_of(row) is Folder.PROCESSED


def test_a_signed_message_id_in_what_is_returned_does_as_well(sent: Sent) -> None:
    returned = f"Message-ID: {message_id_of(sent.delivery_id)}\r\nSubject: Invoice\r\n"

    take_in(report(FAILED, returned=returned))

    assert desk.status_of(sent.id) == "undeliverable"


def test_a_signed_message_id_in_words_does_as_well(sent: Sent) -> None:
    text = (
        f"<{RECIPIENT}>:\r\nSorry, no mailbox here by that name.\r\n\r\n"
        f"--- Below this line is a copy of the message.\r\n\r\n"
        f"Message-ID: {message_id_of(sent.delivery_id)}\r\n"
    )

    take_in(odd(text))

    assert desk.status_of(sent.id) == "undeliverable"


def test_a_soft_bounce_says_so(sent: Sent) -> None:
    full = block(RECIPIENT, "failed", "5.2.2", "552 5.2.2 Mailbox full")

    take_in(to(sender_of(sent.delivery_id), report(full)))

    assert desk.status_of(sent.id) == "undeliverable"
    assert last_note(sent.id).startswith("bounced (soft, 5.2.2): the mailbox is full")


def test_a_delay_is_a_note_and_the_invoice_stays_sent(sent: Sent) -> None:
    late = block(RECIPIENT, "delayed", "4.4.1", "connection timed out")

    [row] = take_in(to(sender_of(sent.delivery_id), report(late)))

    assert desk.status_of(sent.id) == "sent"
    assert last_note(sent.id).startswith("delayed (soft, 4.4.1)")
    assert row.state == "ignored"
    assert place_of(row) is Folder.PROCESSED


def test_a_success_delivers(sent: Sent) -> None:
    arrived = block(RECIPIENT, "delivered", "2.0.0")

    take_in(to(sender_of(sent.delivery_id), report(arrived)))

    assert desk.status_of(sent.id) == "delivered"


def test_a_relay_delivers_nothing(sent: Sent) -> None:
    take_in(to(sender_of(sent.delivery_id), report(block(RECIPIENT, "relayed", "2.0.0"))))

    assert desk.status_of(sent.id) == "sent"
    assert last_note(sent.id) == "relayed (2.0.0)"


def test_a_late_bounce_counts_more_than_a_success(sent: Sent) -> None:
    address = sender_of(sent.delivery_id)

    take_in(to(address, report(block(RECIPIENT, "delivered", "2.0.0"))))
    take_in(to(address, report(FAILED)))

    assert desk.path_of(sent.id)[-2:] == ["delivered", "undeliverable"]


def test_what_was_unknown_is_settled_by_any_report(sent: Sent) -> None:
    desk.change(desk.DELIVERIES, state=Status.UNKNOWN)
    desk.change(desk.INVOICES, status=Status.UNKNOWN)

    take_in(to(sender_of(sent.delivery_id), report(block(RECIPIENT, "delayed", "4.4.1"))))

    assert desk.status_of(sent.id) == "sent"


def test_of_several_recipients_ours_counts(sent: Sent) -> None:
    other = block("other@example.com", "failed", "5.1.1")
    late = block(RECIPIENT.upper(), "delayed", "4.4.1")

    take_in(to(sender_of(sent.delivery_id), report(other, late)))

    assert desk.status_of(sent.id) == "sent"


def test_a_failure_of_whom_it_was_passed_on_to_counts(sent: Sent) -> None:
    passed_on = block("somebody@elsewhere.example", "failed", "5.1.1")

    take_in(to(sender_of(sent.delivery_id), report(passed_on)))

    assert desk.status_of(sent.id) == "undeliverable"


def test_a_complaint_is_a_note_and_no_bounce(sent: Sent) -> None:
    body = (
        "--x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--x--\r\n"
    )
    kind = "multipart/report; report-type=feedback-report; boundary=x"
    raw = mail("Abuse", body, [("Content-Type", kind)])

    take_in(to(sender_of(sent.delivery_id), raw))

    assert desk.status_of(sent.id) == "sent"
    assert last_note(sent.id) == "the recipient complained about the mail"


def test_an_automatic_reply_is_ignored(sent: Sent) -> None:
    before = len(desk.history_of(sent.id))
    raw = mail("Out of office", "I am away.", [("Auto-Submitted", "auto-replied")])

    [row] = take_in(to(sender_of(sent.delivery_id), raw))

    assert (row.state, row.provider_status) == ("ignored", "auto_reply")
    assert len(desk.history_of(sent.id)) == before


def test_a_reply_by_a_person_is_a_note(sent: Sent) -> None:
    raw = mail("Re: Invoice", "It is wrong.", [("In-Reply-To", message_id_of(sent.delivery_id))])

    take_in(raw)

    assert desk.status_of(sent.id) == "sent"
    assert last_note(sent.id) == "a reply came: Re: Invoice"


def test_mail_systems_may_change_the_case_of_the_address(sent: Sent) -> None:
    take_in(to(sender_of(sent.delivery_id).upper(), report(FAILED)))

    assert desk.status_of(sent.id) == "undeliverable"


def test_the_same_bounce_twice_is_applied_once(sent: Sent) -> None:
    raw = to(sender_of(sent.delivery_id), report(FAILED))

    take_in(raw)
    events = len(desk.history_of(sent.id))
    take_in(raw, b"Received: by another way\r\n" + raw)

    assert len(desk.history_of(sent.id)) in {events, events + 1}
    assert desk.status_of(sent.id) == "undeliverable"


def test_a_bounce_before_the_hand_over_is_recorded_waits_for_it(sent: Sent) -> None:
    desk.change(desk.DELIVERIES, state=Status.SENDING)

    [row] = take_in(to(sender_of(sent.delivery_id), report(FAILED)))

    assert (row.state, row.delivery_id) == ("received", sent.delivery_id)
    assert row.due_at is not None
    assert place_of(row) is Folder.PROCESSED

    desk.change(desk.DELIVERIES, state=Status.SENT)
    calling.come_due()
    calling.work()
    assert desk.status_of(sent.id) == "undeliverable"


def test_the_message_id_that_a_mail_was_sent_with_is_known(sent: Sent) -> None:
    desk.change(Provider.__table__, channel="smtp")
    desk.change(desk.DELIVERIES, provider_reference="<sent-before@example.com>")

    take_in(report(FAILED, returned="Message-ID: <sent-before@example.com>\r\n"))

    assert desk.status_of(sent.id) == "undeliverable"


def test_a_hard_bounce_suppresses_the_address(sent: Sent) -> None:
    take_in(to(sender_of(sent.delivery_id), report(FAILED)))

    with reading() as connection:
        [row] = suppression_queries.active(connection, None, None, 10)
    assert (row.address, row.is_hard) == (RECIPIENT, True)


def test_a_soft_bounce_and_a_delay_suppress_nothing_yet(sent: Sent) -> None:
    address = sender_of(sent.delivery_id)

    take_in(to(address, report(block(RECIPIENT, "delayed", "4.4.1"))))
    take_in(to(address, report(block(RECIPIENT, "failed", "5.2.2", "Mailbox full"))))

    with reading() as connection:
        assert suppression_queries.active(connection, None, None, 10) == []


# Without it


def test_a_reference_of_another_channel_is_no_message_id(sent: Sent) -> None:
    desk.change(desk.DELIVERIES, provider_reference="<ref-1@example.com>")

    [row] = take_in(report(FAILED, returned="Message-ID: <ref-1@example.com>\r\n"))

    assert row.state == "unmatched"
    assert desk.status_of(sent.id) == "sent"


@pytest.mark.parametrize("address", ["billing@example.com", "billing+{key}@example.com"])
def test_a_forged_bounce_is_kept_as_unmatched(sent: Sent, address: str) -> None:
    before = len(desk.history_of(sent.id))

    [row] = take_in(to(address.format(key=sent.delivery_id), report(FAILED)))

    assert desk.status_of(sent.id) == "sent"
    assert len(desk.history_of(sent.id)) == before
    assert (row.state, row.delivery_id) == ("unmatched", None)
    assert row.note == "bounce: it carries no token of ours"
    assert place_of(row) is Folder.UNMATCHED


def test_a_token_of_another_key_proves_nothing(sent: Sent) -> None:
    forged = mail_token.envelope_sender("another-key-of-16-characters", sent.delivery_id, "b@x.org")

    [row] = take_in(to(forged, report(FAILED)))

    assert row.state == "unmatched"
    assert desk.status_of(sent.id) == "sent"


def test_a_token_of_a_delivery_that_is_not_here_proves_nothing(app: Flask) -> None:
    [row] = take_in(to(sender_of(new_id()), report(FAILED)))

    assert row.state == "unmatched"


@pytest.mark.parametrize(
    ("raw", "state", "kind", "folder"),
    [
        (mail(), "ignored", "ordinary", Folder.UNMATCHED),
        (b"", "ignored", "ordinary", Folder.UNMATCHED),
        (mail("Out of office"), "ignored", "auto_reply", Folder.PROCESSED),
        (mail(headers=[("Kuvert-Dispatch", "x")]), "ignored", "own", Folder.PROCESSED),
        (report(FAILED), "unmatched", "bounce", Folder.UNMATCHED),
        (b"X: " + b"a" * 600_000, "unparsable", "ordinary", Folder.UNMATCHED),
    ],
)
def test_what_speaks_of_no_delivery_is_kept_and_counted(
    app: Flask, raw: bytes, state: str, kind: str, folder: Folder
) -> None:
    [row] = take_in(raw)

    assert (row.state, row.provider_status) == (state, kind)
    assert place_of(row) is folder
    with reading() as connection:
        kept = [storing.Kept(1, row.id, is_new=True)]
        assert storing.kinds(connection, kept) == {kind: 1}


def test_a_mail_that_we_fail_to_read_does_not_hold_up_others(
    sent: Sent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def stumble(raw: bytes) -> Understood:
        if b"stumble" in raw:
            raise ZeroDivisionError
        return understand(raw)

    monkeypatch.setattr(mails, "understand", stumble)

    bad, good = take_in(mail("stumble"), to(sender_of(sent.delivery_id), report(FAILED)))

    assert (bad.state, bad.note) == ("unparsable", "cannot be read: ZeroDivisionError")
    assert place_of(bad) is Folder.UNMATCHED
    assert good.state == "applied"
    assert "a mail cannot be read" in caplog.text


def test_a_mail_that_is_too_large_says_so(app: Flask) -> None:
    [row] = take_in(b"X: " + b"a" * 600_000)

    assert row.note.startswith("too large: ")


def test_mails_and_webhooks_are_worked_through_together(sent: Sent) -> None:
    with unit_of_work() as connection:
        now = utcnow()
        raw = to(sender_of(sent.delivery_id), report(FAILED))
        storing.keep(connection, [Mail(1, raw, len(raw))], new_id(), now, now)
        connection.execute(update(CALLBACKS).values(due_at=now - timedelta(seconds=1)))

    calling.work()

    assert desk.status_of(sent.id) == "undeliverable"
