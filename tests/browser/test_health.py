"""The page Health: everybody can read it, on a telephone too."""

from playwright.sync_api import expect

from core.people.roles import Role
from tests.browser.looks import Look
from tests.browser.windows import Windows


def test_a_viewer_reads_what_was_looked_at(windows: Windows, look: Look) -> None:
    page = windows.open(Role.VIEWER)

    page.goto("/admin/health/")

    expect(page.locator("main")).to_contain_text("database")
    expect(page.locator("main")).to_contain_text("What to do")
    look(page, "health")
