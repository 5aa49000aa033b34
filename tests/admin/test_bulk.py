"""One verb for a whole list: the plan, the second yes, the double click, the progress."""

from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from core.db import reading, unit_of_work
from invoices.models import BulkAct, Delivery, Invoice
from tests.admin.conftest import Person
from tests.support import factories

pytestmark = pytest.mark.pages

INVOICES = Invoice.__table__
LIST = "/admin/invoice/action/?search=BULK"


@pytest.fixture
def ids(source: factories.SourceWithKey) -> list[UUID]:
    """Thirty invoices, of which ten were delivered and ten failed; and one that is not meant."""
    made = [factories.add_invoice(source, number=f"BULK-{n:02}") for n in range(30)]
    factories.add_invoice(source, number="OTHER")
    with unit_of_work() as connection:
        for status, some in (("delivered", made[:10]), ("failed", made[10:20])):
            mine = INVOICES.c.id.in_(some)
            connection.execute(update(INVOICES).where(mine).values(status=status))
    return made


def _deliveries() -> int:
    with reading() as connection:
        return connection.scalar(select(func.count()).select_from(Delivery.__table__)) or 0


def _page(person: Person, **fields: object) -> str:
    answer = person.post(LIST, **{"action": "resend", "all": "yes", **fields})
    return person.message(answer)


def test_the_plan_says_what_goes_and_what_needs_a_second_yes(
    admin: Person, ids: list[UUID]
) -> None:
    html = admin.post(LIST, action="resend", all="yes").get_data(as_text=True)

    assert "all 30 of the list" in html
    assert "Goes" in html
    assert "Needs your second yes" in html
    assert "Stays as it is" in html
    assert _deliveries() == 31


def test_without_the_second_yes_what_was_delivered_stays(admin: Person, ids: list[UUID]) -> None:
    html = _page(admin, confirmed="yes", reason="asked for", nonce="n-1")

    assert "10 done, 20 refused" in html
    assert _deliveries() == 41


def test_with_it_those_go_too(admin: Person, ids: list[UUID]) -> None:
    html = _page(admin, confirmed="yes", reason="asked for", nonce="n-1", confirm="y")

    assert "20 done, 10 refused" in html


def test_a_double_click_is_one(admin: Person, ids: list[UUID]) -> None:
    for _ in range(2):
        _page(admin, confirmed="yes", reason="asked for", nonce="n-1", confirm="y")

    assert _deliveries() == 51
    with reading() as connection:
        assert connection.scalar(select(func.count()).select_from(BulkAct.__table__)) == 1


def test_a_reason_is_needed(admin: Person, ids: list[UUID]) -> None:
    html = admin.post(LIST, action="resend", all="yes", confirmed="yes", nonce="n-1")

    assert "say why" in html.get_data(as_text=True)
    assert _deliveries() == 31


def test_who_may_not_act_is_refused(viewer: Person, ids: list[UUID]) -> None:
    assert viewer.post(LIST, action="resend", all="yes").status_code == 403
