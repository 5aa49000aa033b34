"""Invoices by mail, through a real mail server."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from callbacks.mail import understanding
from core import mail_token
from core import smtp as core_smtp
from core.db import unit_of_work
from core.settings import current
from core.smtp import Answer, pool, session
from invoices import pdf, setup
from invoices.channels import Envelope, smtp, smtp_message
from invoices.channels.smtp import SmtpChannel
from invoices.letters import Template
from invoices.models import Outcome
from invoices.services import letters, outcomes, suppressions
from invoices.services.retries import PLAN
from invoices.setup import NewProvider
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice, add_source
from tests.support.mail_server import MailServer, Taken, mail_server

SENDER = "billing@seller.example"


@pytest.fixture(scope="module")
def running() -> Iterator[MailServer]:
    with mail_server(enable_SMTPUTF8=True, data_size_limit=200_000) as server:
        yield server
        pool.close_all()


@pytest.fixture
def server(running: MailServer) -> MailServer:
    running.taken.clear()
    running.handler.refuses_sender = None
    return running


def provide(url: str | None, **settings: str) -> None:
    new = NewProvider(
        code="mail", channel="smtp", url=url, settings={"mail_from": SENDER} | settings
    )
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=current())


@pytest.fixture
def by_mail(app: Flask, server: MailServer) -> SourceWithKey:
    provide(server.url)
    return add_source(environment="live", provider="mail")


def invoice_to(source: SourceWithKey, to: str = "a@buyer.example", **changes: object) -> UUID:
    return add_invoice(source, delivery={"to": to}, **changes)


def the_mail(server: MailServer) -> Taken:
    [taken] = server.taken
    return taken


def test_one_mail_carries_letter_and_document(by_mail: SourceWithKey, server: MailServer) -> None:
    invoice_id = invoice_to(by_mail, number="2026/7 Ł")

    assert desk.send(SmtpChannel()) == 1

    assert desk.status_of(invoice_id) == "sent"
    message = the_mail(server).message
    assert message["From"] == SENDER
    assert message["To"] == "a@buyer.example"
    assert "2026/7 Ł" in message["Subject"]
    assert message["Auto-Submitted"] == "auto-generated"
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds[:4] == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"]
    document = list(message.iter_attachments())[-1]
    assert document.get_filename() == "2026-7-Ł.json"
    assert document.get_content_type() == "application/json"
    assert json.loads(document.get_content())["number"] == "2026/7 Ł"


def test_the_document_goes_byte_for_byte(by_mail: SourceWithKey, server: MailServer) -> None:
    invoice_to(by_mail)
    odd = b'{"a": "\r\n.\r\n\x85\xff"}\n\n. \n'
    desk.change(desk.DOCUMENTS, body=odd, media_type="application/octet-stream")

    desk.send(SmtpChannel())

    document = list(the_mail(server).message.iter_attachments())[-1]
    assert document.get_payload(decode=True) == odd


def test_every_way_back_carries_the_dispatch_key(
    by_mail: SourceWithKey, server: MailServer
) -> None:
    invoice_to(by_mail)

    desk.send(SmtpChannel())

    taken, delivery = the_mail(server), desk.only(desk.DELIVERIES)
    message_id = str(taken.message["Message-ID"])
    key = current().secret_key
    places = (taken.sender, message_id, str(taken.message["Kuvert-Dispatch"]))
    assert [mail_token.find(key, [place]) for place in places] == [[delivery.id]] * 3
    assert taken.sender.startswith("billing+")
    assert delivery.provider_reference == message_id
    assert desk.only(desk.ATTEMPTS).provider_reference == message_id


def test_what_comes_back_of_it_is_known_as_our_own(
    by_mail: SourceWithKey, server: MailServer
) -> None:
    invoice_to(by_mail)
    desk.send(SmtpChannel())

    understood = understanding.understand(the_mail(server).content)

    assert understood.kind == "own"


@pytest.mark.parametrize(
    ("to", "status", "outcome", "words"),
    [
        ("refuse", "undeliverable", "refused", "the recipient was refused: 550 5.1.1 no such"),
        ("later", "retry_wait", "temporary", "the recipient was refused: 451 4.7.1"),
        ("relay", "held", "misconfigured", "554 5.7.1 Relay access denied"),
        ("spam", "undeliverable", "refused", "the mail server said: 554 5.7.1"),
        ("full", "retry_wait", "temporary", "the mail server said: 452 4.2.2"),
        ("cut", "unknown", "unknown", "after the whole mail was sent"),
        ("lose", "unknown", "unknown", "after the whole mail was sent"),
    ],
)
def test_each_ending_is_told_apart(
    by_mail: SourceWithKey, to: str, status: str, outcome: str, words: str
) -> None:
    invoice_id = invoice_to(by_mail, f"{to}@buyer.example")

    desk.send(SmtpChannel())

    assert desk.status_of(invoice_id) == status
    assert words in desk.history_of(invoice_id)[-1].note
    attempt = desk.only(desk.ATTEMPTS)
    assert (attempt.outcome, attempt.may_have_arrived) == (outcome, outcome == "unknown")
    assert desk.only(desk.DELIVERIES).due_at is None or status == "retry_wait"


def test_what_may_have_arrived_is_never_sent_again_by_itself(
    by_mail: SourceWithKey, server: MailServer
) -> None:
    invoice_to(by_mail, "cut@buyer.example")
    desk.send(SmtpChannel())

    desk.due()

    assert desk.send(SmtpChannel()) == 0
    assert len(server.taken) == 1
    [reference] = [row.provider_reference for row in desk.rows(desk.DELIVERIES)]
    assert reference == str(the_mail(server).message["Message-ID"])


def test_a_refused_sender_holds_and_alarms(by_mail: SourceWithKey, server: MailServer) -> None:
    server.handler.refuses_sender = "550 5.7.1 not your address"
    invoice_id = invoice_to(by_mail)

    desk.send(SmtpChannel())

    assert desk.status_of(invoice_id) == "held"
    assert "not your address" in desk.only(desk.PROVIDERS).alarm


def test_a_greylisted_recipient_is_no_trouble_of_the_provider(by_mail: SourceWithKey) -> None:
    invoice_to(by_mail, "later@buyer.example")

    desk.send(SmtpChannel())

    assert desk.only(desk.PROVIDERS).failures == 0


def test_the_message_id_stays_over_attempts(by_mail: SourceWithKey, server: MailServer) -> None:
    invoice_to(by_mail, "full@buyer.example")
    ids = []
    for to in ("full@buyer.example", "a@buyer.example"):
        desk.change(desk.DELIVERIES, recipient=to)
        desk.due()
        desk.send(SmtpChannel())
        ids.append(desk.only(desk.DELIVERIES).provider_reference)

    assert ids == [None, str(the_mail(server).message["Message-ID"])]


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("0192:991825827", "is not an address"),
        ("a@buyer.example\r\nBcc: x@y.example", "is not an address"),
        ("=?utf-8?q?a=0ABcc=3Ax?=@buyer.example", "is not an address"),
        (None, "there is no address to send it to"),
    ],
    ids=["a Peppol id", "a second header", "one in code", "none"],
)
def test_what_is_no_mail_address_gets_nothing(
    by_mail: SourceWithKey, server: MailServer, to: str | None, words: str
) -> None:
    invoice_id = invoice_to(by_mail)
    desk.change(desk.DELIVERIES, recipient=to)

    desk.send(SmtpChannel())

    assert desk.status_of(invoice_id) == "undeliverable"
    assert words in desk.history_of(invoice_id)[-1].note
    assert server.taken == []


@pytest.mark.parametrize(
    "forged",
    [
        "7\r\nBcc: x@y.example\r\n\r\nPay to me\x85\u2028",
        "=?utf-8?q?7=0D=0ABcc:_x@y.example=0D=0A=0D=0APay_to_me?=",
    ],
    ids=["in clear", "in code"],
)
def test_nothing_in_an_invoice_becomes_a_header(
    by_mail: SourceWithKey, server: MailServer, forged: str
) -> None:
    invoice_to(by_mail)
    desk.change(desk.INVOICES, number=forged, seller_name=forged, buyer_name=forged)

    desk.send(SmtpChannel())

    taken = the_mail(server)
    message = taken.message
    assert taken.recipients == ("a@buyer.example",)
    assert message["Bcc"] is None
    assert message["Subject"].isprintable()
    assert all(str(file.get_filename()).isprintable() for file in message.iter_attachments())
    assert len(message.get_all("Message-ID", [])) == 1


def test_a_mail_too_large_for_the_server_is_a_known_failure(
    by_mail: SourceWithKey, server: MailServer
) -> None:
    invoice_id = invoice_to(by_mail)
    desk.change(desk.DOCUMENTS, body=b"x" * 200_000)

    desk.send(SmtpChannel())

    assert desk.status_of(invoice_id) == "undeliverable"
    assert "200,000 at most (SIZE)" in desk.history_of(invoice_id)[-1].note
    assert server.taken == []


def test_addresses_and_names_outside_ascii_are_written_as_they_should(
    by_mail: SourceWithKey, server: MailServer
) -> None:
    desk.change(
        desk.PROVIDERS,
        settings={
            "mail_from": SENDER,
            "sender_name": 'Blau & Söhne "GmbH"',
            "reply_to": "fragen@söhne.example",
            "bounces_to": "returns@bounces.example",
        },
    )
    invoice_to(by_mail)
    desk.change(desk.DELIVERIES, recipient="żółw@straße.example")

    desk.send(SmtpChannel())

    taken = the_mail(server)
    message = taken.message
    assert taken.recipients == ("żółw@xn--strae-oqa.example",)
    assert taken.sender.endswith("@bounces.example")
    # Python reads UTF-8 in headers as bytes that it does not know (RFC 6532).
    name = message["From"].addresses[0].display_name
    assert name.encode(errors="surrogateescape").decode() == 'Blau & Söhne "GmbH"'
    assert message["Reply-To"].addresses[0].domain == "xn--shne-5qa.example"


@pytest.mark.skipif(not pdf.is_available(), reason="without the extra pdf")
def test_a_pdf_goes_along_where_one_can_be_made(by_mail: SourceWithKey, server: MailServer) -> None:
    invoice_to(by_mail, number="7")

    desk.send(SmtpChannel())

    files = list(the_mail(server).message.iter_attachments())
    assert [file.get_filename() for file in files] == ["7.pdf", "7.json"]
    assert files[0].get_content().startswith(b"%PDF-")


@pytest.mark.skipif(not pdf.is_available(), reason="without the extra pdf")
@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        (None, "sent", "accepted, without a PDF, which could not be made"),
        ("no", "sent", "accepted"),
        ("yes", "retry_wait", "the mail could not be made"),
    ],
)
def test_a_pdf_that_cannot_be_made_holds_up_only_who_insists(
    by_mail: SourceWithKey, server: MailServer, wish: str | None, status: str, words: str
) -> None:
    wishes = {"attach_pdf": wish} if wish else {}
    desk.change(desk.PROVIDERS, settings={"mail_from": SENDER} | wishes)
    invoice_id = invoice_to(by_mail)
    desk.change(desk.DOCUMENTS, body=b"{}")

    desk.send(SmtpChannel())

    assert desk.status_of(invoice_id) == status
    assert desk.history_of(invoice_id)[-1].note.startswith(words)
    assert len(server.taken) == (status == "sent")


def subject_of_template(subject: str) -> None:
    with unit_of_work() as connection:
        letters.add_template(connection, Template("{{ number }}", "Text."))
        connection.execute(update(letters.TEMPLATES).values(subject=subject))


def test_a_letter_that_cannot_be_made_is_made_once_its_template_is_mended(
    by_mail: SourceWithKey, server: MailServer
) -> None:
    invoice_id = invoice_to(by_mail)
    subject_of_template("{{ no_such_name }}")
    desk.change(desk.PROVIDERS, failures=7, alarm="it was down")

    desk.send(SmtpChannel())

    attempt, provider = desk.only(desk.ATTEMPTS), desk.only(desk.PROVIDERS)
    assert desk.status_of(invoice_id) == "retry_wait"
    assert "the mail could not be made: " in desk.history_of(invoice_id)[-1].note
    assert (attempt.outcome, attempt.may_have_arrived) == (Outcome.TEMPORARY, False)
    # The mail server was not asked, so it is neither worse nor better than before.
    assert (provider.failures, provider.alarm) == (7, "it was down")
    assert server.taken == []

    with unit_of_work() as connection:
        connection.execute(update(letters.TEMPLATES).values(subject="Number {{ number }}"))
    desk.due()
    desk.send(SmtpChannel())

    assert desk.status_of(invoice_id) == "sent"
    assert str(the_mail(server).message["Subject"]).startswith("Number ")


def test_a_letter_that_never_can_be_made_fails(by_mail: SourceWithKey) -> None:
    invoice_id = invoice_to(by_mail)
    subject_of_template("{{ no_such_name }}")

    for _ in range(len(PLAN) + 1):
        desk.send(SmtpChannel())
        desk.due()

    assert desk.status_of(invoice_id) == "failed"


def test_a_fault_of_ours_ends_one_mail_and_not_its_batch(
    by_mail: SourceWithKey, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = smtp_message.build

    def build(way: object, envelope: Envelope, *given: object, **more: object) -> object:
        if envelope.number == "bad":
            raise RecursionError
        return real(way, envelope, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(smtp, "build", build)
    bad, good = invoice_to(by_mail, number="bad"), invoice_to(by_mail, number="good")

    desk.send(SmtpChannel())

    assert (desk.status_of(bad), desk.status_of(good)) == ("retry_wait", "sent")
    assert "RecursionError" in desk.history_of(bad)[-1].note


@pytest.mark.parametrize(
    "sender",
    ["nobody", "a@" + "x" * 50 + ("." + "y" * 50) * 2 + ".example", "a" * 30 + "@b.example"],
    ids=["no address", "too long a domain", "no room for a token"],
)
def test_a_sender_that_cannot_be_one_holds_and_alarms(
    by_mail: SourceWithKey, server: MailServer, sender: str
) -> None:
    invoice_id = invoice_to(by_mail)
    desk.change(desk.PROVIDERS, settings={"mail_from": sender})

    desk.send(SmtpChannel())

    assert desk.status_of(invoice_id) == "held"
    assert desk.only(desk.PROVIDERS).alarm
    assert server.taken == []


def test_a_silent_server_is_waited_for_and_the_claim_is_held_on_to(
    by_mail: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ANSWER_SECONDS", 1.2)
    invoice_id = invoice_to(by_mail, "silent@buyer.example")

    [message] = desk.claim(lease=desk.LEASE / 300)  # a second; renewed after a third of it
    desk.send(SmtpChannel(), message)

    assert desk.status_of(invoice_id) == "unknown"
    assert desk.only(desk.ATTEMPTS).outcome == Outcome.UNKNOWN


def test_a_batch_that_takes_long_hands_back_the_rest(
    by_mail: SourceWithKey, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "BATCH_SECONDS", 0.0)
    for _ in range(3):
        invoice_to(by_mail)

    assert desk.send(SmtpChannel()) == 1

    states = sorted(row.state for row in desk.rows(desk.DELIVERIES))
    assert states == ["ready", "ready", "sent"]
    assert all(row.lease_token is None for row in desk.rows(desk.DELIVERIES))
    assert len(desk.rows(desk.ATTEMPTS)) == 1


def test_many_go_over_one_connection(by_mail: SourceWithKey, server: MailServer) -> None:
    server.handler.connections.clear()
    for _ in range(5):
        invoice_to(by_mail)

    desk.send(SmtpChannel())

    assert len(server.taken) == 5
    assert len(server.handler.connections) == 1


def test_a_word_that_comes_after_the_lease_is_refused(
    by_mail: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the worker was stopped (SIGSTOP) while the mail server had the mail."""
    invoice_id = invoice_to(by_mail)
    real = core_smtp.send

    def stopped(*given: Any, **more: Any) -> Answer:  # noqa: ANN401
        answer = real(*given, **more)
        desk.due()
        with unit_of_work() as connection:
            outcomes.settle_lost(connection)
        return answer

    monkeypatch.setattr(core_smtp, "send", stopped)

    desk.send(SmtpChannel())

    attempt = desk.only(desk.ATTEMPTS)
    assert desk.path_of(invoice_id)[-2:] == ["sending", "unknown"]
    assert (attempt.outcome, attempt.may_have_arrived) == (Outcome.LOST, True)
    desk.due()
    assert desk.send(SmtpChannel()) == 0


def test_a_bounce_in_the_middle_of_a_batch_holds_what_is_left_of_it(
    by_mail: SourceWithKey, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoices = [invoice_to(by_mail, "gone@buyer.example") for _ in range(3)]
    first = desk.rows(desk.DELIVERIES)[0].id
    real = core_smtp.send

    def bounces(*given: Any, **more: Any) -> Answer:  # noqa: ANN401
        answer = real(*given, **more)
        with unit_of_work() as connection:
            bounce = suppressions.Bounce(delivery_id=first, is_hard=True, reason="no such mailbox")
            suppressions.record(connection, [bounce])
        return answer

    monkeypatch.setattr(core_smtp, "send", bounces)

    desk.send(SmtpChannel())

    assert sorted(map(desk.status_of, invoices)) == ["held", "held", "sent"]
    assert len(server.taken) == 1
