"""Histories only grow (P16), but for the one way that retention takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from core.clock import utcnow
from core.db import database, reading, unit_of_work
from core.ids import first_id_of, new_id
from core.models import Base
from core.retention import passes, running
from core.retention.models import HistoryPass
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

PASSES = HistoryPass.__table__
END_OF_TIME = first_id_of(utcnow() + timedelta(days=1))


@pytest.fixture
def invoice_id(source: SourceWithKey) -> UUID:
    """An invoice with one event."""
    return add_invoice(source)


def begun() -> UUID:
    return running.begun("events", utcnow(), "a test")


def pass_row(**changes: object) -> dict[str, Any]:
    """A pass for deleting events, as `passes.opened` writes it."""
    row = {
        "id": new_id(),
        "run_id": begun(),
        "table_name": "status_events",
        "verb": "delete",
        "before_id": END_OF_TIME,
        "owner": database().transaction_mark(),
        "opened_at": database().clock(),
    }
    return row | changes


@contextmanager
def refused() -> Iterator[Connection]:
    """A unit of work that the guard of the events must end."""
    with (
        pytest.raises(DBAPIError, match="status_events is append-only"),
        unit_of_work() as connection,
    ):
        yield connection


def events() -> int:
    return len(desk.rows(desk.EVENTS))


def test_a_pass_lets_old_rows_go(invoice_id: UUID) -> None:
    run_id = begun()
    with (
        unit_of_work() as connection,
        passes.opened(connection, run_id, "status_events", "delete", END_OF_TIME),
    ):
        connection.execute(delete(desk.EVENTS))

    assert events() == 0


def test_nothing_of_a_pass_is_left_when_its_transaction_ends(invoice_id: UUID) -> None:
    run_id = begun()
    with (
        unit_of_work() as connection,
        passes.opened(connection, run_id, "status_events", "delete", END_OF_TIME),
    ):
        pass

    assert desk.rows(PASSES) == []
    with refused() as connection:
        connection.execute(delete(desk.EVENTS))


def test_within_the_same_transaction_it_ends_with_its_block(invoice_id: UUID) -> None:
    run_id = begun()
    with refused() as connection:
        with passes.opened(connection, run_id, "status_events", "delete", END_OF_TIME):
            pass
        connection.execute(delete(desk.EVENTS))

    assert events() == 1


def test_a_row_that_is_not_old_enough_stays(invoice_id: UUID) -> None:
    run_id = begun()
    before = desk.only(desk.EVENTS).id
    with (
        refused() as connection,
        passes.opened(connection, run_id, "status_events", "delete", before),
    ):
        connection.execute(delete(desk.EVENTS))

    assert events() == 1


def test_a_pass_is_for_one_table_and_one_verb(invoice_id: UUID) -> None:
    run_id = begun()
    with (
        refused() as connection,
        passes.opened(connection, run_id, "audit_entries", "delete", END_OF_TIME),
    ):
        connection.execute(delete(desk.EVENTS))
    with (
        refused() as connection,
        passes.opened(connection, run_id, "status_events", "update", END_OF_TIME),
    ):
        connection.execute(delete(desk.EVENTS))
    with (
        refused() as connection,
        passes.opened(connection, run_id, "status_events", "delete", END_OF_TIME),
    ):
        connection.execute(update(desk.EVENTS).values(note="another"))


def test_words_may_be_rewritten_and_facts_may_not(invoice_id: UUID) -> None:
    run_id = begun()
    with (
        unit_of_work() as connection,
        passes.opened(connection, run_id, "status_events", "update", END_OF_TIME),
    ):
        connection.execute(update(desk.EVENTS).values(note="no name any more"))
    for name, value in {"to_status": "delivered", "actor": "somebody", "sequence": 7}.items():
        with (
            refused() as connection,
            passes.opened(connection, run_id, "status_events", "update", END_OF_TIME),
        ):
            connection.execute(update(desk.EVENTS).values(**{name: value}))

    assert desk.only(desk.EVENTS).note == "no name any more"
    assert desk.only(desk.EVENTS).to_status == "ready"


def test_every_word_of_every_history_can_be_rewritten_and_nothing_else(
    source: SourceWithKey,
) -> None:
    """What the migration calls a fact and what `passes.WORDS` has make up all columns."""
    for name, words in passes.WORDS.items():
        table = Base.metadata.tables[name]
        assert set(words) < set(table.c.keys())
    guarded = [name for name in Base.metadata.tables if _refuses(name)]
    assert sorted(guarded) == sorted(passes.WORDS)


def _refuses(name: str) -> bool:
    """Tell whether a table has the guard, by the engine's own list of triggers."""
    queries = {
        "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name LIKE '{}_no_%'",
        "postgresql": "SELECT 1 FROM pg_trigger WHERE tgname LIKE '{}_no_%%'",
        "mysql": "SELECT 1 FROM information_schema.triggers"
        " WHERE trigger_schema = DATABASE() AND trigger_name LIKE '{}_no_%%'",
    }
    with reading() as connection:
        query = queries[connection.dialect.name].format(name)
        return connection.exec_driver_sql(query).first() is not None


def test_without_a_recorded_run_there_is_no_pass(invoice_id: UUID) -> None:
    row = pass_row(run_id=new_id())
    with pytest.raises(DBAPIError), unit_of_work() as connection:
        connection.execute(insert(PASSES).values(row))


def test_a_pass_that_somebody_left_behind_opens_nothing_for_long(invoice_id: UUID) -> None:
    old = utcnow() - timedelta(minutes=2)
    row = pass_row(opened_at=old)
    with unit_of_work() as connection:
        connection.execute(insert(PASSES).values(row))

    with refused() as connection:
        connection.execute(delete(desk.EVENTS))


def test_what_another_transaction_has_opened_is_closed_here(invoice_id: UUID, engine: str) -> None:
    if engine == "sqlite":
        pytest.skip("one writer: while a pass is open, nobody else can write at all")
    run_id = begun()
    # MySQL's trigger waits for the row of the pass, as long as anything waits for a lock.
    with (
        unit_of_work() as connection,
        passes.opened(connection, run_id, "status_events", "delete", END_OF_TIME),
        database().engine.connect() as other,
        impatient(other),
        pytest.raises(DBAPIError, match=r"append-only|Lock wait timeout"),
    ):
        other.execute(delete(desk.EVENTS))

    assert events() == 1


def test_a_committed_pass_is_of_no_use_to_others(invoice_id: UUID, engine: str) -> None:
    """By mistake alone: on PostgreSQL it is the transaction's, on MySQL the connection's."""
    if engine == "sqlite":
        pytest.skip("nothing tells connections apart; its minute ends")
    row = pass_row()
    with unit_of_work() as connection:
        connection.execute(insert(PASSES).values(row))

    with (
        database().engine.connect() as other,
        database().engine.connect() as another,
    ):
        ends = [_try(one) for one in (other, another)]

    assert "append-only" in "".join(ends)
    assert events() == 1


@contextmanager
def impatient(connection: Connection) -> Iterator[None]:
    """Wait a second for a lock on MySQL, and no five; the connection is not used again."""
    if connection.dialect.name == "mysql":
        connection.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
    yield
    connection.invalidate()


def _try(connection: Connection) -> str:
    transaction = connection.begin()
    try:
        connection.execute(delete(desk.EVENTS))
    except DBAPIError as error:
        return str(error.orig)
    finally:
        transaction.rollback()
    return ""


def test_the_run_stands_in_the_audit(source: SourceWithKey) -> None:
    run_id = begun()

    audit = Base.metadata.tables["audit_entries"]
    with reading() as connection:
        entry = connection.execute(select(audit).where(audit.c.row_id == str(run_id))).one()
    assert (entry.kind, entry.operation, entry.label) == ("retention_runs", "insert", "events")
    assert entry.after["reason"] == "a test"
