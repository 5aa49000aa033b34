"""The page of dispatch: pausing it, what resuming would do, and resuming it."""

import pytest
from flask import Flask

from core import pauses
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.pause_models import DispatchPause
from tests.admin.conftest import Person
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.pages

PAGE = "/admin/dispatch_pause"
PAUSES = DispatchPause.__table__


def is_paused() -> bool:
    with reading() as connection:
        return pauses.is_paused(connection)


def restored() -> None:
    with unit_of_work() as connection:
        pauses.pause(connection, "restored", restored_from=utcnow())


def test_an_admin_pauses_and_every_page_says_so(admin: Person, viewer: Person) -> None:
    answer = admin.post(f"{PAGE}/new/", reason="the owner said so")

    assert "/admin/dispatch_pause/" in answer.headers["Location"]
    assert is_paused()
    assert "Dispatch is paused (the owner said so)" in viewer.text("/admin/invoice/")


def test_what_is_in_flight_and_what_resuming_does_is_shown(
    viewer: Person, source: SourceWithKey
) -> None:
    add_invoice(source)
    restored()

    html = viewer.text(f"{PAGE}/details/?id={desk.only(PAUSES).id}")

    assert "sent again with the same key" in html
    assert "In flight, or perhaps sent since the backup" in html


def test_an_admin_resumes_with_a_reason(admin: Person, app: Flask) -> None:
    restored()
    fields = {"action": "resume", "rowid": str(desk.only(PAUSES).id), "confirmed": "yes"}

    assert "say why" in admin.post(f"{PAGE}/action/", **fields).get_data(as_text=True)
    assert is_paused()
    admin.post(f"{PAGE}/action/", **fields, reason="looked at the provider's list")

    row = desk.only(PAUSES)
    assert (row.resumed_by, row.resume_reason) == (admin.email, "looked at the provider's list")
    assert not is_paused()


def test_nobody_else_does(approver: Person) -> None:
    restored()
    fields = {"action": "resume", "rowid": str(desk.only(PAUSES).id), "confirmed": "yes"}

    assert approver.post(f"{PAGE}/action/", **fields, reason="why").status_code == 403
    assert approver.post(f"{PAGE}/new/", reason="why").status_code == 403
    assert is_paused()
