"""The schedule in the browser: add, preview, save, see it run, edit, pause, undo; two zones."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.people.roles import Role
from tests.browser.dialogs import confirm
from tests.browser.editor import by_crontab, every, new_schedule, save
from tests.browser.ledger import check_in_force, done, runs, schedule
from tests.browser.site import Site
from tests.browser.windows import Windows
from tests.support.processes import wait_until

RUNS_SECONDS = 30


@pytest.fixture
def desk(windows: Windows, site: Site) -> Page:
    """A window of somebody who may edit, beside a beat and a worker."""
    site.work()
    return windows.open(Role.APPROVER)


def test_a_schedule_from_its_first_preview_to_its_removal(desk: Page, site: Site) -> None:
    name = new_schedule(desk)
    every(desk, "2", "hours")
    preview = desk.locator("#preview")
    expect(preview.get_by_role("listitem")).to_have_count(5)
    expect(preview).to_contain_text("every 2 hours")
    save(desk)
    expect(desk.get_by_role("heading", level=1)).to_contain_text(name)

    desk.get_by_role("link", name="Edit").click()
    every(desk, "1", "seconds")
    expect(preview).to_contain_text("nothing runs now")
    desk.get_by_label("Why this change").fill("to see it run")
    save(desk)
    edited_at = schedule(site, name).updated_at
    wait_until(lambda: runs(site, name, edited_at), RUNS_SECONDS, "it runs each second")
    check_in_force(site, name)
    wait_until(lambda: done(site, name), RUNS_SECONDS, "a run has ended")
    desk.reload()
    expect(desk.locator("td[data-label=Result]", has_text="done").first).to_be_visible()

    confirm(desk, "Pause", Reason="it was seen")
    expect(desk.locator("main")).to_contain_text("it was seen")
    confirm(desk, "Undo the last change")
    expect(desk.locator("main")).to_contain_text("every 2 hours")
    confirm(desk, "Resume")
    confirm(desk, "Run now", Reason="once more")
    expect(desk.locator("main")).to_contain_text("run by hand")

    confirm(desk, "Remove")
    expect(desk).to_have_url(re.compile("/admin/schedule/$"))
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
    new_schedule(desk)
    first = desk.locator("#preview").get_by_role("listitem").first

    for zone, crontab, run in NIGHTS:
        by_crontab(desk, crontab)
        desk.get_by_label("Time zone").fill(zone)

        expect(first).to_contain_text(run)


def test_a_mistake_is_named_as_it_is_typed(desk: Page) -> None:
    new_schedule(desk)
    by_crontab(desk, "60 * * * *")

    expect(desk.locator("#preview")).to_contain_text("minute")

    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_role("alert")).to_contain_text("Not saved")
