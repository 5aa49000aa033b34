"""What the database class promises on every engine."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from core.clock import utcnow
from core.database import Database
from core.db import after_commit, database, reading, trial, unit_of_work
from core.errors import SettingsError
from core.ids import new_id
from core.leases import LEASES
from invoices.models import Delivery, Source
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

every_database = pytest.mark.every_database
pytestmark = [pytest.mark.every_case, pytest.mark.usefixtures("unaudited")]

SOURCES = Source.__table__
DELIVERIES = Delivery.__table__


def a_source(name: str, **changes: object) -> dict[str, Any]:
    return {
        "id": new_id(),
        "name": name,
        "environment": "test",
        "provider_id": None,
        "is_disabled": False,
        "created_at": utcnow(),
        **changes,
    }


def names() -> list[str]:
    return sorted(row.name for row in desk.rows(SOURCES))


def in_threads(app: Flask, work: Callable[[], object], count: int) -> None:
    start = threading.Barrier(count)
    errors: list[BaseException] = []

    def run() -> None:
        with app.app_context():
            start.wait(10)
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - shown by the test
                errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


# Transactions


@every_database
def test_a_single_statement_is_kept(app: Flask) -> None:
    with database().single() as connection:
        connection.execute(insert(SOURCES).values(a_source("kept")))

    database().close()
    assert names() == ["kept"]


@every_database
def test_each_single_statement_is_its_own_transaction(app: Flask) -> None:
    with database().single() as connection:
        connection.execute(insert(SOURCES).values(a_source("a")))
        with pytest.raises(IntegrityError):
            connection.execute(insert(SOURCES).values(a_source("a")))
        connection.execute(insert(SOURCES).values(a_source("b")))

    assert names() == ["a", "b"]


@every_database
def test_a_unit_of_work_is_kept_as_a_whole_or_not_at_all(app: Flask) -> None:
    with pytest.raises(IntegrityError):
        _insert("a", "b", "a")
    _insert("c", "d")

    assert names() == ["c", "d"]


def _insert(*new: str) -> None:
    with unit_of_work() as connection:
        for name in new:
            connection.execute(insert(SOURCES).values(a_source(name)))


@every_database
def test_a_trial_keeps_nothing(app: Flask) -> None:
    rung: list[int] = []
    with trial() as connection:
        connection.execute(insert(SOURCES).values(a_source("a")))
        after_commit(lambda: rung.append(1))
        assert len(connection.execute(select(SOURCES)).all()) == 1

    _insert("b")

    assert names() == ["b"]
    assert rung == []


@every_database
def test_what_is_not_committed_is_seen_by_nobody_else(app: Flask) -> None:
    with unit_of_work() as connection:
        connection.execute(insert(SOURCES).values(a_source("a")))
        assert names() == []

    assert names() == ["a"]


# Claims


def claim_all(limit: int, *, skip_locked: bool = True) -> list[UUID]:
    columns = DELIVERIES.c
    with unit_of_work() as connection:
        return database().claim(
            connection,
            DELIVERIES,
            where=columns.due_at <= utcnow(),
            values={"lease_token": new_id(), "due_at": utcnow() + timedelta(minutes=5)},
            order_by=columns.due_at,
            limit=limit,
            skip_locked=skip_locked,
        )


@every_database
@pytest.mark.parametrize("skip_locked", [True, False])
def test_of_many_claimants_each_row_goes_to_one(source: SourceWithKey, skip_locked: bool) -> None:
    from flask import current_app

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    for _ in range(40):
        add_invoice(source)
    claimed: list[UUID] = []

    def work() -> None:
        while ids := claim_all(7, skip_locked=skip_locked):
            claimed.extend(ids)

    in_threads(app, work, 4)

    assert sorted(claimed) == sorted(row.id for row in desk.rows(DELIVERIES))


@every_database
def test_rows_that_another_holds_are_passed_over(source: SourceWithKey, engine: str) -> None:
    if engine == "sqlite":
        pytest.skip("one writer: nothing is ever locked by another")
    for _ in range(3):
        add_invoice(source)
    first = desk.rows(DELIVERIES)[0].id

    with database().engine.begin() as other:
        other.execute(select(DELIVERIES).where(DELIVERIES.c.id == first).with_for_update())
        claimed = claim_all(10)

    assert len(claimed) == 2
    assert first not in claimed


# Sets of rows


@every_database
@pytest.mark.parametrize("count", [1, 19, 20, 250])
def test_rows_that_are_new_go_in_and_the_others_stay(app: Flask, count: int) -> None:
    _insert("s0", "s5")
    rows = [a_source(f"s{number}") for number in range(count)]

    with unit_of_work() as connection:
        inserted = database().insert_new(connection, SOURCES, rows)

    taken = {"s0", "s5"}
    assert inserted == {row["id"] for row in rows if row["name"] not in taken}
    assert len(names()) == count + len(taken - {row["name"] for row in rows})


@every_database
@pytest.mark.parametrize("count", [1, 30])
def test_a_row_that_is_there_with_its_id_is_not_new(app: Flask, count: int) -> None:
    rows = [a_source(f"s{number}") for number in range(count)]
    new = a_source("new")
    with unit_of_work() as connection:
        database().insert_new(connection, SOURCES, rows)

    with unit_of_work() as connection:
        assert database().insert_new(connection, SOURCES, rows) == set()
        assert database().insert_new(connection, SOURCES, [*rows, new]) == {new["id"]}


@every_database
@pytest.mark.parametrize("count", [2, 30])
def test_of_two_alike_in_one_set_one_goes_in(app: Flask, count: int) -> None:
    rows = [a_source("same") for _ in range(count)]

    with unit_of_work() as connection:
        inserted = database().insert_new(connection, SOURCES, rows)

    assert len(inserted) == 1
    assert names() == ["same"]


@every_database
def test_a_value_that_does_not_fit_is_an_error_and_not_a_row_that_is_there(
    app: Flask, engine: str
) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has no lengths")

    with pytest.raises(Exception, match=r"too long|Too long"):
        _insert_new(a_source("x" * 101))

    assert names() == []


def _insert_new(row: dict[str, Any]) -> None:
    with unit_of_work() as connection:
        database().insert_new(connection, SOURCES, [row])


@every_database
@pytest.mark.parametrize("count", [0, 1, 19, 20, 250])
def test_many_rows_go_in(app: Flask, count: int) -> None:
    rows = [a_source(f"s{number} ☃\t\\N") for number in range(count)]

    with unit_of_work() as connection:
        database().insert_many(connection, SOURCES, rows)

    assert names() == sorted(row["name"] for row in rows)


@every_database
@pytest.mark.parametrize("count", [0, 1, 30])
def test_each_row_gets_its_own_values(app: Flask, count: int) -> None:
    rows = [a_source(f"s{number}") for number in range(count)]
    with unit_of_work() as connection:
        database().insert_many(connection, SOURCES, [*rows, a_source("other")])
        changed = [
            {"id": row["id"], "name": f"new-{row['name']}", "is_disabled": True} for row in rows
        ]
        database().update_many(connection, SOURCES, changed)

    assert names() == sorted([*(f"new-s{number}" for number in range(count)), "other"])
    assert sum(row.is_disabled for row in desk.rows(SOURCES)) == count


@every_database
def test_rows_are_locked_in_the_order_of_their_ids(app: Flask) -> None:
    rows = [a_source(f"s{number}") for number in range(5)]
    with unit_of_work() as connection:
        database().insert_many(connection, SOURCES, rows[::-1])
        where = database().among(SOURCES.c.id, [row["id"] for row in rows[::-1]])
        locked = database().lock(connection, SOURCES, where)

    assert [row.id for row in locked] == [row["id"] for row in rows]


@every_database
def test_among_none_is_nobody(app: Flask) -> None:
    _insert("a")

    with reading() as connection:
        where = database().among(SOURCES.c.id, [])
        assert connection.execute(select(SOURCES).where(where)).all() == []


@every_database
def test_what_waited_for_a_lock_reads_what_was_committed_meanwhile(app: Flask) -> None:
    """Two that count up at once both count."""
    with unit_of_work() as connection:
        row = {"name": "x", "holder": None, "token": 0, "since": utcnow(), "until": utcnow()}
        connection.execute(insert(LEASES).values(row))

    def count_up() -> None:
        for _ in range(5):
            with unit_of_work() as connection:
                token = connection.scalar(select(LEASES.c.token).with_for_update())
                connection.execute(update(LEASES).values(token=(token or 0) + 1))

    in_threads(app, count_up, 3)

    with reading() as connection:
        assert connection.scalar(select(LEASES.c.token)) == 15


# The class for a URL


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///x.db", "SqliteDatabase"),
        ("postgresql://h/d", "PostgresqlDatabase"),
        ("postgresql+psycopg://h/d", "PostgresqlDatabase"),
        ("mysql://h/d", "MysqlDatabase"),
        ("mariadb://h/d", "MysqlDatabase"),
        ("mariadb+pymysql://h/d", "MysqlDatabase"),
    ],
)
def test_the_url_chooses_the_class(url: str, name: str) -> None:
    assert type(Database(url)).__name__ == name


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("oracle://h/d", "names the engine 'oracle'"),
        ("nonsense", "is not a database URL"),
        ("postgresql://u:hunter2@/d", "has no host"),
        ("mysql://u:hunter2@h", "has no database"),
        ("postgresql+nothing://h/d", "needs the driver"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_line(url: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        Database(url)

    [line] = error.value.lines
    assert words in line
    assert "hunter2" not in line
