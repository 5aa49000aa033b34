"""The schedule in the browser: add, preview, save, see it run, edit, pause, undo; two zones."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from core.people.roles import Role
from tests.browser.site import Site
from tests.browser.windows import Windows

RUNS_MS = 15_000
IN_FORCE_MS = 4_000
"""Two seconds until an edit is in force, and two for its first run and this page."""


@pytest.fixture
def desk(windows: Windows, site: Site) -> Page:
    """A window of somebody who may edit, beside a beat and a worker."""
    site.work()
    return windows.open(Role.APPROVER)


def _new(desk: Page) -> str:
    name = f"test-{uuid4().hex[:8]}"
    desk.goto("/admin/schedule/new/")
    desk.get_by_label("Name").fill(name)
    desk.get_by_label("Task").select_option("tasks.getTotalInvoices")
    return name


def _every(desk: Page, count: str, unit: str) -> None:
    desk.get_by_label("every so often").check()
    desk.get_by_label("Every", exact=True).fill(count)
    desk.get_by_label("of these").select_option(label=unit)


def _save(desk: Page) -> None:
    desk.get_by_role("button", name="Save").click()
    desk.wait_for_url("**/admin/schedule/details/**")


def _act(desk: Page, name: str, **fields: str) -> None:
    """Press a button of an act and confirm it, by the keyboard alone."""
    desk.get_by_role("button", name=name, exact=True).focus()
    desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for label, text in fields.items():
        dialog.get_by_label(label).fill(text)
    dialog.get_by_role("button", name=name, exact=True).press("Enter")
    expect(dialog).to_be_hidden()


def _wait_for_run(desk: Page, milliseconds: int) -> None:
    for _ in range(milliseconds // 250):
        desk.reload()
        if desk.locator("td", has_text=re.compile("done|running|sent")).count():
            return
        desk.wait_for_timeout(250)
    raise AssertionError(desk.locator("main").inner_text())


def test_a_schedule_from_its_first_preview_to_its_removal(desk: Page) -> None:
    name = _new(desk)
    _every(desk, "2", "hours")
    preview = desk.locator("#preview")
    expect(preview.get_by_role("listitem")).to_have_count(5)
    expect(preview).to_contain_text("every 2 hours")
    _save(desk)
    expect(desk.get_by_role("heading", level=1)).to_contain_text(name)

    desk.get_by_role("link", name="Edit").click()
    _every(desk, "1", "seconds")
    expect(preview).to_contain_text("nothing runs now")
    desk.get_by_label("Why this change").fill("to see it run")
    _save(desk)
    _wait_for_run(desk, IN_FORCE_MS + RUNS_MS)

    _act(desk, "Pause", Reason="it was seen")
    expect(desk.locator("main")).to_contain_text("it was seen")
    _act(desk, "Undo the last change")
    expect(desk.locator("main")).to_contain_text("every 2 hours")
    _act(desk, "Resume")
    _act(desk, "Run now", Reason="once more")
    expect(desk.locator("main")).to_contain_text("run by hand")

    desk.get_by_role("button", name="Remove").click()
    desk.get_by_role("dialog").get_by_role("button", name="Remove").click()
    desk.wait_for_url("**/admin/schedule/")
    expect(desk.get_by_role("link", name=name)).to_have_count(0)


NIGHTS = (
    # The clock goes from 02:00 to 03:00: what is meant for 02:30 comes at 03:00.
    ("Europe/Stockholm", "30 2 28 3 *", "2027-03-28 03:00 CEST"),
    ("America/New_York", "30 2 14 3 *", "2027-03-14 03:00 EDT"),
    # It goes back, and an hour comes twice: what has a fixed time runs once.
    ("Europe/Stockholm", "30 2 31 10 *", "2027-10-31 02:30 CEST"),
    ("America/New_York", "30 1 7 11 *", "2027-11-07 01:30 EDT"),
)


def test_the_preview_knows_the_nights_when_the_clock_changes(desk: Page) -> None:
    _new(desk)
    desk.get_by_label("by a crontab").check()
    first = desk.locator("#preview").get_by_role("listitem").first

    for zone, crontab, run in NIGHTS:
        desk.get_by_label("Crontab", exact=True).fill(crontab)
        desk.get_by_label("Time zone").fill(zone)

        expect(first).to_contain_text(run)


def test_a_mistake_is_named_as_it_is_typed(desk: Page) -> None:
    _new(desk)
    desk.get_by_label("by a crontab").check()
    desk.get_by_label("Crontab", exact=True).fill("60 * * * *")

    expect(desk.locator("#preview")).to_contain_text("minute")

    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_role("alert")).to_contain_text("Not saved")
