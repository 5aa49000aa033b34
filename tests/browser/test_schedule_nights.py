"""A schedule's life in the browser over the nights when the clock changes, in two zones.

All processes run by a clock that is set to shortly before the change, the database's included.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.clock import utcnow
from core.people.roles import Role
from tests.browser.dialogs import confirm
from tests.browser.editor import by_crontab, every, new_schedule, save
from tests.browser.ledger import check_in_force, done, runs, schedule
from tests.browser.site import ENGINES, Site
from tests.browser.windows import Windows
from tests.support.databases import new_database
from tests.support.full_desk import STAFF
from tests.support.other_clock import EVERYWHERE
from tests.support.processes import Installation, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.storm]

LEAD = timedelta(seconds=75)
"""For processes to start and a form to be filled in, before the first slot."""

AROUND = timedelta(seconds=20)
LATE = timedelta(seconds=5)
HALF_HOURS = "*/30 * * * *"
AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Night:
    """A schedule for one night of change.

    `slot` is when it runs, in UTC; `shown` how the preview writes that, and `note` what it says of
    the night.
    """

    zone: str
    crontab: str
    slot: datetime
    shown: str
    note: str
    is_gap: bool


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHTS = {
    "stockholm-spring": Night(
        zone="Europe/Stockholm",
        crontab="30 2 28 3 *",
        slot=_utc("2027-03-28T01:00"),
        shown="2027-03-28 03:00 CEST",
        note="02:30 does not exist, runs at 03:00 (+02:00)",
        is_gap=True,
    ),
    "new-york-spring": Night(
        zone="America/New_York",
        crontab="30 2 14 3 *",
        slot=_utc("2027-03-14T07:00"),
        shown="2027-03-14 03:00 EDT",
        note="02:30 does not exist, runs at 03:00 (-04:00)",
        is_gap=True,
    ),
    "stockholm-autumn": Night(
        zone="Europe/Stockholm",
        crontab="30 2 31 10 *",
        slot=_utc("2027-10-31T00:30"),
        shown="2027-10-31 02:30 CEST",
        note="02:30 comes twice, runs the first time only, at 02:30 (+02:00)",
        is_gap=False,
    ),
    "new-york-autumn": Night(
        zone="America/New_York",
        crontab="30 1 7 11 *",
        slot=_utc("2027-11-07T05:30"),
        shown="2027-11-07 01:30 EDT",
        note="01:30 comes twice, runs the first time only, at 01:30 (-04:00)",
        is_gap=False,
    ),
}


def _set_clock(site: Site, moment: datetime) -> timedelta:
    """Start everything anew, as if it were `moment` now; returns how far off the clock is."""
    for child in site.kuvert.children.values():
        child.stop()
    off = moment - utcnow()
    module = (sys.executable, "-m", "tests.support.other_clock")
    program = (*module, str(off.total_seconds()), EVERYWHERE)
    web = ("web", "--embedded", "--bind", f"127.0.0.1:{site.kuvert.port}")
    for name, arguments in (("web", web), ("worker", ("worker",)), ("beat", ("beat",))):
        site.kuvert.start(name, (*program, *arguments))
    site.kuvert.wait_until_ready("web", "worker", "beat")
    return off


@pytest.fixture(params=NIGHTS)
def night(request: pytest.FixtureRequest) -> Night:
    """One of the nights."""
    return NIGHTS[request.param]


@pytest.fixture(params=ENGINES)
def site(request: pytest.FixtureRequest, night: Night, tmp_path: Path) -> Iterator[Site]:
    """An installation whose staff live where the clock changes; nothing runs yet."""
    with new_database(request.param, tmp_path) as (url, _):
        more = {"KUVERT_ENVIRONMENT": "test", "KUVERT_TIMEZONE": night.zone}
        with Installation(tmp_path, url, None, **more) as kuvert:
            own = Site(kuvert, request.param)
            kuvert.give(KUVERT_PUBLIC_URL=own.origin)
            own.add_user(STAFF[Role.APPROVER], Role.APPROVER)
            yield own


@pytest.fixture
def windows(browser: Browser, site: Site) -> Iterator[Windows]:
    """Windows on the site, watched."""
    opened = Windows(browser, site)
    yield opened
    problems = opened.close()
    assert not problems, "\n".join(problems)


def _wait_until(moment: datetime, off: timedelta) -> None:
    """Wait until the clock that is `off` shows a moment."""
    seconds = (moment - off - utcnow()).total_seconds()
    wait_until(lambda: utcnow() + off >= moment, max(seconds, 0) + 5, f"it is {moment}")


def _wait_for_end(site: Site, name: str) -> None:
    """Wait until it has run, to its end."""
    wait_until(lambda: done(site, name), 60, f"{name} has run")


def _add(desk: Page, night: Night) -> str:
    """Add the night's schedule, having seen in the preview what will become of it."""
    name = new_schedule(desk, night.zone)
    by_crontab(desk, night.crontab)
    preview = desk.locator("#preview")
    expect(preview.get_by_role("listitem")).to_have_count(5)
    expect(preview.get_by_role("listitem").first).to_contain_text(night.shown)
    expect(preview).to_contain_text(night.note)
    save(desk)
    expect(desk.locator("main h1")).to_contain_text(name)
    return name


def _add_half_hours(desk: Page, night: Night) -> str:
    """Add a schedule that runs whatever an hour is called."""
    name = new_schedule(desk, night.zone)
    by_crontab(desk, HALF_HOURS)
    save(desk)
    return name


def test_a_schedule_is_added_seen_to_run_edited_paused_and_undone_in_a_night_of_change(
    windows: Windows, site: Site, night: Night
) -> None:
    off = _set_clock(site, night.slot - LEAD)
    desk = windows.open(Role.APPROVER)
    half_hours = _add_half_hours(desk, night)
    name = _add(desk, night)
    address = desk.url
    assert utcnow() + off < night.slot, "too late to see it run; the machine is too busy"
    assert runs(site, name) == []

    _wait_until(night.slot, off)
    _wait_for_end(site, name)
    [run] = runs(site, name)
    assert run.slot_at == night.slot
    assert run.reason == "slot"
    assert run.claimed_at - run.slot_at < LATE
    desk.reload()
    row = desk.locator("td[data-label='Planned for']")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(night.shown.split()[1])

    desk.get_by_role("link", name="Edit").click()
    every(desk, "1", "seconds")
    expect(desk.locator("#preview")).to_contain_text("nothing runs now")
    save(desk)
    edited_at = schedule(site, name).updated_at
    wait_until(lambda: runs(site, name, edited_at), 15, "it runs each second")
    check_in_force(site, name)

    confirm(desk, "Pause", Reason="seen")
    paused_at = schedule(site, name).paused_at
    _wait_until(paused_at + timedelta(seconds=4), off)
    assert runs(site, name, paused_at) == []
    confirm(desk, "Undo the last change")
    confirm(desk, "Resume")
    assert schedule(site, name).crontab == night.crontab
    resumed_at = utcnow() + off
    desk.goto(address)
    next_run = desk.locator("ol.coming li").first
    expect(next_run).to_contain_text(str(night.slot.year + 1))

    if not night.is_gap:
        _see_the_hour_again(site, night, half_hours)

    assert runs(site, name, resumed_at) == []
    slots = done(site, half_hours)
    assert len(set(slots)) == len(slots)
    assert night.slot in slots


def _see_the_hour_again(site: Site, night: Night, half_hours: str) -> None:
    """Let the clock show the same local time once more; what runs every half hour runs again."""
    again = night.slot + AN_HOUR
    off = _set_clock(site, again - AROUND)
    _wait_until(again + AROUND, off)
    wait_until(lambda: again in done(site, half_hours), 60, "it runs in both hours")
