"""Codes of an authenticator app, recovery codes and passkeys, in a real browser."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from passlib.totp import TOTP
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.login import log_in
from tests.browser.looks import Look
from tests.browser.site import Site
from tests.browser.windows import Windows

pytestmark = pytest.mark.storm

_numbers = count(1)
STEP_SECONDS = 30


@pytest.fixture
def fred(site: Site) -> str:
    """Somebody whom no other test uses."""
    return site.add_user(f"fred-{next(_numbers)}@example.com")


def code_of(key: str, steps_ahead: int = 0) -> str:
    """Return what an authenticator app would show so many steps later."""
    moment = int(time.time()) + steps_ahead * STEP_SECONDS
    return str(TOTP(key=key.replace(" ", "")).generate(time=moment).token)


def set_up_app(page: Page, email: str) -> str:
    """Log in, set an authenticator app up and return its key."""
    log_in(page, email)
    page.goto("/tf-setup")
    page.get_by_role("button", name="Set up an app").click()
    key = page.locator("code").inner_text()
    page.get_by_label("Code").fill(code_of(key))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_text("On: a code of the app")).to_be_visible()
    return key


@contextmanager
def authenticator(page: Page) -> Iterator[CDPSession]:
    """Give a window a device that keeps passkeys and knows its owner."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield session
    session.detach()


def test_a_code_of_the_app_is_asked_for(
    windows: Windows, site: Site, fred: str, look: Look
) -> None:
    key = set_up_app(windows.open(), fred)
    page = windows.open()

    log_in(page, fred)
    look(page, "login-code")
    page.get_by_label("Code").fill(code_of(key, steps_ahead=-4))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("Code")).to_be_visible()
    page.get_by_label("Code").fill(code_of(key, steps_ahead=1))
    page.get_by_role("button", name="Go on").click()

    page.wait_for_url(f"{site.origin}/admin/")


def test_without_the_code_no_page_opens(windows: Windows, site: Site, fred: str) -> None:
    set_up_app(windows.open(), fred)
    page = windows.open()

    log_in(page, fred)
    page.goto("/admin/")

    assert page.url.startswith(f"{site.origin}/login")


def test_a_recovery_code_lets_in_once(windows: Windows, site: Site, fred: str) -> None:
    owner = windows.open()
    set_up_app(owner, fred)
    owner.goto("/mf-recovery-codes")
    owner.get_by_role("button", name="Make new codes").click()
    code = owner.locator(".codes li").first.inner_text()

    for is_let_in in (True, False):
        page = windows.open()
        log_in(page, fred)
        page.get_by_role("link", name="recovery code").click()
        page.get_by_label("Recovery code").fill(code)
        page.get_by_role("main").get_by_role("button").click()
        page.goto("/admin/")
        assert (page.url == f"{site.origin}/admin/") is is_let_in


def test_a_passkey_logs_in_without_a_password(
    windows: Windows, site: Site, fred: str, look: Look
) -> None:
    page = windows.open()
    log_in(page, fred)
    with authenticator(page):
        page.goto("/wan-register")
        page.get_by_label("Name").fill("telephone")
        page.locator("input[name=usage][value=first]").check()
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("cell", name="telephone", exact=True)).to_be_visible()
        page.get_by_role("button", name="Log out").click()

        page.get_by_role("button", name="Log in with a passkey").click()

        page.wait_for_url(f"{site.origin}/admin/")
    page.goto("/wan-register")
    look(page, "passkeys")


def test_who_has_no_passkey_is_told(page: Page, site: Site) -> None:
    with authenticator(page):
        page.goto("/login")

        page.get_by_role("button", name="Log in with a passkey").click()

        expect(page.get_by_text("The browser gave no passkey")).to_be_visible(timeout=70_000)
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
