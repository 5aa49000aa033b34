"""Every change of an audited table leaves an entry, whoever makes it and by what statement."""

from contextlib import closing
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, bindparam, delete, event, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from core import actor, audit
from core.audit.models import AuditEntry
from core.audit.statements import UnauditedError
from core.database import Database
from core.db import database, db, reading, trial, unit_of_work
from core.errors import ConflictError
from core.ids import new_id
from invoices.models import ApiKey, Source
from tests.core.audit.entries import KEYS, SOURCES, a_key, a_source, add_sources, entries, written
from tests.support import desk

pytestmark = pytest.mark.pages

ENTRIES = AuditEntry.__table__
NEW = {"environment": "test", "is_disabled": False}


# What an ORM session flushes


def test_a_new_object_leaves_an_entry(app: Flask) -> None:
    row = a_source("erp")
    with actor.acting("ann@example.com", "they asked for it"):
        db.session.add(Source(**row))
        db.session.commit()

    [entry] = entries()
    assert (entry.kind, entry.row_id, entry.operation) == ("sources", str(row["id"]), "insert")
    assert (entry.actor, entry.reason) == ("ann@example.com", "they asked for it")
    assert (entry.label, entry.before, entry.after) == ("erp", {}, {"name": "erp", **NEW})


def test_a_changed_object_leaves_what_has_changed(app: Flask) -> None:
    add_sources("erp")

    with unit_of_work():
        db.session.scalars(select(Source)).one().name = "shop"

    assert written()[1:] == [("update", "shop", {"name": "erp"}, {"name": "shop"})]


def test_a_deleted_object_leaves_what_it_was(app: Flask) -> None:
    add_sources("erp")

    with unit_of_work():
        db.session.delete(db.session.scalars(select(Source)).one())

    assert written()[1:] == [("delete", "erp", {"name": "erp", **NEW}, {})]


def test_several_objects_in_one_flush_leave_one_entry_each(app: Flask) -> None:
    with unit_of_work():
        db.session.add_all(Source(**a_source(name)) for name in ("a", "b", "c"))
    with unit_of_work():
        for one in db.session.scalars(select(Source)):
            one.name = one.name.upper()

    assert sorted(row[1] for row in written()[:3]) == ["a", "b", "c"]
    assert sorted(row[3]["name"] for row in written()[3:]) == ["A", "B", "C"]


def test_a_bulk_update_of_a_session_leaves_an_entry_per_row(app: Flask) -> None:
    add_sources("a", "b", "c")

    with unit_of_work():
        db.session.execute(update(Source).where(Source.name != "b").values(is_disabled=True))

    assert [row[1] for row in written()[3:]] == ["a", "c"]
    assert written()[3][2:] == ({"is_disabled": False}, {"is_disabled": True})


def test_a_bulk_delete_of_a_session_leaves_an_entry_per_row(app: Flask) -> None:
    add_sources("a", "b", "c")

    with unit_of_work():
        db.session.execute(delete(Source).where(Source.name.in_(["a", "c"])))

    assert [row[:2] for row in written()[3:]] == [("delete", "a"), ("delete", "c")]


def test_a_bulk_insert_of_a_session_leaves_an_entry_per_row(app: Flask) -> None:
    with unit_of_work():
        db.session.execute(insert(Source), [a_source("a"), a_source("b")])

    assert [row[:2] for row in written()] == [("insert", "a"), ("insert", "b")]


# What services run


def test_one_statement_over_a_thousand_rows_leaves_a_thousand_entries(app: Flask) -> None:
    add_sources(*(f"source-{number:04}" for number in range(1000)))

    with unit_of_work() as connection:
        connection.execute(update(SOURCES).values(is_disabled=True))

    found = [row for row in entries() if row.operation == "update"]
    assert len({row.row_id for row in found}) == len(found) == 1000
    assert {row.after["is_disabled"] for row in found} == {True}


def test_an_executemany_leaves_an_entry_per_row(app: Flask) -> None:
    first, second, _ = add_sources("a", "b", "c")
    rename = update(SOURCES).where(SOURCES.c.id == bindparam("row_id"))
    rows = [{"row_id": first, "new": "A"}, {"row_id": second, "new": "B"}]

    with unit_of_work() as connection:
        connection.execute(rename.values(name=bindparam("new")), rows)

    assert [row[3] for row in written()[3:]] == [{"name": "A"}, {"name": "B"}]


def test_an_executemany_by_the_names_of_columns_is_seen_too(app: Flask) -> None:
    first, second = add_sources("a", "b")
    by_id = update(SOURCES).where(SOURCES.c.id == bindparam("row_id"))

    with unit_of_work() as connection:
        rows = [{"row_id": first, "name": "A"}, {"row_id": second, "name": "B"}]
        connection.execute(by_id, rows)

    assert [row[3] for row in written()[2:]] == [{"name": "A"}, {"name": "B"}]


def test_an_executemany_of_deletes_leaves_an_entry_per_row(app: Flask) -> None:
    first, second, _ = add_sources("a", "b", "c")

    with unit_of_work() as connection:
        statement = delete(SOURCES).where(SOURCES.c.id == bindparam("row_id"))
        connection.execute(statement, [{"row_id": first}, {"row_id": second}])

    assert [row[:2] for row in written()[3:]] == [("delete", "a"), ("delete", "b")]


@pytest.mark.parametrize("count", [1, 3, 30])
def test_what_the_database_class_writes_is_seen(app: Flask, count: int) -> None:
    """From one row on PostgreSQL could take a way of its own, from twenty on another."""
    rows = [a_source(f"source-{number:02}") for number in range(count)]

    with unit_of_work() as connection:
        assert database().insert_new(connection, SOURCES, rows) == {row["id"] for row in rows}
        database().insert_new(connection, SOURCES, [a_source(row["name"]) for row in rows])
        database().insert_new(connection, SOURCES, rows)
        changes = [{"id": row["id"], "name": row["name"].upper()} for row in rows]
        database().update_many(connection, SOURCES, changes)
        keys = [a_key(row["id"]) for row in rows]
        database().insert_many(connection, KEYS, keys)

    found = entries()
    assert [row.operation for row in found if row.kind == "sources"] == [
        *["insert"] * count,
        *["update"] * count,
    ]
    assert len([row for row in found if row.kind == "api_keys"]) == count


def test_a_family_of_rows_is_seen(app: Flask) -> None:
    source = a_source("erp")

    with unit_of_work() as connection:
        database().insert_family(connection, SOURCES, source, [(KEYS, a_key(source["id"]))])

    assert [row.kind for row in entries()] == ["sources", "api_keys"]


def test_a_claim_of_rows_is_seen(app: Flask) -> None:
    add_sources("a", "b")

    with unit_of_work() as connection:
        ids = database().claim(
            connection,
            SOURCES,
            where=SOURCES.c.is_disabled.is_(False),
            values={"is_disabled": True},
            order_by=SOURCES.c.id,
            limit=1,
        )

    [found] = [row for row in entries() if row.operation == "update"]
    assert [UUID(found.row_id)] == ids


def test_a_condition_on_another_table_is_understood(app: Flask) -> None:
    [first, _] = add_sources("a", "b")
    with unit_of_work() as connection:
        connection.execute(insert(KEYS).values(a_key(first)))
        with_key = SOURCES.c.id.in_(select(KEYS.c.source_id))
        connection.execute(update(SOURCES).where(with_key).values(is_disabled=True))

    assert [row.label for row in entries() if row.operation == "update"] == ["a"]


# Transactions


def fail() -> None:
    with unit_of_work() as connection:
        connection.execute(insert(SOURCES).values(a_source()))
        raise LookupError


def test_what_is_rolled_back_leaves_nothing(app: Flask) -> None:
    with pytest.raises(LookupError):
        fail()
    with trial() as connection:
        connection.execute(insert(SOURCES).values(a_source()))

    assert written() == []


def test_what_a_savepoint_takes_back_leaves_nothing(app: Flask) -> None:
    with unit_of_work() as connection:
        connection.execute(insert(SOURCES).values(a_source("kept")))
        savepoint = connection.begin_nested()
        connection.execute(insert(SOURCES).values(a_source("taken back")))
        savepoint.rollback()

    assert [row[1] for row in written()] == ["kept"]


def test_a_statement_that_fails_leaves_nothing_to_the_next(app: Flask) -> None:
    add_sources("erp")
    with unit_of_work() as connection:
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(insert(SOURCES).values(a_source("erp")))
        connection.execute(update(SOURCES).values(is_disabled=False))

    assert len(written()) == 1


# What leaves no entry


def test_a_statement_that_changes_nothing_leaves_nothing(app: Flask) -> None:
    add_sources("erp")

    with unit_of_work() as connection:
        connection.execute(update(SOURCES).values(name="erp", is_disabled=False))
        connection.execute(update(SOURCES).where(SOURCES.c.name == "x").values(name="y"))
        connection.execute(delete(SOURCES).where(SOURCES.c.name == "x"))

    assert len(written()) == 1


def test_counters_leave_nothing(app: Flask) -> None:
    [source_id] = add_sources("erp")
    with unit_of_work() as connection:
        connection.execute(insert(KEYS).values(a_key(source_id)))
        before = len(written())
        connection.execute(update(KEYS).values(last_used_at=a_source()["created_at"]))

    assert len(written()) == before + 1  # the key's own


def test_invoices_are_not_audited(app: Flask) -> None:
    assert desk.INVOICES not in audit.watched
    assert desk.EVENTS not in audit.watched


# Secrets


def test_of_a_secret_it_is_only_said_that_it_changed(app: Flask) -> None:
    [source_id] = add_sources("erp")
    with unit_of_work() as connection:
        connection.execute(insert(KEYS).values(a_key(source_id)))
        connection.execute(update(KEYS).values(secret_sha256="f00d" + "1" * 60))
        connection.execute(delete(KEYS))

    new, changed, gone = (row for row in entries() if row.kind == "api_keys")
    assert new.after["secret_sha256"] == "set"
    assert (changed.before, changed.after) == (
        {"secret_sha256": "***"},
        {"secret_sha256": "changed"},
    )
    assert gone.before["secret_sha256"] == "***"
    assert not any("5ec4e7" in str(row) or "f00d" in str(row) for row in entries())


def test_a_row_that_is_referred_to_is_called_by_its_name(app: Flask) -> None:
    [source_id] = add_sources("erp")
    with unit_of_work() as connection:
        connection.execute(insert(KEYS).values(a_key(source_id)))

    assert entries(kind="api_keys")[0].after["source_id"] == f"erp ({source_id})"


# What cannot be told is refused


def test_an_insert_from_a_select_is_refused(app: Flask) -> None:
    names = list(SOURCES.c.keys())
    with pytest.raises(UnauditedError, match="SELECT"), unit_of_work() as connection:
        connection.execute(insert(SOURCES).from_select(names, select(SOURCES)))


def test_several_rows_in_one_values_are_refused(app: Flask) -> None:
    rows = [a_source("a"), a_source("b")]
    with pytest.raises(UnauditedError, match="as parameters"), unit_of_work() as connection:
        connection.execute(insert(SOURCES).values(rows))


def test_an_insert_that_updates_is_refused(app: Flask, engine: str) -> None:
    row = a_source("erp")
    new = {"is_disabled": True}
    statement = {
        "sqlite": sqlite.insert(SOURCES).on_conflict_do_update(index_elements=["name"], set_=new),
        "postgresql": postgresql.insert(SOURCES).on_conflict_do_update(
            index_elements=["name"], set_=new
        ),
        "mysql": mysql.insert(SOURCES).on_duplicate_key_update(**new),
    }[engine]
    with pytest.raises(UnauditedError, match="not both"), unit_of_work() as connection:
        connection.execute(statement, [row])


def test_a_new_id_for_an_old_row_is_refused(app: Flask) -> None:
    add_sources("erp")
    with pytest.raises(UnauditedError, match="ids stay"), unit_of_work() as connection:
        connection.execute(update(SOURCES).values(id=new_id()))


def test_a_change_outside_of_a_transaction_is_refused(app: Flask) -> None:
    add_sources("erp")
    with reading() as connection:
        with pytest.raises(UnauditedError, match="unit of work"):
            connection.execute(update(SOURCES).values(name="x"))
        with pytest.raises(UnauditedError, match="unit of work"):
            connection.execute(insert(SOURCES).values(a_source("y")))
        with pytest.raises(UnauditedError, match="unit of work"):
            connection.execute(delete(SOURCES))

    assert [row.name for row in desk.rows(SOURCES)] == ["erp"]


def test_a_row_that_slips_in_meanwhile_takes_the_statement_back(
    app: Flask, engine: str, database_url: str
) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    add_sources("early")
    late = [a_source("late")]

    def slip_in(_: Connection, __: object, statement: str, *___: object) -> None:
        if statement.startswith("UPDATE sources") and late:
            with closing(Database(database_url)) as other, other.engine.begin() as connection:
                connection.execute(insert(SOURCES).values(late.pop()))

    event.listen(database().engine, "before_cursor_execute", slip_in)
    try:
        with pytest.raises(ConflictError, match="same moment"), unit_of_work() as connection:
            connection.execute(update(SOURCES).values(is_disabled=True))
    finally:
        event.remove(database().engine, "before_cursor_execute", slip_in)

    assert [(row.name, row.is_disabled) for row in desk.rows(SOURCES)] == [
        ("early", False),
        ("late", False),
    ]


# The entries themselves


@pytest.mark.parametrize("statement", [update(ENTRIES).values(actor="x"), delete(ENTRIES)])
def test_an_entry_cannot_be_changed_or_deleted(app: Flask, statement: object) -> None:
    add_sources("erp")

    with pytest.raises(DBAPIError, match="append-only"), unit_of_work() as connection:
        connection.execute(statement)  # type: ignore[call-overload]

    assert len(entries()) == 1


def test_the_list_of_audited_tables_names_real_columns() -> None:
    with pytest.raises(ValueError, match="no column colour"):
        audit.register(ApiKey.__table__, label="colour")
    with pytest.raises(ValueError, match="a secret"):
        audit.register(ApiKey.__table__, label="secret_sha256")
