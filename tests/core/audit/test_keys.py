"""Tables whose ids are numbers of the engine's, or pairs of ids: roles of users, for instance."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    update,
)

from core import audit, secret_columns
from core.audit.statements import UnauditedError
from core.db import database, unit_of_work
from tests.core.audit.entries import entries

pytestmark = pytest.mark.pages

METADATA = MetaData()
PEOPLE = Table(
    "probe_people",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(20)),
    Column("totp", String(20)),
    Column("face", LargeBinary(20)),
)
RANKS = Table(
    "probe_ranks",
    METADATA,
    Column("person", ForeignKey("probe_people.id"), primary_key=True),
    Column("rank", String(20), primary_key=True),
)


@pytest.fixture(autouse=True)
def tables(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The two tables, audited for the length of a test."""
    secrets = {**secret_columns.SECRET, PEOPLE.name: frozenset({"totp"})}
    monkeypatch.setattr(secret_columns, "SECRET", secrets)
    METADATA.create_all(database().engine)
    audit.register(PEOPLE, label="name")
    audit.register(RANKS, label=("person", "rank"))
    yield
    for table in (PEOPLE, RANKS):
        del audit.watched[table]
    METADATA.drop_all(database().engine)


def test_an_id_that_the_engine_would_give_is_refused(app: Flask) -> None:
    """House rule: ids are made by us. Here it is what tells which row was written."""
    with pytest.raises(UnauditedError, match="with their ids"), unit_of_work() as connection:
        connection.execute(insert(PEOPLE).values(name="ann"))
    with pytest.raises(UnauditedError, match="with their ids"), unit_of_work() as connection:
        connection.execute(insert(PEOPLE), [{"name": "ann"}, {"name": "bob"}])

    assert entries() == []


def test_a_pair_of_ids_is_called_by_its_names(app: Flask) -> None:
    with unit_of_work() as connection:
        connection.execute(insert(PEOPLE).values(id=7, name="ann"))
        connection.execute(insert(RANKS), [{"person": 7, "rank": rank} for rank in ("a", "b")])
        connection.execute(delete(RANKS).where(RANKS.c.rank == "a"))

    _, added, _, removed = entries()
    assert (added.row_id, added.label) == ("7/a", "ann a")
    assert (removed.operation, removed.before) == ("delete", {"person": "ann (7)", "rank": "a"})


def test_of_a_secret_that_is_taken_away_nothing_is_left(app: Flask) -> None:
    with unit_of_work() as connection:
        connection.execute(insert(PEOPLE).values(id=7, name="ann", face=b"12345"))
        connection.execute(update(PEOPLE).values(totp="JBSWY3DPEHPK3PXP"))
        connection.execute(update(PEOPLE).values(totp=None))

    new, given, taken = entries()
    assert new.after == {"name": "ann", "face": "5 bytes"}
    assert (given.before, given.after) == ({"totp": None}, {"totp": "set"})
    assert (taken.before, taken.after) == ({"totp": "***"}, {"totp": None})
    assert "JBSWY3" not in str(entries())


def test_text_that_holds_a_secret_is_masked(app: Flask) -> None:
    with unit_of_work() as connection:
        connection.execute(insert(PEOPLE).values(id=7, name="https://ann:pw@x.y"))

    assert entries()[0].label == "https://ann:***@x.y"
