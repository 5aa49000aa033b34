"""Mails that came back, in the browser: overruled, their rules, and addresses that bounced."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.people.roles import Role
from tests.browser.looks import Look
from tests.browser.windows import Windows

pytestmark = pytest.mark.storm  # minutes; tests/admin drives the same pages


@pytest.fixture
def desk(windows: Windows) -> Page:
    """A window of somebody who decides for many."""
    return windows.open(Role.APPROVER)


def _confirm(desk: Page, name: str, reason: str) -> None:
    """Press an act's button, say why and send it."""
    desk.get_by_role("button", name=name, exact=True).click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=name, exact=True).click()


def _open_bounce(desk: Page) -> None:
    """Open a mail that is taken for a hard bounce, and not the one that suppressed its address."""
    desk.goto("/admin/callback/?kind=dsn&state=applied")
    row = desk.locator("tbody tr").filter(has_text="bounced (hard").last
    row.locator("a[href*='/callback/details/']").first.click()
    desk.wait_for_url("**/details/**")


def test_a_mail_is_overruled_and_its_rule_is_disabled(desk: Page, look: Look) -> None:
    _open_bounce(desk)
    expect(desk.locator("main")).to_contain_text("Mails like this of the last 90 days")
    look(desk, "callback-mail-details")
    desk.get_by_role("button", name="It was a soft bounce", exact=True).click()
    dialog = desk.get_by_role("dialog")
    expect(dialog).to_contain_text("stored mails like it of the last 90 days the rule takes")
    look(desk, "callback-overrule")
    dialog.get_by_label("Reason").fill("their mailbox was full")
    dialog.get_by_role("button", name="It was a soft bounce", exact=True).click()

    expect(desk.locator("main")).to_contain_text("soft bounce")
    desk.get_by_role("link", name=re.compile("the rule of bob@example.com")).click()
    expect(desk.locator("main")).to_contain_text("their mailbox was full")
    look(desk, "mail-rule-details")
    _confirm(desk, "Disable", "it was too wide")

    expect(desk.get_by_role("button", name="Enable", exact=True)).to_be_visible()
    desk.goto("/admin/mail_rule/")
    look(desk, "mail-rule")


def test_an_address_is_suppressed_by_hand_and_released(desk: Page, look: Look) -> None:
    desk.goto("/admin/suppression/new/")
    look(desk, "suppression-new")
    desk.get_by_label("Source").select_option(label="erp")
    desk.get_by_label("Mail address").fill("left@buyer.example")
    desk.get_by_label("Reason").fill("they told us on the phone")
    desk.get_by_role("button", name="Suppress", exact=True).click()
    expect(desk.locator("main h1")).to_contain_text("suppressed")
    look(desk, "suppression-by-hand")

    _confirm(desk, "Let mail go there again", "they have it again")

    expect(desk.locator("main h1")).to_contain_text("released")
    desk.goto("/admin/suppression/")
    look(desk, "suppression")


def test_a_held_invoice_leads_to_what_holds_it(desk: Page, look: Look) -> None:
    desk.goto("/admin/suppression/?standing=suppressed&is_hard=yes")
    desk.locator("tbody tr a[href*='/suppression/details/']").first.click()
    expect(desk.locator("main")).to_contain_text("The mails that caused it")
    look(desk, "suppression-details")
    desk.locator("a[href*='/invoice/details/']").first.click()
    desk.wait_for_url("**/invoice/details/**")
    expect(desk.locator(".alert-warning")).to_contain_text("is suppressed")
    look(desk, "invoice-held")

    desk.locator(".alert-warning a").click()

    expect(desk.locator("main h1")).to_contain_text("silent@sandbox.example")
