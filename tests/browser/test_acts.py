"""What staff do to invoices, by buttons and dialogs, with the mouse and by keyboard alone."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import func, select

from core.people.roles import Role
from invoices.models import Delivery, Invoice
from tests.browser.dialogs import ask, confirm, finish
from tests.browser.looks import assert_accessible
from tests.browser.site import Site
from tests.browser.windows import Windows
from tests.support.full_desk import STAFF

pytestmark = pytest.mark.storm

INVOICES, DELIVERIES = Invoice.__table__, Delivery.__table__
LIST = "/admin/invoice/"
ACTS = re.compile("^(Hold|Release|Send again|Decide the outcome|Cancel)$")


def take(site: Site, status: str) -> str:
    """Return the number of an invoice with this status that no other test has taken."""
    taken = site.taken
    with site.kuvert.database.single() as connection:
        columns = INVOICES.c
        free = select(columns.number).where(columns.status == status, columns.number.not_in(taken))
        ours = columns.number.not_like("N-%")
        number = connection.scalars(free.where(ours).order_by(columns.id)).first()
    assert number, f"no more invoices are {status}"
    taken.append(str(number))
    return taken[-1]


def deliveries_of(site: Site, number: str) -> int:
    """Count the deliveries of an invoice."""
    mine = select(INVOICES.c.id).where(INVOICES.c.number == number).scalar_subquery()
    count = select(func.count()).where(DELIVERIES.c.invoice_id == mine)
    with site.kuvert.database.single() as connection:
        return int(connection.scalar(count) or 0)


def show(page: Page, number: str) -> None:
    """Search for an invoice and open its page."""
    page.goto(LIST)
    page.keyboard.press("/")
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=number, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(number)


def status(page: Page) -> Locator:
    """Return where the page says that the invoice stands."""
    return page.locator("main h1 .state")


@pytest.fixture
def page(windows: Windows) -> Page:
    """A window of an operator."""
    return windows.open(Role.OPERATOR)


def test_an_invoice_is_held_and_released_by_keyboard(page: Page, site: Site) -> None:
    show(page, take(site, "ready"))
    dialog = ask(page, "Hold")
    assert_accessible(page)
    dialog.get_by_label("Reason").fill("the amount is wrong")
    dialog.get_by_label("Reason").press("Enter")
    expect(status(page)).to_have_text("held")
    expect(page.get_by_role("main")).to_contain_text("the amount is wrong")
    expect(page.get_by_role("main")).to_contain_text(STAFF[Role.OPERATOR])

    ask(page, "Release").get_by_label("Reason").fill("it was right after all")
    page.keyboard.press("Enter")

    expect(status(page)).to_have_text("ready")


def test_who_changes_his_mind_changes_nothing(page: Page, site: Site) -> None:
    number = take(site, "ready")
    show(page, number)
    dialog = ask(page, "Cancel")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_focused()

    ask(page, "Cancel").get_by_text("Keep as it is").click()

    expect(dialog).to_be_hidden()
    page.reload()
    expect(status(page)).to_have_text("ready")


def test_a_reason_that_is_missing_is_asked_for(page: Page, site: Site) -> None:
    show(page, take(site, "ready"))
    dialog = ask(page, "Cancel")
    reason = dialog.get_by_label("Reason")
    reason.evaluate("field => { field.required = false }")

    dialog.get_by_role("button", name="Cancel", exact=True).click()

    expect(dialog).to_contain_text("say why; the history keeps it")
    expect(reason).to_have_attribute("aria-invalid", "true")
    expect(reason).to_be_focused()


def test_a_double_click_sends_once(page: Page, site: Site) -> None:
    """F28."""
    number = take(site, "undeliverable")
    before = deliveries_of(site, number)
    show(page, number)
    dialog = ask(page, "Send again")
    dialog.get_by_label("Reason").fill("the address was wrong")

    dialog.get_by_role("button", name="Send again", exact=True).dblclick()

    expect(status(page)).to_have_text("ready")
    assert deliveries_of(site, number) == before + 1


def test_what_would_reach_somebody_twice_needs_a_second_tick_and_an_approver(
    windows: Windows, page: Page, site: Site
) -> None:
    number = take(site, "delivered")
    show(page, number)

    confirm(page, "Send again", Reason="they lost it")

    assert deliveries_of(site, number) == 1

    approver = windows.open(Role.APPROVER)
    show(approver, number)
    dialog = ask(approver, "Send again")
    dialog.get_by_label("somebody gets them twice").check()
    finish(dialog, "Send again", Reason="they lost it")

    expect(status(approver)).to_have_text("ready")
    assert deliveries_of(site, number) == 2


def test_several_are_held_at_once(page: Page, site: Site) -> None:
    numbers = [take(site, "ready") for _ in range(2)]
    page.goto(f"{LIST}?status=ready&page_size=100")
    for number in numbers:
        page.get_by_label(f"Tick {number}").check()

    dialog = ask(page, "Hold")
    for number in numbers:
        expect(dialog).to_contain_text(number)
    finish(dialog, "Hold", Reason="month's end")

    expect(dialog).to_be_hidden()
    for number in numbers:
        show(page, number)
        expect(status(page)).to_have_text("held")


def test_all_of_a_page_are_ticked_at_once(page: Page) -> None:
    page.goto(LIST)

    page.get_by_label("Tick all rows of this page").check()

    expect(page.locator("input[name=rowid]:not(:checked)")).to_have_count(0)


def test_a_viewer_is_offered_nothing(windows: Windows, site: Site) -> None:
    """F32, as far as the page goes; the server refuses too."""
    page = windows.open(Role.VIEWER)

    show(page, take(site, "ready"))

    expect(page.get_by_role("button", name=ACTS)).to_have_count(0)
    page.goto(LIST)
    expect(page.get_by_role("button", name=ACTS)).to_have_count(0)


def test_the_desk_works_without_scripts(windows: Windows, site: Site) -> None:
    page = windows.open(Role.OPERATOR, java_script_enabled=False)
    number = take(site, "ready")
    page.goto(f"{LIST}?search={number}")
    page.get_by_role("link", name=number, exact=True).click()

    page.get_by_role("button", name="Hold", exact=True).click()
    page.get_by_label("Reason").fill("scripts are off here")
    page.get_by_role("button", name="Hold", exact=True).click()

    expect(status(page)).to_have_text("held")
