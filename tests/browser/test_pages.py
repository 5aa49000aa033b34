"""Every page that a link leads to, as each role: it opens, looks good, breaks no rule of pages.

What the crawler does not do is press buttons: forms and acts have tests of their own.
"""

from enum import StrEnum

import pytest
from playwright.sync_api import Page, expect

from callbacks.models import CallbackState
from core.people.roles import Role
from status.models import Status
from tests.browser.crawler import crawl, name_of
from tests.browser.looks import Look, assert_accessible, assert_fits
from tests.browser.site import ENGINES, Site
from tests.browser.windows import Windows

pytestmark = pytest.mark.storm  # minutes; the other modules drive the same pages

HOME = "/admin/"
BETWEEN = (Role.OPERATOR, Role.APPROVER)
STORM = pytest.mark.storm


def test_the_pages_of_an_admin_look_good(windows: Windows, site: Site, look: Look) -> None:
    """On the first engine; they look alike on the others. Also takes the pictures."""

    def glance(page: Page, kind: str) -> None:
        if site.engine == ENGINES[0]:
            look(page, name_of(kind))

    walk = crawl(windows.open(Role.ADMIN), HOME, glance)

    assert len(walk.pages) > 10
    assert walk.files


@pytest.mark.parametrize(
    "role", [Role.VIEWER, *(pytest.param(one, marks=STORM) for one in BETWEEN)]
)
def test_no_link_leads_somebody_where_he_may_not_go(windows: Windows, role: Role) -> None:
    walk = crawl(windows.open(role), HOME, lambda page, kind: None)

    assert len(walk.pages) > 5


@pytest.mark.parametrize(
    ("place", "states"), [("invoice", Status), ("callback", CallbackState), ("delivery", Status)]
)
def test_what_is_in_any_state_can_be_looked_at(
    windows: Windows, place: str, states: type[StrEnum]
) -> None:
    page = windows.open(Role.VIEWER)
    for state in states:
        page.goto(f"{HOME}{place}/?{'status' if place == 'invoice' else 'state'}={state}")
        first = page.locator("tbody tr a[href*='/details/']").first
        if first.count():
            first.click()
            page.wait_for_url("**/details/**")
            expect(page.locator("main")).to_contain_text(str(state).replace("_", " "))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("user/", "This needs the role admin"),
        ("invoice/details/?id=1,2", "There is nothing"),
        ("no/such/page", "There is nothing"),
    ],
)
def test_what_is_refused_is_told_with_a_way_back(
    windows: Windows, look: Look, path: str, said: str
) -> None:
    page = windows.open(Role.VIEWER)

    page.goto(f"{HOME}{path}")

    expect(page.locator("main")).to_contain_text(said)
    look(page, f"refused-{name_of(path)}")
    page.get_by_role("link", name="Back to the start page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Today")


def test_many_at_once_look_good(windows: Windows, look: Look) -> None:
    """What was sent cannot be held: nothing is changed here."""
    page = windows.open(Role.APPROVER)
    page.goto(f"{HOME}invoice/?status=sent&search=N-00")
    page.get_by_label("or with all of this list").check()
    page.get_by_role("button", name="Hold", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Stays as it is")
    assert_accessible(page)
    dialog.get_by_label("Reason").fill("a try")
    dialog.get_by_role("button", name="Hold", exact=True).click()

    page.wait_for_url("**/bulk_act/details/**")

    # Until it is done the page is loaded again and again.
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hold done", timeout=20_000)
    look(page, "bulk-act-details")


@pytest.mark.storm
@pytest.mark.parametrize("role", [Role.VIEWER, *BETWEEN])
def test_the_pages_of_the_others_look_good(windows: Windows, role: Role) -> None:
    def glance(page: Page, kind: str) -> None:
        assert_accessible(page)
        assert_fits(page)

    crawl(windows.open(role), HOME, glance)
