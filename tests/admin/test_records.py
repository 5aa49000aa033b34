"""Deliveries, callbacks, status events, reports: what happened, for staff to read."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from callbacks import inbox
from callbacks.mappings import map_status
from callbacks.models import Callback
from core.clock import utcnow
from core.db import unit_of_work
from core.editing import By
from core.web import settings
from invoices.models import Report
from invoices.services.totals import Week, store
from status.models import Status
from tests.admin.conftest import Person
from tests.callbacks import calling
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.factories import SourceWithKey, add_invoice, add_source

pytestmark = pytest.mark.pages

CALLBACKS = Callback.__table__
REPORTS = Report.__table__


@pytest.fixture(autouse=True)
def _known_secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    inbox._senders.clear()
    monkeypatch.setenv(calling.SECRET_NAME, calling.SECRET)
    yield
    inbox._senders.clear()


@pytest.fixture
def billing(app: Flask) -> SourceWithKey:
    """A source whose provider calls back."""
    calling.add_provider("acme")
    return add_source("billing", provider="acme")


@pytest.fixture
def sent(billing: SourceWithKey) -> UUID:
    """An invoice that the provider has accepted."""
    invoice_id = add_invoice(billing, number="S-1")
    desk.send(FakeChannel(answer(202, b'{"id": "<b>ref-1</b>"}')))
    return invoice_id


def called_back(app: Flask, body: object) -> UUID:
    """Have the provider say something; return the id of the callback."""
    assert calling.call(app.test_client(), "acme", body).status_code in {200, 202}
    return UUID(str(desk.rows(CALLBACKS)[-1].id))


def test_a_delivery_shows_its_key_and_attempts(viewer: Person, sent: UUID) -> None:
    delivery = desk.only(desk.DELIVERIES)

    html = viewer.text(f"/admin/delivery/details/?id={delivery.id}")

    assert f'data-copy="{delivery.id}"' in html
    assert f"/admin/invoice/details/?id={sent}" in html
    assert "accepted" in html
    assert "&lt;b&gt;ref-1&lt;/b&gt;" in html
    assert "<b>ref-1</b>" not in html


@pytest.mark.parametrize("address", ["state=sent", "state=sent,ready", "invoice_id={sent}"])
def test_deliveries_are_narrowed_by_address(viewer: Person, sent: UUID, address: str) -> None:
    html = viewer.text(f"/admin/delivery/?{address.format(sent=sent)}")

    assert "1 row" in html
    assert "Ignored" not in html


def test_deliveries_in_another_state_are_not_shown(viewer: Person, sent: UUID) -> None:
    assert "Nothing fits" in viewer.text("/admin/delivery/?state=failed")


@pytest.mark.parametrize("name", ["delivery", "callback", "status_event", "report"])
@pytest.mark.parametrize("page", ["new/", "edit/?id={id}"])
def test_what_happened_cannot_be_written(admin: Person, sent: UUID, name: str, page: str) -> None:
    path = f"/admin/{name}/{page.format(id=sent)}"

    assert admin.get(path).status_code == 404
    assert admin.post(path).status_code == 404
    assert admin.post(f"/admin/{name}/delete/", id=sent, confirmed="yes").status_code == 404


def test_a_callback_shows_what_came_as_text(app: Flask, viewer: Person, sent: UUID) -> None:
    key = called_back(app, b'{"reference": "x", "status": "<script>alert(1)</script>"}')

    html = viewer.text(f"/admin/callback/details/?id={key}")

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert" not in html
    assert "webhook-signature" in html


def test_a_body_is_downloaded_as_it_came(app: Flask, viewer: Person, sent: UUID) -> None:
    body = b"<html>\x00\x01\xff</html>"
    key = called_back(app, body)

    html = viewer.text(f"/admin/callback/details/?id={key}")
    file = viewer.get(f"/admin/callback/body/?id={key}")

    assert "Not text" in html
    assert file.data == body
    assert file.content_type == "application/octet-stream"
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_a_long_body_is_shown_in_part(app: Flask, viewer: Person, sent: UUID) -> None:
    key = called_back(app, ("é" * 40_000 + "THE END").encode())

    html = viewer.text(f"/admin/callback/details/?id={key}")

    assert "This is the beginning" in html
    assert "THE END" not in html


def test_a_replay_says_first_what_it_would_do(app: Flask, operator: Person, sent: UUID) -> None:
    key = called_back(app, calling.said(desk.only(desk.DELIVERIES).id, "arrived"))
    calling.work()
    with unit_of_work() as connection:
        provider = desk.rows(desk.PROVIDERS)[0].id
        map_status(connection, provider, "arrived", Status.DELIVERED, By("ann"))
    path = "/admin/callback/action/"

    asked = operator.post(path, action="replay", rowid=key).get_data(as_text=True)

    assert "What it would do" in asked
    assert "applied: delivered" in asked
    assert desk.status_of(sent) == "sent"
    assert desk.only(CALLBACKS).state == "unmapped"

    done = operator.post(path, action="replay", rowid=key, confirmed="yes")

    assert "Done for 1 row" in operator.message(done)
    assert desk.status_of(sent) == "delivered"


def test_a_viewer_replays_nothing(app: Flask, viewer: Person, sent: UUID) -> None:
    key = called_back(app, calling.said("nobody"))

    refused = viewer.post("/admin/callback/action/", action="replay", rowid=key, confirmed="yes")

    assert refused.status_code == 403
    assert "Work through again" not in viewer.text("/admin/callback/")


def test_status_events_of_one_invoice_are_found(
    viewer: Person, sent: UUID, billing: SourceWithKey
) -> None:
    other = add_invoice(billing, number="S-2")

    html = viewer.text(f"/admin/status_event/?invoice_id={sent}&cause=dispatch")

    assert f"/admin/invoice/details/?id={sent}" in html
    assert str(other) not in html


def test_a_report_shows_bars_and_its_week(viewer: Person, billing: SourceWithKey) -> None:
    add_invoice(billing, payable_amount="119.00")
    week = Week.before(utcnow() + timedelta(days=7), settings().timezone)
    with unit_of_work() as connection:
        store(connection, week)

    html = viewer.text("/admin/report/")
    page = viewer.text(f"/admin/report/details/?id={desk.only(REPORTS).id}")

    assert '<rect width="100.0%"' in html
    assert " style=" not in html
    assert "119.00 EUR" in html
    assert week.name in page
    assert settings().timezone.key in page


def test_reports_are_narrowed_and_exported(viewer: Person, billing: SourceWithKey) -> None:
    add_invoice(billing, payable_amount="119.00")
    with unit_of_work() as connection:
        for days in (0, 7):
            store(connection, Week.before(utcnow() + timedelta(days=days), settings().timezone))

    week = desk.only(REPORTS).week
    file = viewer.get(f"/admin/report/export/csv/?week={week}").get_data(as_text=True)
    [row] = csv.DictReader(io.StringIO(file))

    assert (row["week"], row["source_id"], row["currency"]) == (week, "billing", "EUR")
    assert row["payable_amount"] == "119.0000"
    assert "Nothing fits" in viewer.text("/admin/report/?week=1999-W01")
    assert "a week such as" in viewer.text("/admin/report/?week=soon")
