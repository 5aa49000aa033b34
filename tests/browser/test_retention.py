"""Retention and legal holds in the browser: read, placed and lifted, on a telephone too."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Connection, insert, select, update

from core.clock import utcnow
from core.ids import new_id
from core.people.roles import Role
from core.retention.models import RetentionRun, RunState
from invoices.models import Document
from status.models import HistoryGap
from tests.browser.looks import Look
from tests.browser.site import ENGINES, Site, serving
from tests.browser.windows import Windows

pytestmark = pytest.mark.storm  # tests/admin drives the same pages

DOCUMENTS = Document.__table__


@pytest.fixture(scope="module", params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site of our own, which keeps documents for ten years and has emptied one."""
    kept = {"KUVERT_KEEP_DOCUMENTS": "3650", "KUVERT_KEEP_MAILS": "365"}
    with serving(request.param, tmp_path_factory.mktemp("retention"), **kept) as running:
        with running.kuvert.database.engine.begin() as connection:
            _remove_something(connection)
        yield running


def _remove_something(connection: Connection) -> None:
    """Leave what runs of retention leave; what they do has tests of its own."""
    first = select(DOCUMENTS.c.id, DOCUMENTS.c.invoice_id).order_by(DOCUMENTS.c.id.desc()).limit(1)
    document = connection.execute(first).one()
    began_at = utcnow()
    emptied = {"body": b"", "purged_at": utcnow()}
    connection.execute(update(DOCUMENTS).where(DOCUMENTS.c.id == document.id).values(emptied))
    times = dict.fromkeys(("oldest_at", "newest_at", "removed_at"), utcnow())
    gap = {"invoice_id": document.invoice_id, "kind": "events", "row_count": 14}
    connection.execute(insert(HistoryGap.__table__).values(gap | times))
    run = {
        "id": new_id(),
        "before_at": began_at,
        "asked_by": "task tasks.purgeExpired",
        "state": str(RunState.DONE),
        "row_count": 1204,
        "byte_count": 9_632_144,
        "result": "1204 rows, 9632144 bytes",
        "started_at": began_at,
        "finished_at": utcnow(),
    }
    erased = run | {
        "id": new_id(),
        "started_at": utcnow(),
        "asked_by": "ann@example.com",
        "reason": "request 12",
    }
    erased |= {"result": "erased-0f9b9fc1f8c14b8e stands in place of a person now; 5 rows"}
    table = RetentionRun.__table__
    connection.execute(insert(table).values({**run, "kind": "documents"}))
    connection.execute(insert(table).values({**erased, "kind": "erasure"}))


@pytest.fixture
def desk(windows: Windows) -> Page:
    """A window of an approver."""
    return windows.open(Role.APPROVER)


def test_what_is_kept_and_due_is_told(desk: Page, look: Look) -> None:
    desk.goto("/admin/retention/")
    main = desk.locator("main")
    expect(main).to_contain_text("3650 days")
    expect(main).to_contain_text("1204 rows, 9632144 bytes")
    look(desk, "retention-runs")

    desk.get_by_role("link", name="Count what is due").click()

    expect(main).to_contain_text("0 rows")
    expect(main).to_contain_text("by itself (tasks.purgeExpired)")
    look(desk, "retention-counted")


def test_a_removed_document_is_told_of(desk: Page, look: Look) -> None:
    desk.goto("/admin/invoice/")
    desk.locator("tbody tr a[href*='/invoice/details/']").first.click()
    desk.wait_for_url("**/invoice/details/**")

    expect(desk.locator("main")).to_contain_text("removed by retention on 2")
    expect(desk.locator("main")).to_contain_text("14 events from ")
    expect(desk.locator("main")).to_contain_text("Rule: Documents of invoices")
    look(desk, "invoice-purged")


def test_an_invoice_is_held_and_let_go(desk: Page, look: Look) -> None:
    desk.goto("/admin/invoice/")
    desk.locator("tbody tr a[href*='/invoice/details/']").first.click()
    desk.wait_for_url("**/invoice/details/**")
    _confirm(desk, "Put under legal hold", "case 4711")

    alert = desk.locator(".alert").filter(has_text="Under legal hold: case 4711")
    expect(alert).to_be_visible()
    look(desk, "invoice-legal-hold")
    alert.locator("a").click()
    desk.wait_for_url(re.compile("legal_hold/details"))
    look(desk, "legal-hold-details")
    _confirm(desk, "Lift the hold", "settled out of court")

    expect(desk.locator("main")).to_contain_text("settled out of court")
    desk.goto("/admin/legal_hold/new/")
    look(desk, "legal-hold-new")
    desk.goto("/admin/legal_hold/")
    expect(desk.locator("main")).to_contain_text("case 4711")
    look(desk, "legal-holds")


def _confirm(desk: Page, button: str, reason: str) -> None:
    desk.get_by_role("button", name=button, exact=True).click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=button, exact=True).click()
