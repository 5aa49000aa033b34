"""The start page: counts, money, and whether everything is alive."""

import pytest

from core import heartbeats, leases
from core.clock import utcnow
from core.db import unit_of_work
from core.schedules.lead import BEAT_LEASE, LEASE_LENGTH
from tests.admin.conftest import Person
from tests.support import factories

pytestmark = pytest.mark.pages


def test_it_counts_invoices_and_the_money_that_waits(
    viewer: Person, source: factories.SourceWithKey
) -> None:
    factories.add_invoice(source)
    factories.add_invoice(source)

    html = viewer.text("/admin/")

    assert '<span class="tile-number">2</span>' in html
    assert "238.00 EUR" in html


def test_it_says_that_nothing_is_alive(viewer: Person) -> None:
    html = viewer.text("/admin/")

    assert "none leads" in html
    assert "none is running" in html
    assert "No beat is running" in html


def test_a_worker_that_is_alive_is_named(viewer: Person) -> None:
    with unit_of_work() as connection:
        heartbeats.beat(connection, "worker-1@desk", ["jobs"], utcnow())

    html = viewer.text("/admin/")

    assert "worker-1@desk" in html
    assert "No worker takes from the queue getinvoice" in html


def test_an_empty_desk_says_so(viewer: Person) -> None:
    assert "everything that came in has gone out" in viewer.text("/admin/")


def test_the_history_of_an_invoice_is_told_in_words(
    viewer: Person, source: factories.SourceWithKey
) -> None:
    invoice_id = factories.add_invoice(source)

    html = viewer.text(f"/admin/invoice/details/?id={invoice_id}")

    assert "Taken in from" in html
    assert "Delivery through sandbox to deliver@sandbox.example" in html


def test_once_a_beat_leads_no_page_says_that_none_does(viewer: Person) -> None:
    assert "No beat is running" in viewer.text("/admin/invoice/")
    with unit_of_work() as connection:
        leases.take(connection, BEAT_LEASE, LEASE_LENGTH)

    assert "No beat is running" not in viewer.text("/admin/invoice/")
    assert "No beat is running" not in viewer.text("/admin/invoice/")
