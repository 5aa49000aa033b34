"""The schedule's editor, as staff use it."""

from uuid import uuid4

from playwright.sync_api import Page

TASK = "tasks.getTotalInvoices"


def new_schedule(desk: Page, zone: str | None = None) -> str:
    """Open the form of a new schedule and give it a name, which is returned."""
    name = f"test-{uuid4().hex[:8]}"
    desk.goto("/admin/schedule/new/")
    desk.get_by_label("Name").fill(name)
    desk.get_by_label("Task").select_option(TASK)
    if zone:
        desk.get_by_label("Time zone").fill(zone)
    return name


def every(desk: Page, count: str, unit: str) -> None:
    """Let it run so often."""
    desk.get_by_label("every so often").check()
    desk.get_by_label("Every", exact=True).fill(count)
    desk.get_by_label("of these").select_option(label=unit)


def by_crontab(desk: Page, crontab: str) -> None:
    """Let it run as a crontab says."""
    desk.get_by_label("by a crontab").check()
    desk.get_by_label("Crontab", exact=True).fill(crontab)


def save(desk: Page) -> None:
    """Save the form and see the page of the schedule."""
    desk.get_by_role("button", name="Save").click()
    desk.wait_for_url("**/admin/schedule/details/**")
