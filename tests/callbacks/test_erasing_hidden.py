"""A person goes from what is encoded too: mails in parts, JSON within JSON, attachments."""

import base64
import json
import quopri
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from callbacks.models import Callback
from core.audit.models import AuditEntry
from core.db import unit_of_work
from core.ids import new_id
from core.retention import pseudonyms
from core.settings import current
from invoices.models import Document
from status.models import Push
from tests.callbacks import calling
from tests.callbacks.test_erasing import (
    ADDRESS,
    BUYER,
    NAME,
    OTHER,
    audit_entry,
    billing,
    erase,
    finish,
)
from tests.callbacks.test_mails import take_in
from tests.support import desk
from tests.support.console import Console
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

CALLBACKS = Callback.__table__
DOCUMENTS = Document.__table__
ENTRIES = AuditEntry.__table__
PUSHES = Push.__table__
MIXED = "Anna.Svensson@Privat.example"

__all__ = ["billing"]


def mail(encoding: str, body: bytes, *headers: str, charset: str = "utf-8") -> bytes:
    """Return a mail about no delivery of ours, whose text is written in this way."""
    lines = (
        "From: someone@elsewhere.example",
        "To: bounces@example.com",
        f"Message-ID: <{new_id()}@elsewhere.example>",
        *headers,
        "MIME-Version: 1.0",
        f"Content-Type: text/plain; charset={charset}",
        f"Content-Transfer-Encoding: {encoding}",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


WORDS = f"This is {NAME}, {MIXED}, please stop writing to me, and tell no one. " * 3
MAILS = {
    "base64": mail("base64", base64.encodebytes(WORDS.encode())),
    "quoted-printable": mail("quoted-printable", quopri.encodestring(WORDS.encode())),
    "latin-1": mail("8bit", f"I am {NAME}".encode("latin-1"), charset="iso-8859-1"),
    "base64 of latin-1": mail(
        "base64", base64.encodebytes(f"I am {NAME}".encode("latin-1")), charset="iso-8859-1"
    ),
    "subject": mail("7bit", b"stop", "Subject: =?utf-8?B?QW5uYSDDhWtlc2RvdHRlcg==?="),
    "subject in q": mail("7bit", b"stop", "Subject: =?utf-8?Q?Anna_=C3=85kesdotter?= left"),
    "mixed case": mail("7bit", f"I am {MIXED}.".encode()),
    "over two lines": mail("8bit", NAME.replace(" ", "\r\n ").encode()),
}


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_that_names_her_in_a_code_is_emptied(billing: SourceWithKey, name: str) -> None:
    add_invoice(billing, buyer=BUYER)
    finish()
    take_in(MAILS[name], mail("7bit", f"I am {OTHER}".encode()))

    erase()

    hers, other = desk.rows(CALLBACKS)
    assert (hers.body, hers.headers) == (b"", {})
    assert other.body


CALLBACK_BODIES = {
    "mixed case": {"to": MIXED},
    "json in json": {"raw": json.dumps({"name": NAME, "to": f"<{ADDRESS}>"})},
    "base64": {"mail": base64.b64encode(WORDS.encode()).decode()},
    "behind an escape": {"raw": f"unknown:\n{ADDRESS}"},
    "in a query": {"url": "https://x.example/?to=%3Canna.svensson%40privat.example%3E"},
}


@pytest.mark.parametrize("name", CALLBACK_BODIES)
def test_a_callback_that_names_her_in_a_code_is_emptied(
    client: FlaskClient, billing: SourceWithKey, name: str
) -> None:
    for more in (CALLBACK_BODIES[name], {"to": OTHER}):
        calling.call(client, "acme", calling.said("of nobody", **more))
    desk.change(CALLBACKS, state="ignored", due_at=None)

    erase()

    hers, other = desk.rows(CALLBACKS)
    assert hers.body == b""
    assert other.body


TEXTS = {
    "json": json.dumps({"error": f"unknown:\n{ADDRESS}"}),
    "go": json.dumps({"error": f"<{ADDRESS}>"}).replace("<", r"\u003c").replace(">", r"\u003e"),
    "json in json": json.dumps({"error": json.dumps({"error": f"{NAME}\n{ADDRESS}"})}),
    "query": "https://x.example/?to=%3Canna.svensson%40privat.example%3E&n=1",
    "html": f"<a href='mailto:{MIXED}'>{NAME.upper()}</a>",
}


@pytest.mark.every_case
@pytest.mark.parametrize("name", TEXTS)
def test_what_stands_in_a_text_in_a_code_is_replaced(billing: SourceWithKey, name: str) -> None:
    add_invoice(billing, buyer={"name": "Grün AG", "email": "office@gruen.example"})
    finish()
    desk.change(desk.DELIVERIES, reason=f"{TEXTS[name]} but {OTHER}")
    desk.change(PUSHES, payload=TEXTS[name])
    with unit_of_work() as connection:
        entry = audit_entry("", {}) | {"before": {"x": TEXTS[name]}}
        connection.execute(insert(ENTRIES), [entry])

    erase()

    told = " ".join(
        [
            desk.only(desk.DELIVERIES).reason,
            desk.only(PUSHES).payload,
            *(
                str(row.before)
                for row in desk.rows(AuditEntry.__table__)
                if row.kind == "schedules"
            ),
        ]
    ).lower()
    assert OTHER in told
    assert "åkesdotter" not in told
    assert "kesdotter" not in told
    assert "anna.svensson" not in told.replace(OTHER, "")
    assert pseudonyms.of(current().secret_key, ADDRESS) in told


DOCUMENT_BODIES = {
    "mixed case": f"<Contact>{MIXED}</Contact>".encode(),
    "attachment": b"<Embedded>" + base64.b64encode(WORDS.encode()) + b"</Embedded>",
    "attachment in lines": b"<Embedded>\n" + base64.encodebytes(WORDS.encode()) + b"</Embedded>",
    "UTF-16": f"<?xml version='1.0' encoding='UTF-16'?><a>{NAME}</a>".encode("utf-16"),
    "latin-1": f"<?xml version='1.0' encoding='ISO-8859-1'?><a>{NAME}</a>".encode("latin-1"),
}


def sent_to_her_too() -> UUID:
    """Let the single delivery of another's invoice have a second one, to her address."""
    with unit_of_work() as connection:
        row = dict(desk.only(desk.DELIVERIES)._mapping)
        row |= {"id": new_id(), "recipient": ADDRESS, "origin": "resend"}
        connection.execute(insert(desk.DELIVERIES).values(row))
    return UUID(str(row["id"]))


@pytest.mark.parametrize("name", DOCUMENT_BODIES)
def test_another_s_document_that_names_her_in_a_code_goes(
    billing: SourceWithKey, name: str
) -> None:
    add_invoice(billing, buyer={"name": "Grün AG", "email": "office@gruen.example"})
    finish()
    sent_to_her_too()
    desk.change(DOCUMENTS, body=DOCUMENT_BODIES[name])

    erase()

    document = desk.only(DOCUMENTS)
    assert document.body == b""
    assert document.purged_at is not None


PDF = b"<Embedded>" + base64.b64encode(b"%PDF-1.7 packed") + b"</Embedded>"


@pytest.mark.parametrize("body", [PDF, b"%PDF-1.7 packed"], ids=["inside", "itself"])
def test_what_nobody_can_read_is_told(
    console: Console, billing: SourceWithKey, body: bytes
) -> None:
    add_invoice(billing, number="G-1", buyer={"name": "Grün AG", "email": "office@gruen.example"})
    finish()
    sent_to_her_too()
    desk.change(DOCUMENTS, body=body)
    given = ("erase", "--address", ADDRESS, "--reason", "asked for")

    assert console(*given, "--dry-run", "--json").json()["unread"] == ["G-1"]
    done = console(*given, "--yes")

    assert "not searched: G-1" in done.err
    assert desk.only(DOCUMENTS).body == body


def test_what_is_read_is_not_told(billing: SourceWithKey) -> None:
    add_invoice(billing, buyer={"name": "Grün AG", "email": "office@gruen.example"})
    finish()
    sent_to_her_too()

    assert erase().unread == []
