"""A day at the desk without a mouse: nothing is pressed here but keys."""

import pytest
from playwright.sync_api import Locator, Page, expect

from core.people.roles import Role
from tests.browser.editor import new_schedule, save
from tests.browser.site import Site
from tests.browser.test_acts import status, take
from tests.browser.windows import Windows
from tests.support.full_desk import STAFF
from tests.support.staff import PASSWORD

pytestmark = pytest.mark.storm

MOST_TABS = 120
HAS_FOCUS = "one => one === document.activeElement"
IS_OUTLINED = """one => {
  const style = getComputedStyle(one);
  return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
}"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus, and can be seen to have it."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate(HAS_FOCUS):
            assert wanted.evaluate(IS_OUTLINED), f"nobody sees the focus on {wanted}"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way by keyboard to {wanted} on {page.url}")


def press(page: Page, role: str, name: str) -> None:
    """Go to a button or a link and press it."""
    tab_to(page, page.get_by_role(role, name=name, exact=True))  # type: ignore[arg-type]
    page.keyboard.press("Enter")


def enter(page: Page, label: str, text: str) -> None:
    """Go to a field and type."""
    tab_to(page, page.get_by_label(label, exact=True))
    page.keyboard.type(text)


def decide(page: Page, act: str, reason: str) -> None:
    """Do an act with a reason, which is where its dialog begins."""
    press(page, "button", act)
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_be_focused()
    page.keyboard.type(reason)
    page.keyboard.press("Enter")


def log_in(page: Page, role: Role) -> None:
    page.goto("/login")
    enter(page, "Mail address", STAFF[role])
    enter(page, "Password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/")


def test_an_invoice_is_found_held_and_released(windows: Windows, site: Site) -> None:
    number = take(site, "ready")
    page = windows.open()
    log_in(page, Role.OPERATOR)
    press(page, "link", "Invoices")
    page.wait_for_url("**/admin/invoice/")
    enter(page, "Search", number)
    tab_to(page, page.locator("select[name=status]"))
    page.keyboard.type("ready")
    press(page, "button", "Show")
    page.wait_for_url("**status=ready**")
    press(page, "link", number)
    page.wait_for_url("**/details/**")

    decide(page, "Hold", "the amount is wrong")
    expect(status(page)).to_have_text("held")
    decide(page, "Release", "it was right after all")

    expect(status(page)).to_have_text("ready")


def test_what_removes_begins_at_keeping(windows: Windows) -> None:
    """Enter pressed twice removes nothing."""
    page = windows.open(Role.APPROVER)
    name = new_schedule(page)
    save(page)

    press(page, "button", "Remove")
    expect(page.get_by_role("dialog").get_by_text("Keep as it is")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Remove")).to_be_focused()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)


def test_a_schedule_is_edited_and_saved(windows: Windows) -> None:
    page = windows.open(Role.APPROVER)
    name = new_schedule(page)
    save(page)

    press(page, "link", "Edit")
    page.wait_for_url("**/edit/**")
    enter(page, "What for", "typed by hand")
    tab_to(page, page.get_by_label("every so often"))
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    enter(page, "Crontab", "30 6 * * 1")
    expect(page.locator("#preview")).to_contain_text("06:30")
    enter(page, "Why this change", "Mondays do")
    press(page, "button", "Save")

    page.wait_for_url("**/details/**")
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    expect(page.get_by_role("main")).to_contain_text("typed by hand")
