"""The history only grows (P16)."""

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.db import unit_of_work
from core.ids import new_id
from tests.support import desk
from tests.support.factories import SourceWithKey, add_event, add_invoice

pytestmark = pytest.mark.every_database


def test_an_event_cannot_be_changed(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)

    with pytest.raises(DBAPIError, match="append-only"), unit_of_work() as connection:
        connection.execute(update(desk.EVENTS).values(note="something else"))

    assert desk.history_of(invoice_id)[0].note is None


def test_an_event_cannot_be_deleted(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)

    with pytest.raises(DBAPIError, match="append-only"), unit_of_work() as connection:
        connection.execute(delete(desk.EVENTS))

    assert len(desk.history_of(invoice_id)) == 1


def test_a_sequence_number_is_given_once(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    add_event(source, invoice_id, 2)

    row = {**desk.history_of(invoice_id)[1]._mapping, "id": new_id()}
    with pytest.raises(IntegrityError), unit_of_work() as connection:
        connection.execute(insert(desk.EVENTS).values(row))

    assert [event.sequence for event in desk.history_of(invoice_id)] == [1, 2]


def change_and_delete() -> None:
    with unit_of_work() as connection:
        connection.execute(update(desk.INVOICES).values(number="changed"))
        connection.execute(delete(desk.EVENTS))


def test_a_refused_change_takes_the_whole_unit_of_work_with_it(source: SourceWithKey) -> None:
    add_invoice(source)

    with pytest.raises(DBAPIError):
        change_and_delete()

    assert desk.only(desk.INVOICES).number != "changed"
