"""Two who edit one row: the second is told, and nothing is overwritten."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row, insert, select

from core import editing
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import Book, By
from core.errors import ChangedError, InputError, NotFoundError
from core.ids import new_id
from invoices.models import Source

pytestmark = pytest.mark.every_database

SOURCES = Source.__table__
BOOK = Book(SOURCES, ("name", "is_disabled"), shown=("environment",))
ANNA, BERT = By("anna"), By("bert")


@pytest.fixture
def row_id(app: Flask) -> UUID:
    values: dict[str, Any] = {"name": "erp", "environment": "test", "is_disabled": False}
    new = new_id()
    with unit_of_work() as connection:
        connection.execute(insert(SOURCES).values(id=new, created_at=utcnow(), **values))
    return new


def now(row_id: UUID) -> Row[Any]:
    with reading() as connection:
        return connection.execute(select(SOURCES).where(SOURCES.c.id == row_id)).one()


def edit(row_id: UUID, by: By, version: int | None = None, **values: object) -> set[str]:
    with unit_of_work() as connection:
        old = editing.locked(connection, BOOK, row_id, version)
        return editing.save(connection, BOOK, old, editing.known(BOOK, values), by)


def test_a_row_begins_at_version_1_and_nobody_has_changed_it(row_id: UUID) -> None:
    row = now(row_id)

    assert (row.version, row.updated_at, row.updated_by) == (1, None, None)


def test_an_edit_says_who_and_when_and_counts_on(row_id: UUID) -> None:
    before = utcnow()

    assert edit(row_id, ANNA, 1, name="crm", is_disabled=False) == {"name"}

    row = now(row_id)
    assert (row.name, row.version, row.updated_by) == ("crm", 2, "anna")
    assert before <= row.updated_at <= utcnow()


def test_an_edit_that_changes_nothing_leaves_the_row_alone(row_id: UUID) -> None:
    assert edit(row_id, ANNA, 1, name="erp") == set()

    assert (now(row_id).version, now(row_id).updated_by) == (1, None)


def test_the_second_editor_is_told_who_was_first_and_what_is_there_now(row_id: UUID) -> None:
    edit(row_id, ANNA, 1, name="crm")

    with pytest.raises(ChangedError) as caught:
        edit(row_id, BERT, 1, name="shop", is_disabled=True)

    error, row = caught.value, now(row_id)
    assert error.theirs == {"name": "crm", "is_disabled": False, "environment": "test"}
    assert (error.version, error.changed_by, error.changed_at) == (2, "anna", row.updated_at)
    assert error.detail == f"changed by anna at {row.updated_at:%Y-%m-%d %H:%M}Z; look again"
    assert error.status_code == 409
    assert (row.name, row.is_disabled, row.version) == ("crm", False, 2)


def test_without_a_version_the_edit_begins_at_what_is_there(row_id: UUID) -> None:
    edit(row_id, ANNA, 1, name="crm")
    edit(row_id, BERT, name="shop")

    assert (now(row_id).name, now(row_id).version) == ("shop", 3)


def test_a_row_that_was_read_without_a_lock_is_not_overwritten_either(row_id: UUID) -> None:
    old = now(row_id)
    edit(row_id, ANNA, 1, name="crm")

    with pytest.raises(ChangedError, match="changed by anna"), unit_of_work() as connection:
        editing.save(connection, BOOK, old, {"name": "shop"}, BERT)
    with pytest.raises(ChangedError, match="changed by anna"), unit_of_work() as connection:
        editing.remove(connection, BOOK, old)


def test_a_row_is_removed_at_the_version_that_was_seen(row_id: UUID) -> None:
    with unit_of_work() as connection:
        editing.remove(connection, BOOK, editing.locked(connection, BOOK, row_id, 1))

    with pytest.raises(NotFoundError):
        edit(row_id, BERT, 1, name="crm")


@pytest.mark.one_database
@pytest.mark.parametrize("field", ["environment", "id", "version", "updated_by", "nothing"])
def test_only_written_fields_can_be_set(field: str) -> None:
    with pytest.raises(InputError) as caught:
        editing.known(BOOK, {"name": "crm", field: "x"})

    assert caught.value.findings[0].where == f"/{field}"


def test_the_name_of_who_did_it_is_cut_to_its_column(row_id: UUID) -> None:
    edit(row_id, By("a" * 300), 1, name="crm")

    assert now(row_id).updated_by == "a" * 200
