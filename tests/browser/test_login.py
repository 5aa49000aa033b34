"""Logging in and out, in a real browser."""

from itertools import count

import pytest
from playwright.sync_api import Page, expect

from core.people.roles import Role
from tests.browser.login import log_in, log_out
from tests.browser.looks import Look
from tests.browser.site import Site
from tests.browser.windows import Windows

_numbers = count(1)
FREE_TRIES = 5


@pytest.fixture
def eve(site: Site) -> str:
    """Somebody whom no other test uses."""
    return site.add_user(f"eve-{next(_numbers)}@example.com")


def test_the_page_looks_good(page: Page, look: Look) -> None:
    page.goto("/login")

    look(page, "login")


def test_the_right_password_lets_in(page: Page, site: Site, eve: str) -> None:
    log_in(page, eve)

    page.wait_for_url(f"{site.origin}/admin/")
    page.goto("/change")
    log_out(page)
    page.wait_for_url(f"{site.origin}/login")
    page.goto("/change")
    expect(page).to_have_url(f"{site.origin}/login?next=/change")


def test_a_wrong_password_is_told_in_words_that_tell_nothing(page: Page, eve: str) -> None:
    log_in(page, eve, "a heron waits by the pond")
    there = page.get_by_role("alert").inner_text()

    log_in(page, "nobody@example.com", "a heron waits by the pond")

    assert page.get_by_role("alert").inner_text() == there
    expect(page.get_by_label("Password", exact=True)).to_have_value("")


def test_after_many_wrong_passwords_one_has_to_wait(page: Page, eve: str, look: Look) -> None:
    for _ in range(FREE_TRIES):
        log_in(page, eve, "a heron waits by the pond")

    log_in(page, eve)

    expect(page.get_by_role("alert")).to_contain_text("Try again in")
    look(page, "login-wait")


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example/", "/\\evil.example/"])
def test_login_never_leads_to_another_site(page: Page, site: Site, eve: str, there: str) -> None:
    """F33."""
    log_in(page, eve, path=f"/login?next={there}")

    page.wait_for_load_state()
    assert page.url.startswith(f"{site.origin}/")


def test_one_comes_back_to_where_one_was(page: Page, site: Site, eve: str) -> None:
    page.goto("/change")

    log_in(page, eve, path=page.url)

    page.wait_for_url(f"{site.origin}/change")


def test_a_session_of_each_role_is_kept(windows: Windows) -> None:
    for role in Role:
        page = windows.open(role)

        page.goto("/change")

        expect(page.get_by_role("button", name="Log out")).to_be_visible()
