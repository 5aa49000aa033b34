"""Forms of the desk: what is added is there, what is wrong is told, and nobody is overwritten."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from core.people.roles import Role
from tests.browser.dialogs import confirm
from tests.browser.login import log_in
from tests.browser.looks import Look, assert_accessible
from tests.browser.site import Site
from tests.browser.windows import Windows
from tests.support.full_desk import STAFF

pytestmark = pytest.mark.storm

KEY = re.compile(r"kv_test_[0-9a-f]{12}_[0-9a-f]{64}")


@pytest.fixture
def page(windows: Windows) -> Page:
    """A window of an admin."""
    return windows.open(Role.ADMIN)


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex[:8]}"


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def add_source(page: Page) -> str:
    """Add a source and return its name."""
    name = unique("branch")
    page.goto("/admin/source/new/")
    page.get_by_label("Name").fill(name)
    save(page)
    return name


def test_a_new_source_has_a_key_that_is_shown_once(page: Page, look: Look) -> None:
    name = add_source(page)
    expect(page.locator("main")).to_contain_text(name)
    expect(page.locator(".shown-once code")).to_have_text(KEY)
    look(page, "source-added")

    page.goto("/admin/source/")
    page.get_by_role("link", name=name).click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    assert not KEY.search(page.content())


def test_what_is_wrong_is_told_at_its_field(page: Page) -> None:
    page.goto("/admin/source/new/")
    field = page.get_by_label("Name")
    field.evaluate("field => { field.required = false }")

    field.fill("a\x0bb")
    save(page)

    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field-wrong .wrong").first).to_be_visible()
    assert_accessible(page)


def test_the_second_of_two_editors_sees_both_versions(
    page: Page, windows: Windows, look: Look
) -> None:
    """F03."""
    name, mine = add_source(page), unique("mine")
    other = windows.open(Role.ADMIN)
    for window in (page, other):
        window.goto("/admin/source/")
        window.get_by_role("link", name=name).click()
        window.get_by_role("link", name="Edit").click()
    theirs = unique("theirs")
    other.get_by_label("Name").fill(theirs)
    save(other)
    expect(other.locator("main")).to_contain_text(theirs)

    page.get_by_label("Name").fill(mine)
    save(page)

    main = page.locator("main")
    expect(main).to_contain_text(theirs)
    expect(main).to_contain_text(STAFF[Role.ADMIN])
    expect(page.get_by_label("Name")).to_have_value(mine)
    look(page, "source-two-editors")
    save(page)
    page.goto("/admin/source/")
    expect(page.get_by_role("link", name=mine)).to_be_visible()


def test_a_new_user_logs_in_and_is_out_when_disabled(
    page: Page, windows: Windows, site: Site
) -> None:
    """F31."""
    email = f"{unique('grace')}@example.com"
    page.goto("/admin/user/new/")
    page.get_by_label("Mail address").fill(email)
    page.get_by_label("Role").select_option("operator")
    save(page)
    password = page.locator(".shown-once code").inner_text()
    theirs = windows.open()
    log_in(theirs, email, password)
    theirs.wait_for_url(f"{site.origin}/admin/")

    page.goto("/admin/user/")
    page.get_by_role("link", name=email).click()
    confirm(page, "Disable")

    theirs.goto("/admin/invoice/")
    assert theirs.url.startswith(f"{site.origin}/login")
