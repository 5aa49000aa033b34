"""Every act of every page is pressed in the browser, whoever adds one: none can be forgotten.

The acts that are worth a story have tests of their own; here each opens its dialog, which has to be
accessible, is filled in with something plain, and has to tell what became of it.
"""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Locator, Page, expect
from sqlalchemy import Connection, insert, update

from admin.view import DeskView
from admin.views import every_view
from core.clock import utcnow
from core.ids import new_id
from core.pause_models import DispatchPause
from core.people.roles import Role
from core.schedules.models import Schedule
from invoices.hold_models import LegalHold
from invoices.models import BulkAct, BulkState, Provider
from invoices.report_models import MailState, ReportMail
from tests.browser.looks import assert_accessible
from tests.browser.site import ENGINES, Site, serving
from tests.browser.windows import Windows
from tests.support.full_desk import STAFF

pytestmark = pytest.mark.storm  # minutes

ACTING = {view.endpoint: view for view in every_view() if isinstance(view, DeskView) and view.acts}
MOST_ROWS = 60
BUTTONS = "main form.acts button[name=action]"
LISTS = {"push": "state=delivered"}
"""Lists whose first rows call for no act."""

WORDS = {"since": "2026-01-05T09:00", "until": "2027-01-05T09:00", "to": "billing@example.org"}
REFUSED = {"undo": "was changed", "mail": "is not over yet"}
"""What an act may say in place of Done: its first row need not be one that it fits."""


@pytest.fixture(
    scope="module",
    params=[ENGINES[0], *(pytest.param(name, marks=pytest.mark.storm) for name in ENGINES[1:])],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site of our own: what is done here ends sessions and stops schedules."""
    mail = {
        "KUVERT_SMTP_URL": "smtp://127.0.0.1:9",
        "KUVERT_MAIL_FROM": "kuvert@seller.example",
        "KUVERT_REPORT_TO": "finance@example.org",
    }
    with serving(request.param, tmp_path_factory.mktemp("acts"), **mail) as running:
        with running.kuvert.database.engine.begin() as connection:
            _want_something_done(connection)
        yield running


def _want_something_done(connection: Connection) -> None:
    """Have what calls for an act, and what a desk at rest lacks."""
    for table in (Provider.__table__, Schedule.__table__):
        connection.execute(update(table).values(alarm="it needs a look"))
    mails = ReportMail.__table__
    connection.execute(update(mails).values(state=MailState.WAITING, due_at=utcnow()))
    asked = {"verb": "hold", "reason": "month's end", "actor": "ann", "nonce": "once"}
    counts = {"total": 0, "done_count": 0, "refused_count": 0, "created_at": utcnow()}
    row = {"id": new_id(), "state": BulkState.RUNNING, "is_confirmed": False, "options": {}}
    connection.execute(insert(BulkAct.__table__).values(asked | counts | row))
    lasting = {"id": new_id(), "reason": "month's end", "paused_at": utcnow(), "paused_by": "ann"}
    connection.execute(insert(DispatchPause.__table__).values(lasting))
    held = {"id": new_id(), "reason": "a case", "placed_at": utcnow(), "placed_by": "ann"}
    connection.execute(insert(LegalHold.__table__).values(held | {"address": "a@buyer.example"}))


def _rows(page: Page, endpoint: str) -> list[str]:
    """Return the addresses of the rows of a list, of users without whoever looks."""
    page.goto(f"/admin/{endpoint}/?page_size=100&{LISTS.get(endpoint, '')}")
    rows = page.locator("main tbody tr")
    if endpoint == "user":
        rows = rows.filter(has_not_text=STAFF[Role.ADMIN])
    links = rows.locator(f"a[href*='/{endpoint}/details/']")
    found = [str(one.get_attribute("href")) for one in links.all()]
    return list(dict.fromkeys(found))[:MOST_ROWS]


def _fill(dialog: Locator) -> None:
    """Write something plain into each field that is needed, and tick each box."""
    for field in dialog.locator("input[required]:visible, textarea[required]:visible").all():
        if not field.input_value():
            field.fill(WORDS.get(str(field.get_attribute("name")), "the acts are tried"))
    for box in dialog.locator("input[type=checkbox]:visible").all():
        box.check()


def _press(page: Page, act: str) -> str:
    """Do an act as somebody at the screen would; returns what the page says afterwards."""
    page.locator(f"{BUTTONS}[value='{act}']").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert_accessible(page)
    _fill(dialog)
    with suppress(Error), page.expect_event("load", timeout=4_000):  # reports stay in it
        dialog.locator("button[type=submit]").press("Enter")
    expect(dialog.locator(".field-wrong, .confirm")).to_have_count(0)
    if dialog.is_visible():
        return str(dialog.inner_text())
    return "\n".join(
        page.locator("main [role=status], [role=status], [role=alert]").all_inner_texts()
    )


@pytest.mark.parametrize("endpoint", ACTING)
def test_every_act_can_be_done(windows: Windows, endpoint: str) -> None:
    page = windows.open(Role.ADMIN)
    wanted = {act.name for act in ACTING[endpoint].acts}
    said: dict[str, str] = {}
    for row in _rows(page, endpoint):
        page.goto(row)
        while new := [one for one in _offered(page) if one not in said]:
            said[new[0]] = _press(page, new[0])
            page.goto(row)
        if said.keys() == wanted:
            break

    assert said.keys() == wanted
    for act, words in said.items():
        assert "Done" in words or REFUSED.get(act, "Done") in words, words


def _offered(page: Page) -> list[str]:
    return [str(one.get_attribute("value")) for one in page.locator(BUTTONS).all()]
