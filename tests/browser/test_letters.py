"""The pages of letters in the browser: worded, previewed as they are typed, and kept."""

import pytest
from playwright.sync_api import Page, expect

from core.people.roles import Role
from tests.browser.looks import Look
from tests.browser.windows import Windows

HTML = """<p style="color: rgb(200, 0, 0)">Num {{ number }}</p>
<table><tr><td>{{ buyer_name }}</td></tr></table>"""


@pytest.fixture
def desk(windows: Windows) -> Page:
    """A window of somebody who words letters."""
    return windows.open(Role.APPROVER)


def test_a_letter_from_our_words_to_its_removal(desk: Page, look: Look) -> None:
    desk.goto("/admin/letter/")
    look(desk, "letter")
    desk.get_by_role("row", name="Svenska").get_by_role("link", name="Begin with this").click()

    preview = desk.locator("#preview")
    letter = desk.frame_locator("iframe.letter")
    expect(preview).to_contain_text("Faktura 2026-0042 från Example Furniture GmbH")
    expect(letter.get_by_text("Med vänlig hälsning")).to_be_visible()
    look(desk, "letter-new")

    desk.get_by_label("Subject").fill("{{ nmber }}")
    expect(preview).to_contain_text("line 1: there is no 'nmber'; did you mean number?")
    look(desk, "letter-wrong")

    desk.get_by_label("Subject").fill("Faktura {{ number }}")
    desk.get_by_text("HTML of its own").click()
    desk.get_by_label("HTML", exact=True).fill(HTML)
    expect(letter.get_by_text("Num 2026-0042")).to_have_css("color", "rgb(200, 0, 0)")

    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Faktura {{ number }}")
    expect(letter.get_by_text("Sample Trading Ltd")).to_be_visible()
    look(desk, "letter-details")

    desk.get_by_role("button", name="Remove").click()
    desk.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(desk.locator("main")).to_contain_text("Removed")
