"""The API's description, as somebody reads it."""

from playwright.sync_api import Page, expect


def test_the_page_shows_the_api_and_asks_nobody_else(page: Page) -> None:
    page.goto("/docs")

    expect(page.get_by_text("/api/v1/invoices", exact=True).first).to_be_visible()
