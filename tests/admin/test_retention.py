"""What the pages say of what retention has removed, and of legal holds."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from callbacks import retention
from invoices.hold_models import LegalHold
from invoices.services.retention import DOCUMENT_KIND
from invoices.services.retention_history import EVENT_KIND
from tests.admin.conftest import Person
from tests.callbacks import calling
from tests.support import ageing, desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.pages

HOLDS = LegalHold.__table__
INVOICE = "/admin/invoice"
HOLD = "/admin/legal_hold"


@pytest.fixture
def invoice_id(app: Flask, source: SourceWithKey) -> UUID:
    """An invoice that was sent."""
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    return invoice_id


def act(person: Person, page: str, name: str, row_id: object, reason: str) -> None:
    fields = {"action": name, "rowid": str(row_id), "confirmed": "yes", "reason": reason}
    person.post(f"{page}/action/", **fields)


def test_a_removed_document_is_named_and_cannot_be_had(viewer: Person, invoice_id: UUID) -> None:
    sha256 = desk.only(desk.DOCUMENTS).sha256
    assert "removed by retention" not in viewer.text(f"{INVOICE}/details/?id={invoice_id}")

    ageing.purge(DOCUMENT_KIND)

    html = viewer.text(f"{INVOICE}/details/?id={invoice_id}")
    assert "removed by retention on 2" in html
    assert sha256 in html
    assert "Rule: Documents of invoices that came before 2" in html
    assert "document/?id=" not in html
    for page in ("document", "pdf"):
        answer = viewer.get(f"{INVOICE}/{page}/?id={invoice_id}")
        assert answer.status_code == 410
        assert "removed by retention on 2" in answer.text


def test_the_history_says_where_something_is_missing(viewer: Person, invoice_id: UUID) -> None:
    ageing.purge(EVENT_KIND)

    html = viewer.text(f"{INVOICE}/details/?id={invoice_id}")

    assert "Removed by retention" in html
    assert "2 events from " in html


def test_a_removed_callback_is_told_of_and_cannot_be_had(
    viewer: Person, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(calling.SECRET_NAME, calling.SECRET)
    calling.add_provider("acme")
    calling.call(app.test_client(), "acme", b"no json")
    calling.work()
    row = calling.stored()
    ageing.purge(retention.BODIES)

    html = viewer.text(f"/admin/callback/details/?id={row.id}")

    assert "Removed by retention on 2" in html
    assert "Rule: Headers and bodies of callbacks that came before 2" in html
    assert row.body_sha256 in html
    assert viewer.get(f"/admin/callback/body/?id={row.id}").status_code == 410


def test_an_approver_sees_what_is_due_and_what_was_removed(
    app: Flask, approver: Person, invoice_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = replace(app.extensions["kuvert_settings"], keep_documents=3650)
    monkeypatch.setitem(app.extensions, "kuvert_settings", kept)
    html = approver.text("/admin/retention/")
    assert "KUVERT_KEEP_DOCUMENTS" in html
    assert "3650 days" in html
    assert "not counted" in html
    assert "Nothing has been removed yet." in html

    ageing.look_back(monkeypatch, timedelta(days=3700))
    html = approver.text("/admin/retention/?count=yes")
    size = desk.only(desk.DOCUMENTS).size
    assert f"1 row, {size} Bytes" in html

    desk.change(desk.INVOICES, status="unknown")
    assert "1 not final" in approver.text("/admin/retention/?count=yes")

    desk.change(desk.INVOICES, status="sent")
    ageing.purge(DOCUMENT_KIND)
    assert f"1 rows, {size} bytes" in approver.text("/admin/retention/")


def test_operators_see_no_retention(operator: Person) -> None:
    assert operator.get("/admin/retention/").status_code == 403
    assert "/admin/retention/" not in operator.text("/admin/")


def test_an_approver_holds_an_invoice_and_lifts_it(approver: Person, invoice_id: UUID) -> None:
    page = f"{INVOICE}/details/?id={invoice_id}"
    act(approver, INVOICE, "legal_hold", invoice_id, "case 4711")

    held = desk.only(HOLDS)
    assert (held.invoice_id, held.reason, held.lifted_at) == (invoice_id, "case 4711", None)
    assert "Under legal hold: case 4711" in approver.text(page)
    assert "case 4711" in approver.text(f"{HOLD}/")

    act(approver, HOLD, "lift", held.id, "settled")

    assert desk.only(HOLDS).lift_reason == "settled"
    assert "Under legal hold" not in approver.text(page)


def test_an_approver_holds_an_address(approver: Person, invoice_id: UUID) -> None:
    answer = approver.post(f"{HOLD}/new/", address="Deliver@sandbox.example", reason="case 4711")

    assert answer.status_code == 302, answer.text
    assert desk.only(HOLDS).address == "deliver@sandbox.example"
    assert "Under legal hold: case 4711" in approver.text(f"{INVOICE}/details/?id={invoice_id}")


def test_operators_hold_nothing(operator: Person, invoice_id: UUID) -> None:
    act(operator, INVOICE, "legal_hold", invoice_id, "case 4711")

    assert desk.rows(HOLDS) == []
