"""Rows that are written with the row that they belong to."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from core.clock import utcnow
from core.db import database, unit_of_work
from core.ids import new_id
from invoices.models import ApiKey, Source
from tests.support import desk

SOURCES = Source.__table__
KEYS = ApiKey.__table__

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.every_case,
    pytest.mark.usefixtures("unaudited"),
]


def a_source(name: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "name": name,
        "environment": "test",
        "provider_id": None,
        "is_disabled": False,
        "created_at": utcnow(),
    }


def a_key(source_id: UUID, **changes: object) -> dict[str, Any]:
    return {
        "id": new_id(),
        "source_id": source_id,
        "prefix": new_id().hex[-12:],
        "secret_sha256": "0" * 64,
        "environment": "test",
        "scopes": ["invoices:read"],
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "created_at": utcnow(),
        **changes,
    }


def write(source: dict[str, Any], *keys: dict[str, Any]) -> bool:
    with unit_of_work() as connection:
        family = [(KEYS, key) for key in keys]
        return database().insert_family(connection, SOURCES, source, family)


def test_a_new_row_goes_in_with_its_family(app: Flask) -> None:
    source = a_source("erp")
    keys = [a_key(source["id"]), a_key(source["id"])]

    assert write(source, *keys)

    assert [row.name for row in desk.rows(SOURCES)] == ["erp"]
    found = {row.id: row for row in desk.rows(KEYS)}
    assert found.keys() == {key["id"] for key in keys}
    row = found[keys[0]["id"]]
    assert (row.scopes, row.expires_at, row.source_id) == (["invoices:read"], None, source["id"])
    assert row.created_at == keys[0]["created_at"]


def test_a_row_that_is_there_leaves_its_family_out(app: Flask) -> None:
    write(a_source("erp"))
    again = a_source("erp")

    assert not write(again, a_key(again["id"]))

    assert len(desk.rows(SOURCES)) == 1
    assert desk.rows(KEYS) == []


def test_a_member_that_breaks_a_rule_takes_the_whole_family_back(app: Flask) -> None:
    source = a_source("erp")
    key = a_key(source["id"])

    with pytest.raises(IntegrityError):
        write(source, key, a_key(source["id"], prefix=key["prefix"]))

    assert desk.rows(SOURCES) == []
    assert desk.rows(KEYS) == []


def test_a_text_that_is_too_long_is_refused_and_not_cut(app: Flask, engine: str) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite: a column takes text of any length")
    source = a_source("erp")

    with pytest.raises((DataError, OperationalError)):
        write(source, a_key(source["id"], prefix="f" * 17))

    assert desk.rows(SOURCES) == []


def test_many_rows_that_break_a_rule_are_an_error_as_any_other(app: Flask) -> None:
    source = a_source("erp")
    write(source)
    strangers = [a_key(new_id()) for _ in range(30)]

    with pytest.raises(IntegrityError), unit_of_work() as connection:
        database().insert_many(connection, KEYS, strangers)

    assert desk.rows(KEYS) == []
