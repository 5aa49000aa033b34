"""Lists: bad addresses, pages, filters, search, export."""

import csv
import io
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import delete

from admin import listing
from callbacks.models import Callback
from core.db import database, reading, unit_of_work
from invoices import searching
from tests.admin.conftest import Person
from tests.support import factories, million

pytestmark = pytest.mark.pages


@pytest.mark.parametrize(
    "address",
    [
        "page=99999999999999999999",
        "page=-1",
        "page=abc",
        "page_size=1000000",
        "sort=999",
        "sort=-1&desc=x",
        "flt0_0=abc",
        "search=%00",
        "status=nonsense",
        "source_id=1,2",
        "created_from=2026-02-30",
        "nonsense=1",
    ],
)
def test_an_odd_address_shows_the_list(
    admin: Person, source: factories.SourceWithKey, address: str
) -> None:
    factories.add_invoice(source, number="A-1")

    html = admin.text(f"/admin/invoice/?{address}")

    assert "A-1" in html


@pytest.mark.parametrize("address", ["sort=999", "flt0_0=abc", "search=%00", "status=nonsense"])
def test_what_is_ignored_is_said(admin: Person, address: str) -> None:
    assert "Ignored:" in admin.text(f"/admin/invoice/?{address}")


@pytest.mark.parametrize("wrong", ["1,2", "abc", "", "1", "018f0000-0000-7000-8000-000000000000"])
def test_an_id_of_nothing_is_not_found(admin: Person, wrong: str) -> None:
    assert admin.get(f"/admin/invoice/details/?id={wrong}").status_code == 404
    assert admin.get(f"/admin/source/edit/?id={wrong}").status_code == 404


def test_a_search_finds_parts_of_words_and_takes_signs_as_they_are(
    admin: Person, source: factories.SourceWithKey
) -> None:
    factories.add_invoice(source, number="A_1%")
    factories.add_invoice(source, number="AB1C")

    html = admin.text("/admin/invoice/?search=a_1%25")

    assert "A_1%" in html
    assert "AB1C" not in html


def test_pages_are_bounded_and_told_apart(admin: Person, source: factories.SourceWithKey) -> None:
    for number in range(30):
        factories.add_invoice(source, number=f"N-{number:02}")

    first, last = admin.text("/admin/invoice/"), admin.text("/admin/invoice/?page=9999")

    assert "30 rows" in first
    assert "N-29" in first
    assert "N-04" not in first
    assert "N-04" in last
    assert "Page 2 of 2" in last


def test_an_export_has_what_the_list_has_and_no_live_formula(
    admin: Person, source: factories.SourceWithKey
) -> None:
    factories.add_invoice(source, number="X-1", external_id="=cmd|' /C calc'!A0")
    factories.add_invoice(source, number="Y-2")

    answer = admin.get("/admin/invoice/export/csv/?search=X-1")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))

    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert [row["number"] for row in rows] == ["X-1"]
    assert rows[0]["external_id"].startswith("'=")
    assert rows[0]["source_id"] == "erp"


def test_who_is_not_logged_in_is_sent_to_do_so(app: Flask) -> None:
    answer = app.test_client().get("/admin/invoice/")

    assert answer.status_code == 302
    assert "/login" in answer.headers["Location"]


def test_a_viewer_may_look_and_nothing_else(viewer: Person) -> None:
    assert viewer.get("/admin/source/").status_code == 200
    assert viewer.get("/admin/source/new/").status_code == 403
    assert viewer.post("/admin/source/new/", name="x").status_code == 403
    assert viewer.post("/admin/invoice/action/", action="cancel", rowid="x").status_code == 403
    assert viewer.post("/admin/invoice/ajax/update/").status_code == 404


def test_a_table_that_was_large_is_counted_again_when_a_page_is_short(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LARGEST_COUNT", 30)
    million.fill(database(), 400)
    table = Callback.__table__
    wanted = listing.Wanted(table=table, columns=("id",), clauses=())
    with reading() as connection:
        before = wanted.counted_page(connection, 0, 10)
        again = wanted.counted_page(connection, 1, 10)
    newest = before[2][0].id
    with unit_of_work() as connection:
        connection.execute(delete(table).where(table.c.id < newest))

    with reading() as connection:
        after = wanted.counted_page(connection, 2, 10)

    assert (before[0], again[0], again[1]) == (31, 31, 1)
    assert (after[0], after[1], [row.id for row in after[2]]) == (1, 0, [newest])


@pytest.mark.one_database
def test_a_search_that_does_not_look_everywhere_says_so(
    admin: Person, source: factories.SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.add_invoice(source, number="A-1")
    factories.add_invoice(source, number="A-2")
    said = "among the newest 1 invoices"
    assert said not in admin.text("/admin/invoice/?search=A-")

    monkeypatch.setattr(searching, "NEWEST", 1)

    assert said in admin.text("/admin/invoice/?search=A-")
    assert said not in admin.text("/admin/invoice/")


def test_a_list_offers_what_was_added_since_it_was_last_shown(
    admin: Person, source: factories.SourceWithKey
) -> None:
    factories.add_invoice(source, number="A-1")
    assert ">newcomer</option>" not in admin.text("/admin/invoice/")

    factories.add_source("newcomer")

    assert ">newcomer</option>" in admin.text("/admin/invoice/")


def test_a_list_that_nothing_narrows_forgets_what_narrowed_it(
    admin: Person, source: factories.SourceWithKey
) -> None:
    factories.add_invoice(source, number="A-1")
    narrowed = admin.text("/admin/invoice/?status=ready&search=A-1")
    plain, second = admin.text("/admin/invoice/"), admin.text("/admin/invoice/?page=1")

    assert 'value="ready" selected' in narrowed
    assert 'value="A-1"' in narrowed
    assert " selected" not in plain + second
    assert 'value="A-1" maxlength' not in plain + second
    assert ("Show all" in plain, "Show all" in second) == (False, True)


def test_the_addresses_of_a_list_keep_what_narrows_it(
    admin: Person, source: factories.SourceWithKey
) -> None:
    for number in range(50):
        factories.add_invoice(source, number=f"N & {number:02}")

    html = unescape(admin.text("/admin/invoice/?search=N+%26&status=ready&sort=0&page=1"))

    path, words = "/admin/invoice/", "page_size=20&search=N+%26&status=ready"
    assert f'href="{path}?sort=0&{words}">First' in html
    assert f'href="{path}?sort=0&{words}">Previous' in html
    assert f'href="{path}?page=2&sort=0&{words}">Next' in html
    assert f'href="{path}?page=1&sort=0&desc=1&{words}">Number' in html
    assert f'href="{path}?page=1&sort=6&{words}">Created' in html
    assert f'href="{path}export/csv/?search=N+%26&status=ready"' in html
