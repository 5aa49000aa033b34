"""Bad mails and mailboxes, M01 to M23, each by its number, from the mailbox to what becomes of it.

M21, line ends in what we send, is refused when an invoice is taken in:
tests/invoices/test_json_invoice.py. What mails are taken for has tests of its own
(tests/callbacks/mail), as has each step of a run (test_reading.py).
"""

import logging
from collections import Counter
from time import monotonic, thread_time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row

from callbacks.mail.understanding import OWN_HEADER
from callbacks.mailbox.imap import TIMEOUT_SECONDS, ImapMailbox
from callbacks.mailbox.protocol import Address, MailboxError
from callbacks.mailbox.reading import BATCH, check
from tests.callbacks.conftest import Sent
from tests.callbacks.mail.test_hostile import HOSTILE
from tests.callbacks.mail.test_hostile import report as hostile_report
from tests.callbacks.mail.test_understanding import block, odd, report
from tests.callbacks.mailbox.test_imap import talker
from tests.callbacks.mailbox.test_reading import (
    PROCESSED,
    UNMATCHED,
    CrashError,
    Crashing,
    expire_leases,
    rows,
)
from tests.callbacks.test_mails import FAILED, RECIPIENT, sender_of, to
from tests.support import desk
from tests.support.mailbox import Client, Dovecot, mail

pytestmark = pytest.mark.pages

NOTHING_ELSE = mail("After it", message_id="<after@example.org>")
"""A mail behind the bad one: the run must come to it."""


def read(url: str, box: Client, *raws: bytes) -> list[Row[Any]]:
    """Put mails into the mailbox, read it once; returns what is stored, in their order."""
    box.put(*raws, NOTHING_ELSE)
    began = thread_time()
    report = check(url)
    took = thread_time() - began
    assert (report.left, box.bodies()) == (0, [])
    assert took < 1 + len(raws)
    stored = rows()
    assert stored[-1].dedupe_key == "<after@example.org>"
    return stored[:-1]


def ours(sent: Sent, raw: bytes) -> bytes:
    """Address a mail as a bounce of a delivery is."""
    return to(sender_of(sent.delivery_id), raw)


@pytest.mark.parametrize("name", ["a header of 5 MB", "a hundred thousand headers"])
def test_m01_a_huge_head_is_kept_aside(app: Flask, url: str, box: Client, name: str) -> None:
    [row] = read(url, box, HOSTILE[name])

    assert row.state == "unparsable"
    assert row.note.startswith("too large")


def test_m02_a_head_of_quotes_is_read(sent: Sent, url: str, box: Client) -> None:
    quotes = b"X-To: " + b'"' * 20_000 + b"\r\n"

    [row] = read(url, box, quotes + ours(sent, report(FAILED)))

    assert (row.state, desk.status_of(sent.id)) == ("applied", "undeliverable")


def test_m03_twenty_thousand_encoded_words_are_read(sent: Sent, url: str, box: Client) -> None:
    words = b"X-Words: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n"

    [row] = read(url, box, words + ours(sent, report(FAILED)))

    assert (row.state, desk.status_of(sent.id)) == ("applied", "undeliverable")


def test_m04_a_thousand_nested_parts_are_kept_aside(app: Flask, url: str, box: Client) -> None:
    [row] = read(url, box, HOSTILE["1,000 nested parts"])

    assert row.state == "unparsable"
    assert row.note.startswith("too deep")


def test_m05_an_unknown_charset_is_decoded_with_replacement(
    sent: Sent, url: str, box: Client
) -> None:
    kind = ("Content-Type", "text/plain; charset=x-nobody-knows")
    raw = odd(f"<{RECIPIENT}>: user unknown ", headers=[kind]) + b"\xff\xfe"

    read(url, box, ours(sent, raw))

    assert desk.status_of(sent.id) == "undeliverable"
    assert "no such mailbox" in str(desk.history_of(sent.id)[-1].note)


def test_m06_an_odd_message_id_is_handled(sent: Sent, url: str, box: Client) -> None:
    raw = b"Message-ID: <[\r\nIn-Reply-To: <[\r\n" + ours(sent, report(FAILED))

    [row] = read(url, box, raw)

    assert row.state == "applied"


@pytest.mark.parametrize("name", ["bad base64 and a cut-off boundary"])
def test_m07_bad_base64_and_a_cut_boundary_are_handled(
    sent: Sent, url: str, box: Client, name: str
) -> None:
    address = sender_of(sent.delivery_id).encode()
    cut = hostile_report(f"Reporting-MTA: dns; x\r\n\r\n{FAILED}".encode())

    first, second = read(
        url, box, HOSTILE[name], b"To: " + address + b"\r\nMessage-ID: <2@x>\r\n" + cut
    )

    assert first.state in {"ignored", "unmatched"}
    assert (second.state, desk.status_of(sent.id)) == ("applied", "undeliverable")


def test_m08_a_report_without_its_part_is_read_in_its_words(
    sent: Sent, url: str, box: Client
) -> None:
    text = "--x\r\nContent-Type: text/plain\r\n\r\n%s\r\n--x--\r\n"
    kind = ("Content-Type", "multipart/report; report-type=delivery-status; boundary=x")
    silent = odd(text % "It did not work.", headers=[kind, ("Message-ID", "<1@x>")])
    telling = odd(text % f"<{RECIPIENT}>: mailbox is full", headers=[kind])

    first, second = read(url, box, silent, ours(sent, telling))

    assert (first.state, first.provider_status) == ("unmatched", "bounce")
    assert second.note.startswith("bounced (soft): the mailbox is full")


def test_m09_two_recipients_have_two_outcomes(sent: Sent, url: str, box: Client) -> None:
    late = block(RECIPIENT, "delayed", "4.4.1", "connection timed out")
    failed = block("other@example.com", "failed", "5.1.1")

    [row] = read(url, box, ours(sent, report(late, failed)))

    assert desk.status_of(sent.id) == "sent"
    assert row.note.startswith("delayed (soft, 4.4.1)")


def test_m10_a_delay_is_a_note(sent: Sent, url: str, box: Client) -> None:
    [row] = read(url, box, ours(sent, report(block(RECIPIENT, "delayed", "4.4.1"))))

    assert (row.provider_status, desk.status_of(sent.id)) == ("delay", "sent")
    assert str(desk.history_of(sent.id)[-1].note).startswith("delayed")


def test_m11_a_success_delivers(sent: Sent, url: str, box: Client) -> None:
    [row] = read(url, box, ours(sent, report(block(RECIPIENT, "delivered", "2.1.5"))))

    assert (row.provider_status, desk.status_of(sent.id)) == ("success", "delivered")


def test_m12_a_vacation_reply_is_ignored_and_counted(sent: Sent, url: str, box: Client) -> None:
    raw = mail("Out of office", "I am away.", [("Auto-Submitted", "auto-replied")])
    before = desk.history_of(sent.id)
    box.put(ours(sent, raw))

    report = check(url)

    assert report.kinds == {"auto_reply": 1}
    assert rows()[0].state == "ignored"
    assert desk.history_of(sent.id) == before


def test_m13_a_complaint_is_recorded_and_no_bounce(sent: Sent, url: str, box: Client) -> None:
    part = "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
    kind = ("Content-Type", "multipart/report; report-type=feedback-report; boundary=x")

    [row] = read(url, box, ours(sent, mail("Abuse", f"--x\r\n{part}\r\n--x--\r\n", [kind])))

    assert (row.provider_status, row.is_hard) == ("feedback", None)
    assert desk.status_of(sent.id) == "sent"
    assert desk.history_of(sent.id)[-1].note == "the recipient complained about the mail"


def test_m14_a_forged_bounce_is_not_applied(sent: Sent, url: str, box: Client) -> None:
    before = desk.history_of(sent.id)
    named = f"To: billing+{sent.delivery_id.hex}@example.com\r\n".encode()

    [row] = read(url, box, named + report(FAILED, notice=f"invoice {sent.id}"))

    assert (row.state, row.delivery_id) == ("unmatched", None)
    assert desk.history_of(sent.id) == before
    assert box.bodies(PROCESSED) == []


def test_m15_a_bounce_of_nothing_is_kept_as_unmatched(app: Flask, url: str, box: Client) -> None:
    raw = report(FAILED)

    [row] = read(url, box, raw)

    assert (row.state, row.note) == ("unmatched", "bounce: it carries no token of ours")
    assert box.bodies(UNMATCHED)[0] == raw


def test_m16_spam_newsletters_and_empty_mails_are_ignored_and_counted(
    app: Flask, url: str, box: Client
) -> None:
    spam = mail("Win now", "https://example.com mailbox full of money", message_id="<1@x>")
    news = mail("News", "Hello", [("List-Unsubscribe", "<https://x>"), ("Precedence", "bulk")])
    box.put(spam, news, mail("", ""))

    report = check(url)

    assert report.kinds == {"ordinary": 3}
    assert {row.state for row in rows()} == {"ignored"}


@pytest.mark.parametrize("step", ["after fetch", "before move", "after move", "after a group"])
def test_m17_a_bounce_is_applied_once_although_the_run_crashed(
    sent: Sent, url: str, box: Client, step: str
) -> None:
    raw = ours(sent, report(FAILED))
    box.put(raw)

    for _ in range(2):
        with pytest.raises(CrashError):
            check(url, opener=lambda address: Crashing(address, step))
        expire_leases()
        box.put(raw)
    check(url)

    assert Counter(desk.path_of(sent.id))["undeliverable"] == 1
    assert len(rows()) == 1
    assert box.bodies() == []


def test_m18_a_wrong_password_is_said_and_is_in_no_log(
    app: Flask, server: Dovecot, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(MailboxError, match=f"login refused for {user} at localhost, INBOX"):
        check(server.url(user, password="hunter2"))

    assert "hunter2" not in caplog.text


@pytest.mark.storm
def test_m19_a_server_that_hangs_is_left_after_30_seconds(
    app: Flask, url: str, box: Client
) -> None:
    began = monotonic()
    with talker(b"* OK hello\r\n") as silent, pytest.raises(MailboxError, match="no answer"):
        check(silent)
    took = monotonic() - began

    box.put(mail())

    assert 29 < took < 33
    assert check(url).new == 1


def test_m19_the_longest_silence_is_30_seconds(url: str) -> None:
    mailbox = ImapMailbox(Address.parse(url))
    try:
        assert TIMEOUT_SECONDS == 30.0
        assert mailbox._box.client.sock.gettimeout() == 30.0
    finally:
        mailbox.close()


@pytest.mark.storm
def test_m20_ten_thousand_mails_are_read_in_batches(sent: Sent, url: str, box: Client) -> None:
    box.put(ours(sent, report(FAILED)))
    box.put(*(mail(f"Number {number}", message_id=f"<{number}@x>") for number in range(9_999)))
    seen: list[int] = []

    report_of_run = check(url, on_progress=lambda report: seen.append(report.new))
    while report_of_run.left:
        report_of_run = check(url, on_progress=lambda report: seen.append(report.new))

    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) <= BATCH
    assert len(rows()) == 10_000
    assert box.bodies() == []
    assert len(box.bodies(UNMATCHED)) == 9_999
    assert desk.status_of(sent.id) == "undeliverable"


def test_m22_our_own_mail_that_comes_back_is_dropped(sent: Sent, url: str, box: Client) -> None:
    before = desk.history_of(sent.id)

    [row] = read(url, box, f"{OWN_HEADER}: x\r\n".encode() + ours(sent, mail("Invoice 1")))

    assert (row.state, row.provider_status) == ("ignored", "own")
    assert desk.history_of(sent.id) == before


def test_m23_a_mail_that_is_gone_between_list_and_fetch_is_skipped(
    app: Flask, url: str, box: Client
) -> None:
    class Emptied(ImapMailbox):
        """The real mailbox; somebody takes the first mail out once it is listed."""

        def uids(self) -> list[int]:
            found = super().uids()
            box.imap.select("INBOX")
            box.imap.uid("STORE", str(found[0]), "+FLAGS.SILENT", r"(\Deleted)")
            box.imap.expunge()
            return found

    box.put(mail("Gone"), mail("There"))

    report = check(url, opener=Emptied)

    assert (report.new, report.gone, report.left) == (1, 1, 0)
    assert [row.headers["subject"] for row in rows()] == ["There"]
