"""Logging in, as people do."""

from playwright.sync_api import Browser, Page, StorageState

from core.people.roles import Role
from tests.browser.site import Site
from tests.support.full_desk import STAFF
from tests.support.staff import PASSWORD

AFTER = "**/admin/**"


def log_in(page: Page, email: str, password: str = PASSWORD, path: str = "/login") -> None:
    """Fill the form in and send it; what comes then is another page."""
    page.goto(path)
    page.get_by_label("Mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def log_out(page: Page) -> None:
    """Press the button."""
    page.get_by_role("button", name="Log out").click()


def logged_in(browser: Browser, site: Site, role: Role) -> StorageState:
    """Return what a browser keeps when somebody with `role` has logged in; once per site."""
    if role not in site.sessions:
        context = browser.new_context(base_url=site.origin)
        page = context.new_page()
        log_in(page, STAFF[role])
        page.wait_for_url(AFTER)
        site.sessions[role] = context.storage_state()
        context.close()
    return site.sessions[role]
