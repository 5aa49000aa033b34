"""Words of providers: given a meaning, another one, and none again."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row, select

from callbacks import mappings
from callbacks.mappings import MAPPINGS
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ChangedError, ConflictError, InputError, NotFoundError
from invoices.setup import PROVIDERS
from status.models import Status
from tests.support import desk
from tests.support.factories import SourceWithKey

pytestmark = pytest.mark.every_database

ANNA, BERT = By("anna"), By("bert")


@pytest.fixture
def provider_id(source: SourceWithKey) -> UUID:
    found: UUID = desk.only(PROVIDERS).id
    return found


def find(word: str) -> Row[Any] | None:
    with reading() as connection:
        statement = select(MAPPINGS).where(MAPPINGS.c.provider_status == word)
        return connection.execute(statement).one_or_none()


def add(provider_id: UUID, word: str = "beamed", status: str = "delivered") -> UUID:
    with unit_of_work() as connection:
        return mappings.add_mapping(connection, provider_id, word, status)


def edit(mapping_id: UUID, status: str, by: By = ANNA, version: int | None = None) -> None:
    with unit_of_work() as connection:
        mappings.edit_mapping(connection, mapping_id, status, by, version)


def remove(mapping_id: UUID, version: int | None = None) -> None:
    with unit_of_work() as connection:
        mappings.remove_mapping(connection, mapping_id, version)


def test_a_word_is_given_a_meaning(provider_id: UUID) -> None:
    add(provider_id, " Beamed ")

    row = find("beamed")
    assert row is not None
    assert (row.status, row.hits, row.version) == ("delivered", 0, 1)


def test_a_word_that_has_a_meaning_is_not_added_again(provider_id: UUID) -> None:
    add(provider_id)

    with pytest.raises(ConflictError, match="'beamed' has a meaning already"):
        add(provider_id, "BEAMED", "sent")
    row = find("beamed")
    assert row is not None
    assert row.status == "delivered"


@pytest.mark.parametrize("word", ["", "  ", "x" * 101, "be\0amed", "a\nb"])
def test_a_word_must_be_one(provider_id: UUID, word: str) -> None:
    with pytest.raises(InputError, match="1 to 100"):
        add(provider_id, word)


@pytest.mark.parametrize("status", ["held", "cancelled", "", "gone"])
def test_a_meaning_must_be_one_that_a_callback_can_have(provider_id: UUID, status: str) -> None:
    mapping_id = add(provider_id)

    with pytest.raises(InputError, match="cannot make an invoice"):
        add(provider_id, "other", status)
    with pytest.raises(InputError, match="cannot make an invoice"):
        edit(mapping_id, status)


def test_of_two_who_change_a_meaning_the_second_is_told(provider_id: UUID) -> None:
    mapping_id = add(provider_id)
    edit(mapping_id, "undeliverable", BERT, 1)

    with pytest.raises(ChangedError, match="changed by bert") as caught:
        edit(mapping_id, "sent", ANNA, 1)
    with pytest.raises(ChangedError, match="changed by bert"):
        remove(mapping_id, 1)

    assert caught.value.theirs == {"status": "undeliverable", "provider_status": "beamed"}


def test_a_meaning_is_taken_back(provider_id: UUID) -> None:
    mapping_id = add(provider_id)

    remove(mapping_id, 1)

    assert find("beamed") is None
    with pytest.raises(NotFoundError):
        remove(mapping_id)


def test_the_command_changes_what_is_there_and_adds_the_rest(provider_id: UUID) -> None:
    for status in ("sent", "delivered"):
        with unit_of_work() as connection:
            mappings.map_status(connection, provider_id, "beamed", Status(status), ANNA)

    row = find("beamed")
    assert row is not None
    assert (row.status, row.version, row.updated_by) == ("delivered", 2, "anna")
