"""A new password by mail, in a real browser and over a real mail server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.login import log_in
from tests.browser.looks import Look
from tests.browser.site import ENGINES, Site, serving
from tests.browser.windows import Windows
from tests.support.mail_server import MailServer, mail_server
from tests.support.processes import wait_until
from tests.support.staff import PASSWORD

NEW = "an otter sleeps under the bridge"


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    """Where mail goes."""
    with mail_server() as running:
        yield running


@pytest.fixture(
    scope="module",
    params=[ENGINES[0], *(pytest.param(name, marks=pytest.mark.storm) for name in ENGINES[1:])],
)
def site(
    request: pytest.FixtureRequest, server: MailServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A Kuvert over each engine that can send mail."""
    server.taken.clear()
    folder: Path = tmp_path_factory.mktemp("mailing-site")
    more = {"KUVERT_SMTP_URL": server.url, "KUVERT_MAIL_FROM": "kuvert@seller.example"}
    with serving(request.param, folder, **more) as running:
        yield running


def links_to(server: MailServer, email: str) -> list[str]:
    bodies = [one.message.get_body(("plain",)) for one in server.taken if email in one.recipients]
    texts = "\n".join(str(body.get_content()) for body in bodies if body)
    return re.findall(r"http\S+/reset/\S+", texts)


def link_of(server: MailServer, email: str) -> str:
    """Wait for the mail to somebody, and return its link."""
    wait_until(lambda: links_to(server, email), 30, f"a link to {email}")
    [link] = links_to(server, email)
    return link


def test_somebody_who_forgot_the_password_gets_a_new_one(
    page: Page, site: Site, server: MailServer, look: Look
) -> None:
    eve = site.add_user("eve-forgets@example.com")
    page.goto("/login")
    page.get_by_role("link", name="Forgot your password?").click()
    look(page, "forgot-password")

    page.get_by_label("Mail address").fill(eve)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("status")).to_contain_text("is on its way")
    link = link_of(server, eve)
    page.goto(link)
    look(page, "reset-password")
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("The new password again").fill(NEW)
    page.get_by_role("button", name="Set the password").click()

    page.wait_for_url(f"{site.origin}/login")
    expect(page.get_by_role("status")).to_contain_text("Your password is changed")
    log_in(page, eve, PASSWORD)
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, eve, NEW)
    page.wait_for_url(f"{site.origin}/admin/")
    page.goto(link)
    expect(page.get_by_role("status")).to_contain_text("does not count")


def test_sessions_elsewhere_end(windows: Windows, site: Site, server: MailServer) -> None:
    fay = site.add_user("fay-forgets@example.com")
    elsewhere, here = windows.open(), windows.open()
    log_in(elsewhere, fay)
    elsewhere.wait_for_url(f"{site.origin}/admin/")
    here.goto("/reset")
    here.get_by_label("Mail address").fill(fay)
    here.get_by_role("button", name="Send the link").click()
    here.goto(link_of(server, fay))
    here.get_by_label("New password", exact=True).fill(NEW)
    here.get_by_label("The new password again").fill(NEW)
    here.get_by_role("button", name="Set the password").click()
    here.wait_for_url(f"{site.origin}/login")

    elsewhere.goto("/change")

    expect(elsewhere).to_have_url(f"{site.origin}/login?next=/change")
