"""An invoice leaves by mail, and what became of it comes back to the mailbox."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from callbacks.mailbox.reading import check
from core.db import unit_of_work
from core.settings import current
from core.smtp import pool
from invoices import setup
from invoices.channels.smtp import SmtpChannel
from invoices.setup import NewProvider
from tests.callbacks.mail.test_understanding import block, report
from tests.support import desk
from tests.support.factories import add_invoice, add_source
from tests.support.mail_server import MailServer, Taken, mail_server
from tests.support.mailbox import Client

BUYER = "a@buyer.example"
FAILED = block(BUYER, "failed", "5.1.1", "550 5.1.1 User unknown")
DELIVERED = block(BUYER, "delivered", "2.0.0")


@pytest.fixture
def outside(app: Flask) -> Iterator[MailServer]:
    """A mail server, and a source whose invoices go through it."""
    with mail_server() as server:
        settings = {"mail_from": "billing@seller.example"}
        new = NewProvider(code="mail", channel="smtp", url=server.url, settings=settings)
        with unit_of_work() as connection:
            setup.add_provider(connection, new, settings=current())
        yield server
        pool.close_all()


def bounce_by_address(mail: Taken) -> bytes:
    """A report that went to the envelope's sender, and returns nothing."""
    return report(FAILED).replace(b"bounces@example.com", mail.sender.encode(), 1)


def bounce_by_message_id(mail: Taken) -> bytes:
    """A report that went to the plain address, and returns the headers of the mail."""
    headers = mail.content.partition(b"\r\n\r\n")[0].decode() + "\r\n"
    return report(FAILED, returned=headers)


def success(mail: Taken) -> bytes:
    """A report that the mail has arrived."""
    return report(DELIVERED).replace(b"bounces@example.com", mail.sender.encode(), 1)


def itself(mail: Taken) -> bytes:
    """The mail, sent back as it was."""
    return mail.content


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (bounce_by_address, "undeliverable"),
        (bounce_by_message_id, "undeliverable"),
        (success, "delivered"),
        (itself, "sent"),
    ],
    ids=["its envelope's sender", "its Message-ID", "a success", "the mail itself"],
)
def test_what_comes_back_finds_its_invoice(
    outside: MailServer,
    url: str,
    box: Client,
    answer: Callable[[Taken], bytes],
    status: str,
) -> None:
    invoice_id = add_invoice(
        add_source(environment="live", provider="mail"), delivery={"to": BUYER}
    )
    desk.send(SmtpChannel())
    [taken] = outside.taken
    box.put(answer(taken))

    said = check(url)

    assert desk.status_of(invoice_id) == status, said
    assert len(box.bodies("Kuvert.Processed")) == 1
    assert box.bodies() == []


def test_a_cut_mail_is_settled_by_its_bounce(outside: MailServer, url: str, box: Client) -> None:
    invoice_id = add_invoice(
        add_source(environment="live", provider="mail"), delivery={"to": "cut@buyer.example"}
    )
    desk.send(SmtpChannel())
    before = desk.status_of(invoice_id)
    [taken] = outside.taken
    failed = block("cut@buyer.example", "failed", "5.1.1", "550 5.1.1 User unknown")
    box.put(report(failed).replace(b"bounces@example.com", taken.sender.encode(), 1))

    check(url)

    assert (before, desk.status_of(invoice_id)) == ("unknown", "undeliverable")
