"""Kuvert's own mail."""

from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32
from email.utils import getaddresses
from pathlib import Path

import pytest

from core import mailer
from core.errors import InputError
from core.settings import Settings
from core.smtp import pool
from tests.support.mail_server import mail_server


def settings(tmp_path: Path, url: str | None, sender: str | None) -> Settings:
    plain = Settings.from_environment({}, root=tmp_path)
    return replace(plain, smtp_url=url, mail_from=sender)


def report() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Totals of week 47, Łódź"
    message.set_content("Zażółć: 7 invoices\n")
    message.add_attachment(b"a;b\n1;2\n", maintype="text", subtype="csv", filename="totals.csv")
    return message


def test_a_message_is_completed_and_sent(tmp_path: Path) -> None:
    with mail_server() as server:
        ours = settings(tmp_path, server.url, "Kuvert <kuvert@seller.example>")
        answer = mailer.send(report(), ["a@example.com", "info@straße.example"], ours)
        pool.close_all()

    assert answer.is_accepted
    [taken] = server.taken
    assert taken.sender == "kuvert@seller.example"
    assert taken.recipients == ("a@example.com", "info@xn--strae-oqa.example")
    assert taken.content.isascii()
    message = taken.message
    assert message["From"] == "Kuvert <kuvert@seller.example>"
    assert message["To"] == "a@example.com, info@xn--strae-oqa.example"
    assert message["Subject"] == "Totals of week 47, Łódź"
    assert message["Message-ID"].endswith("@seller.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    [attachment] = message.iter_attachments()
    assert attachment.get_filename() == "totals.csv"


def test_an_address_outside_ascii_needs_a_server_that_takes_it(tmp_path: Path) -> None:
    with mail_server(enable_SMTPUTF8=True) as modern, mail_server(enable_SMTPUTF8=False) as old:
        sender = "kuvert@seller.example"
        taken = mailer.send(report(), ["żółw@example.com"], settings(tmp_path, modern.url, sender))
        refused = mailer.send(report(), ["żółw@example.com"], settings(tmp_path, old.url, sender))
        pool.close_all()

    assert taken.is_accepted
    assert modern.taken[0].recipients == ("żółw@example.com",)
    assert "SMTPUTF8" in modern.taken[0].options
    assert modern.taken[0].message["To"] == "żółw@example.com"
    assert not refused.is_accepted
    assert "SMTPUTF8" in refused.text
    assert old.taken == []


@pytest.mark.parametrize(
    ("url", "sender", "missing"),
    [
        (None, "k@example.org", "KUVERT_SMTP_URL is not set"),
        ("smtp://localhost", None, "KUVERT_MAIL_FROM is not set"),
    ],
)
def test_without_a_server_or_a_sender_it_says_what_is_missing(
    tmp_path: Path, url: str | None, sender: str | None, missing: str
) -> None:
    ours = settings(tmp_path, url, sender)

    assert not mailer.is_set_up(ours)
    with pytest.raises(mailer.NoMailServerError, match=missing):
        mailer.send(report(), ["a@example.com"], ours)


def test_an_address_with_a_line_break_is_refused(tmp_path: Path) -> None:
    ours = settings(tmp_path, "smtp://localhost", "k@example.org")

    with pytest.raises(InputError, match="not an address"):
        mailer.send(report(), ["a@example.com\r\nBcc: x@y.example"], ours)


NAMES = (
    'Ferdinand, Muster & Partner Beratungsgesellschaft (Nord), "Steuern"; Recht <a@b.example> GmbH',
    "Müller, Söhne & Partner Beratungsgesellschaft für Rechnungswesen, Steuern (Nord) mbH & Co. KG",
    "ö" * 120,
    "x" * 120,
    "a@b.example, c@d.example",
    "=?utf-8?q?a=0D=0ABcc:_x@y.example?=",
)


@pytest.mark.parametrize("name", NAMES, ids="abcdef")
def test_a_sender_s_name_stays_a_name(name: str) -> None:
    message = report()
    message["From"] = mailer.shown(name, "billing@seller.example")

    head = mailer.as_bytes(message).partition(b"\r\n\r\n")[0]

    parsed = message_from_bytes(head, policy=compat32)
    [(shown, address)] = getaddresses([parsed["From"]])
    decoded = str(make_header(decode_header(shown.replace("\r\n", ""))))
    assert (decoded, address) == (mailer.literal(name), "billing@seller.example")
    assert parsed["Bcc"] is None
    assert max(map(len, head.split(b"\r\n"))) < 200


@pytest.mark.parametrize("space", ["=0D=0A", "=0A", "=0D=0A=0D=0A", "=00"], ids="abcd")
def test_code_in_a_text_becomes_no_header(space: str) -> None:
    text = f"Invoice =?utf-8?q?a{space}Bcc:_x@y.example?= 7"
    careless, careful = EmailMessage(), EmailMessage()
    careless["Subject"] = text
    careful["Subject"] = mailer.literal(text)

    with pytest.raises(InputError, match="Subject would have a line break"):
        mailer.as_bytes(careless)
    assert (
        mailer.as_bytes(careful)
        == b"Subject: " + text.encode().replace(b"=?", b"= ?") + b"\r\n\r\n"
    )
