"""Texts that have broken other programs go in at every field and come out as text, never live."""

import csv
import io

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from core.people.roles import Role
from invoices.models import Invoice
from tests.browser.looks import assert_fits
from tests.browser.site import Site
from tests.browser.windows import Windows
from tests.support.strings import formulas, naughty

pytestmark = pytest.mark.storm  # minutes; the other modules drive the same pages

INVOICES = Invoice.__table__
LIST = "/admin/invoice/?search=N-"
LIVE = ("=", "+", "-", "@", "\t", "\r")
EVERY = 20
"""One of so many is opened on a page of its own."""


@pytest.fixture
def page(windows: Windows) -> Page:
    """A window of somebody who may see everything; whatever comes alive in it fails the test."""
    return windows.open(Role.ADMIN)


def stored(site: Site) -> dict[str, str]:
    """Return the buyers' names by the numbers of the invoices."""
    wanted = select(INVOICES.c.number, INVOICES.c.buyer_name).where(INVOICES.c.number.like("N-%"))
    with site.kuvert.database.single() as connection:
        return {row.number: row.buyer_name for row in connection.execute(wanted)}


def shown(text: str) -> str:
    """Return what is left of a text where white space does not count."""
    return "".join(text.split())


def test_lists_show_every_text_as_it_is(page: Page, site: Site) -> None:
    """F14."""
    expected = stored(site)
    assert len(expected) > 250
    for number in range((len(expected) - 1) // 100 + 1):
        page.goto(f"{LIST}&page_size=100&page={number}")
        rows = page.evaluate(
            "() => [...document.querySelectorAll('.rows tbody tr')].map((row) =>"
            " [row.querySelector('[data-label=Number]').textContent,"
            "  row.querySelector('[data-label=Buyer]').textContent])"
        )
        for name, buyer in rows:
            assert shown(expected.pop(name.strip())) == shown(buyer)
    assert expected == {}


def test_details_and_dialogs_show_them_as_text_and_still_fit_a_telephone(page: Page) -> None:
    page.goto(f"{LIST}&page_size=100&page=1")
    links = page.locator(".rows [data-label=Number] a")
    addresses = [link.get_attribute("href") or "" for link in links.all()][::EVERY]
    for address in addresses:
        page.goto(address)
        assert_fits(page)
        page.get_by_role("button", name="Send again", exact=True).click()
        expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize("name", ["invoice", "schedule", "audit", "callback", "status_event"])
def test_an_export_holds_no_live_formula(page: Page, name: str) -> None:
    """F15."""
    answer = page.request.get(f"/admin/{name}/export/csv/")

    assert answer.status == 200
    rows = list(csv.reader(io.StringIO(answer.text(), newline="")))
    assert len(rows) > 1
    assert len({len(row) for row in rows}) == 1
    assert [cell for row in rows for cell in row if cell.lstrip(" ").startswith(LIVE[:4])] == [
        cell for row in rows for cell in row if is_number(cell) and cell.startswith(LIVE)
    ]


def is_number(cell: str) -> bool:
    """Whether a cell is an amount of ours: those may begin with a minus."""
    return cell.lstrip("-").replace(".", "", 1).isdigit() and cell.isascii()


def test_the_export_of_invoices_has_them_all(page: Page, site: Site) -> None:
    answer = page.request.get("/admin/invoice/export/csv/?search=N-")

    rows = list(csv.DictReader(io.StringIO(answer.text(), newline="")))
    with site.kuvert.database.single() as connection:
        count = connection.scalar(select(func.count()).where(INVOICES.c.number.like("N-%")))
    assert len(rows) == count
    exported = {shown(cell).removeprefix("'") for row in rows for cell in row.values()}
    assert {shown(text) for text in formulas()} <= exported


@pytest.mark.parametrize("place", ["invoice", "audit"])
def test_a_search_takes_any_text(page: Page, place: str) -> None:
    """F13."""
    for text in [*naughty()[::60], *formulas()[:3], "\0", "%", "_", "\\"]:
        page.goto(f"/admin/{place}/")
        search = page.locator("[data-search]")
        if not search.count():
            return
        answer = page.request.get(f"/admin/{place}/", params={"search": text})
        assert answer.status == 200, text
