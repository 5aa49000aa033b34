"""The pages of suppressions: what is suppressed and why, released and added by hand."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row

from core.clock import utcnow
from core.db import unit_of_work
from invoices.services import suppressions
from invoices.services.suppressions import Bounce
from invoices.suppression_models import Suppression
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.callbacks.mail.test_understanding import report
from tests.callbacks.test_mails import FAILED, RECIPIENT, sender_of, take_in, to
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.pages

PAGE = "/admin/suppression"
SUPPRESSIONS = Suppression.__table__


@pytest.fixture
def delivery_id(app: Flask, source: SourceWithKey) -> UUID:
    """A delivery that was handed over."""
    add_invoice(source)
    desk.send(FakeChannel())
    return UUID(str(desk.only(desk.DELIVERIES).id))


@pytest.fixture
def bounced(delivery_id: UUID) -> Row[object]:
    """The address that the mail of a delivery bounced from."""
    take_in(to(sender_of(delivery_id), report(FAILED)))
    return desk.only(SUPPRESSIONS)


def details(row: Row[object]) -> str:
    return f"{PAGE}/details/?id={row.id}"


def test_the_page_shows_why_and_the_mail_that_caused_it(
    viewer: Person, bounced: Row[object]
) -> None:
    html = viewer.text(details(bounced))

    assert RECIPIENT in html
    assert "no such mailbox" in html
    assert "/admin/callback/details/?id=" in html.split("The mails that caused it")[1]
    assert "No invoice waits." in html


def test_a_held_invoice_and_its_delivery_lead_to_it(
    viewer: Person, source: SourceWithKey, bounced: Row[object]
) -> None:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    delivery = desk.rows(desk.DELIVERIES)[-1]

    for page in (f"invoice/details/?id={invoice_id}", f"delivery/details/?id={delivery.id}"):
        assert f'href="{details(bounced)}"' in viewer.text(f"/admin/{page}")
    assert f"/admin/invoice/details/?id={invoice_id}" in viewer.text(details(bounced))


def test_an_approver_releases_it_with_a_reason(approver: Person, bounced: Row[object]) -> None:
    fields = {"action": "release", "rowid": str(bounced.id), "confirmed": "yes"}

    asked = approver.post(f"{PAGE}/action/", **fields).get_data(as_text=True)
    assert "say why" in complaints(asked)
    assert desk.only(SUPPRESSIONS).released_at is None
    done = approver.post(f"{PAGE}/action/", **fields, reason="it is there again")

    assert "Done for 1 row." in approver.message(done)
    row = desk.only(SUPPRESSIONS)
    assert (row.released_by, row.release_reason) == ("approver@example.com", "it is there again")
    again = approver.post(f"{PAGE}/action/", **fields, reason="once more")
    assert "it is not suppressed any more" in approver.message(again)


def test_an_approver_adds_one_by_hand(approver: Person, source: SourceWithKey) -> None:
    end = f"{utcnow() + timedelta(days=3):%Y-%m-%dT%H:%M}"
    fields = {"source_id": str(source.id), "reason": "they told us"}

    done = approver.post(f"{PAGE}/new/", **fields, address=" Deliver@Sandbox.example ")
    assert "Added." in approver.message(done)
    done = approver.post(f"{PAGE}/new/", **fields, address="b@example.com", expires_at=end)
    assert "Added." in approver.message(done)

    first, second = desk.rows(SUPPRESSIONS)
    assert (first.address, first.expires_at) == (RECIPIENT, None)
    assert (first.suppressed_by, first.reason) == ("approver@example.com", "they told us")
    assert second.expires_at is not None
    assert "by hand" in approver.text(f"{PAGE}/")
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    assert desk.status_of(invoice_id) == "held"
    note = str(desk.history_of(invoice_id)[-1].note)
    assert note.startswith(f"{RECIPIENT} is suppressed: they told us")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"address": "no address"}, "must be a mail address"),
        ({"address": "a b@example.com"}, "must be a mail address"),
        ({"address": ""}, "required"),
        ({"address": RECIPIENT}, "suppressed already"),
        ({"reason": ""}, "say why"),
        ({"source_id": ""}, "required"),
        ({"expires_at": "2001-01-01T00:00"}, "later than now"),
        ({"expires_at": "soon"}, "soon"),
    ],
    ids=[*("words", "blank", "empty", "twice", "reason", "source", "past", "time")],
)
def test_a_bad_value_is_told_at_its_field(
    approver: Person,
    source: SourceWithKey,
    bounced: Row[object],
    fields: dict[str, str],
    words: str,
) -> None:
    given = {"source_id": str(source.id), "address": "new@example.com", "reason": "why", **fields}

    html = approver.post(f"{PAGE}/new/", **given).get_data(as_text=True)

    assert words in complaints(html)
    assert len(desk.rows(SUPPRESSIONS)) == 1


@pytest.mark.parametrize(
    ("standing", "values"),
    [
        ("suppressed", {}),
        ("released", {"released_at": utcnow()}),
        ("expired", {"expires_at": utcnow() - timedelta(seconds=1)}),
        ("counted", {"suppressed_at": None}),
    ],
    ids=["suppressed", "released", "expired", "counted"],
)
def test_the_list_is_narrowed_by_how_it_stands(
    viewer: Person, bounced: Row[object], standing: str, values: dict[str, object]
) -> None:
    if values:
        desk.change(SUPPRESSIONS, **values)
    others = {"suppressed", "released", "expired", "counted"} - {standing}

    assert "1 row" in viewer.text(f"{PAGE}/?standing={standing}")
    assert "Nothing fits" in viewer.text(f"{PAGE}/?standing={','.join(sorted(others))}")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_below_an_approver_one_may_only_look(
    person: LogIn, source: SourceWithKey, bounced: Row[object], role: str
) -> None:
    somebody = person(role)
    act = {"action": "release", "rowid": str(bounced.id), "confirmed": "yes", "reason": "x"}
    new = {"source_id": str(source.id), "address": "b@example.com", "reason": "x"}

    assert f"{PAGE}/new/" not in somebody.text(f"{PAGE}/")
    assert somebody.post(f"{PAGE}/action/", **act).status_code == 403
    assert somebody.post(f"{PAGE}/new/", **new).status_code == 403
    assert desk.only(SUPPRESSIONS).released_at is None


def test_a_bounce_does_not_shorten_what_was_suppressed_for_good(
    source: SourceWithKey, delivery_id: UUID
) -> None:
    with unit_of_work() as connection:
        suppressions.add(connection, source.id, RECIPIENT, by="ann", reason="for good")

        bounce = Bounce(delivery_id=delivery_id, is_hard=True, reason="no such mailbox")
        suppressions.record(connection, [bounce])

    row = desk.only(SUPPRESSIONS)
    assert (row.expires_at, row.reason) == (None, "no such mailbox")
