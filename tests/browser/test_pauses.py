"""Dispatch paused and resumed, in the browser."""

import pytest
from playwright.sync_api import expect

from core.people.roles import Role
from tests.browser.dialogs import confirm
from tests.browser.looks import Look
from tests.browser.windows import Windows

pytestmark = pytest.mark.storm  # tests/admin drives the same pages

PAUSED = "Dispatch is paused (the bank asked for it)"


def test_dispatch_is_paused_for_all_to_see_and_resumed(windows: Windows, look: Look) -> None:
    desk, elsewhere = windows.open(Role.ADMIN), windows.open(Role.VIEWER)
    desk.goto("/admin/dispatch_pause/new/")
    desk.get_by_label("Reason").fill("the bank asked for it")
    look(desk, "dispatch-pause-new")
    desk.get_by_role("button", name="Pause", exact=True).click()
    expect(desk.get_by_role("heading", name="What resuming does")).to_be_visible()
    look(desk, "dispatch-paused")
    elsewhere.goto("/admin/invoice/")
    expect(elsewhere.locator("body")).to_contain_text(PAUSED)

    confirm(desk, "Resume dispatch", Reason="the bank is content")

    expect(desk.locator("main")).to_contain_text("the bank is content")
    elsewhere.goto("/admin/invoice/")
    expect(elsewhere.locator("body")).not_to_contain_text(PAUSED)
