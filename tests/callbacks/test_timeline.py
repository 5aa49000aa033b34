"""The whole of an invoice's life, in order."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callbacks import timeline as module
from callbacks.timeline import Entry, Kind, timeline
from core.clock import utcnow
from core.db import reading
from core.errors import NotFoundError
from core.ids import new_id
from tests.callbacks.calling import call, said, work
from tests.callbacks.conftest import Sent
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.factories import SourceWithKey, add_invoice, add_subscription

pytestmark = pytest.mark.every_database


def entries(invoice_id: object) -> list[Entry]:
    with reading() as connection:
        return timeline(connection, invoice_id)  # type: ignore[arg-type]


def test_it_shows_what_was_done_and_what_was_said_in_order(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    call(client, acme, said(sent.delivery_id, "delivered"))
    work()

    found = entries(sent.id)

    told = [(str(entry.kind), entry.state) for entry in found]
    assert [pair for pair in told if pair[0] == Kind.EVENT] == [
        ("event", "ready"), ("event", "sending"), ("event", "sent"), ("event", "delivered"),
    ]  # fmt: skip
    assert ("attempt", "accepted") in told
    assert ("callback", "applied") in told
    assert ("delivery", "delivered") in told
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    assert told.index(("delivery", "delivered")) < told.index(("attempt", "accepted"))
    assert told.index(("attempt", "accepted")) < told.index(("callback", "applied"))


def test_an_attempt_has_its_length_and_what_waits_the_moment_it_is_due(
    source: SourceWithKey,
) -> None:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel(answer(503)))
    begun = utcnow() - timedelta(seconds=9)
    desk.change(desk.ATTEMPTS, started_at=begun, finished_at=begun + timedelta(seconds=2))

    found = {entry.kind: entry for entry in entries(invoice_id)}

    assert found[Kind.ATTEMPT].took == timedelta(seconds=2)
    assert found[Kind.ATTEMPT].state == "temporary"
    assert found[Kind.DELIVERY].due_at == desk.only(desk.DELIVERIES).due_at
    assert found[Kind.DELIVERY].row.provider == "sandbox"


def test_what_subscribers_were_told_is_there(source: SourceWithKey) -> None:
    add_subscription(source, "http://127.0.0.1:9/hook")
    invoice_id = add_invoice(source)

    pushes = [entry for entry in entries(invoice_id) if entry.kind == Kind.PUSH]

    assert [(one.state, one.note, one.row.url) for one in pushes] == [
        ("pending", "invoice.ready", "http://127.0.0.1:9/hook")
    ]


def test_other_invoices_are_not_in_it(source: SourceWithKey) -> None:
    mine, _ = add_invoice(source), add_invoice(source)

    rows = [entry.row for entry in entries(mine)]

    assert {row.invoice_id for row in rows if hasattr(row, "invoice_id")} == {mine}


def test_it_ends_with_the_newest(source: SourceWithKey, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    monkeypatch.setattr(module, "MOST", 1)

    events = [entry.state for entry in entries(invoice_id) if entry.kind == Kind.EVENT]

    assert events == ["sent"]


def test_an_invoice_that_is_none_has_none(app: Flask) -> None:
    with pytest.raises(NotFoundError):
        entries(new_id())
