"""The pages of billing systems and providers in the browser: secrets, acts, conflicts."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from core.people.roles import Role
from tests.browser.dialogs import answer, ask, confirm
from tests.browser.looks import Look
from tests.browser.windows import Windows

pytestmark = pytest.mark.storm  # minutes; the other modules drive the same pages

KEY = re.compile(r"kv_test_[0-9a-f]{12}_[0-9a-f]{64}")
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture
def desk(windows: Windows) -> Page:
    """A window of somebody who may everything."""
    return windows.open(Role.ADMIN)


def _press(desk: Page, name: str) -> None:
    desk.get_by_role("button", name=name, exact=True).click()


def _new_source(desk: Page) -> tuple[str, str]:
    """Add a source; returns its name and its first key."""
    name = f"source {uuid4().hex[:6]}"
    desk.goto("/admin/source/new/")
    desk.get_by_label("Name").fill(name)
    _press(desk, "Save")
    return name, desk.locator(".shown-once code").inner_text()


def test_a_first_key_is_copied_and_gone_with_a_reload(desk: Page, look: Look) -> None:
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    name, key = _new_source(desk)
    look(desk, "source-first-key")

    _press(desk, "Copy")
    expect(desk.get_by_role("button", name="Copied")).to_be_visible()

    assert KEY.fullmatch(key)
    assert desk.evaluate("navigator.clipboard.readText()") == key
    assert "/admin/source/details/" in desk.url
    desk.reload()
    expect(desk.locator("main h1")).to_contain_text(name)
    assert key not in desk.content()
    look(desk, "source")


def test_a_key_is_added_from_the_page_of_its_source_and_revoked(desk: Page, look: Look) -> None:
    _new_source(desk)
    desk.get_by_role("link", name="Done").click()
    desk.get_by_role("link", name="Add a key").click()
    look(desk, "key-new")
    desk.get_by_label("invoices:read").check()
    desk.get_by_label("Ends after days").fill("30")
    _press(desk, "Save")
    desk.get_by_role("link", name="Done").click()
    look(desk, "key")

    confirm(desk, "Revoke")

    expect(desk.locator("main h1")).to_contain_text("revoked")
    expect(desk.get_by_role("link", name="Edit")).to_have_count(0)


def test_the_second_of_two_windows_is_told_of_the_first(
    desk: Page, windows: Windows, look: Look
) -> None:
    other = windows.open(Role.ADMIN)
    name, _ = _new_source(desk)
    desk.get_by_role("link", name="Done").click()
    desk.get_by_role("link", name="Edit").click()
    other.goto(desk.url)
    other.get_by_label("Name").fill(f"{name} theirs")
    _press(other, "Save")
    other.wait_for_url("**/details/**")

    desk.get_by_label("Name").fill(f"{name} mine")
    _press(desk, "Save")

    expect(desk.get_by_role("alert")).to_contain_text("changed by ann@example.com")
    expect(desk.get_by_role("cell", name=f"{name} theirs")).to_be_visible()
    look(desk, "conflict")
    _press(desk, "Save")
    expect(desk.locator("main h1")).to_contain_text(f"{name} mine")


def test_a_provider_is_added_paused_and_resumed(desk: Page, look: Look) -> None:
    desk.goto("/admin/provider/new/")
    code = f"acme-{uuid4().hex[:6]}"
    desk.get_by_label("Code").fill(code)
    desk.get_by_label("Credentials from").fill("sk_live_not_a_reference")
    _press(desk, "Save")
    expect(desk.locator(".wrong")).to_contain_text("not the secret itself")
    assert "sk_live" not in desk.content()
    look(desk, "provider-new-refused")
    desk.get_by_label("Credentials from").fill("env:ACME_KEY")
    desk.get_by_label("Channel").select_option("sandbox")
    _press(desk, "Save")

    confirm(desk, "Pause", Reason="their maintenance, until Monday")

    expect(desk.locator("main h1")).to_contain_text("paused")
    expect(desk.locator("dd", has_text="their maintenance")).to_be_visible()
    look(desk, "provider")
    confirm(desk, "Resume")
    expect(desk.locator("main h1")).to_contain_text("active")


def test_a_test_shows_in_the_dialog_what_came_back(desk: Page, look: Look) -> None:
    desk.goto("/admin/provider/?search=loose")
    desk.get_by_role("link", name="loose-sandbox", exact=True).click()

    answer(ask(desk, "Test"), "Test")

    dialog = desk.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_contain_text("What loose-sandbox answered")
    expect(dialog).to_contain_text("Outcome")
    look(desk, "provider-test")


def test_a_waiting_word_is_mapped_by_its_link(desk: Page, look: Look) -> None:
    desk.goto("/admin/mapping/")
    look(desk, "mappings")
    row = desk.get_by_role("row", name=re.compile("galactic"))

    row.get_by_role("link", name="Say what it means").click()

    expect(desk.get_by_label("Provider's word")).to_have_value("galactic <b>word</b>")
    assert desk.get_by_label("Provider", exact=True).input_value()
    look(desk, "mapping-new")


def test_a_new_secret_is_shown_in_the_dialog_this_once(desk: Page, look: Look) -> None:
    desk.goto("/admin/subscription/")
    look(desk, "subscriptions")
    desk.get_by_role("link", name="https://erp.example/hooks/kuvert").click()
    look(desk, "subscription")

    answer(ask(desk, "New secret"), "New secret")

    secret = desk.get_by_role("dialog").locator(".shown-once code").inner_text()
    look(desk, "subscription-new-secret")
    assert SECRET.fullmatch(secret)
    desk.get_by_role("dialog").get_by_role("link", name="Done").click()
    desk.wait_for_load_state()
    assert secret not in desk.content()


def test_a_push_shows_its_body_and_its_tries(desk: Page, look: Look) -> None:
    desk.goto("/admin/push/?state=delivered")
    look(desk, "pushes")
    desk.locator("table.rows tbody a").first.click()

    expect(desk.locator("pre.raw").first).to_contain_text('"type":"invoice.')
    expect(desk.get_by_role("cell", name="202", exact=True)).to_be_visible()
    look(desk, "push")

    confirm(desk, "Send again")

    expect(desk.get_by_role("status").filter(has_text="Done for 1 row")).to_be_visible()
