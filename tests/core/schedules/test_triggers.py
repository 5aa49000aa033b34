"""A change of a schedule's timing is planned anew, whoever made it and in whatever way."""

from typing import Any

import pytest
from sqlalchemy import Executable, Row, insert, inspect, select, update
from sqlalchemy.exc import DatabaseError

from core.db import database, db, reading, unit_of_work
from core.ids import new_id
from core.schedules import ledger
from core.schedules.history import CHANGES
from core.schedules.models import TIMING_COLUMNS, Schedule
from core.schedules.rows import SCHEDULES
from tests.core.schedules.beat import Beat, add, edit, hourly, row, sql
from tests.core.schedules.conftest import Clock
from tests.core.schedules.support import utc

pytestmark = [pytest.mark.every_database, pytest.mark.every_case]

DAILY = {"crontab": "0 9 * * *"}
OTHER_VALUES = {
    "task": "'tasks.createdStatus'",
    "args": "'[1]'",
    "kind": "'interval'",
    "every_seconds": "7",
    "offset_seconds": "3",
    "crontab": "'0 10 * * *'",
    "timezone": "'Europe/Riga'",
    "at": "'2027-01-01 00:00:00.000000'",
    "start_at": "'2026-01-01 00:00:00.000000'",
    "end_at": "'2028-01-01 00:00:00.000000'",
    "jitter_seconds": "5",
    "is_enabled": "false",
    "paused_at": "'2026-01-01 00:00:00.000000'",
    "paused_until": "'2026-01-01 00:00:00.000000'",
}


def quoted(column: str) -> str:
    """Return a column as this engine writes names."""
    return str(database().engine.dialect.identifier_preparer.quote(column))


def test_a_plain_update_of_each_column_of_timing_asks_for_a_plan(beat: Beat) -> None:
    assert set(OTHER_VALUES) == set(TIMING_COLUMNS)
    for column in TIMING_COLUMNS:
        add(column, **DAILY)
    beat.turn()
    before = {column: row(column).plan_number for column in TIMING_COLUMNS}

    for column, value in OTHER_VALUES.items():
        sql(f"UPDATE schedules SET {quoted(column)} = {value} WHERE name = :name", name=column)  # noqa: S608

    assert [column for column in TIMING_COLUMNS if row(column).is_planned] == []
    assert {column: row(column).plan_number for column in TIMING_COLUMNS} == {
        column: number + 1 for column, number in before.items()
    }


def test_a_plain_update_is_in_force_at_the_next_turn(beat: Beat) -> None:
    add(**DAILY)
    beat.turn()

    sql("UPDATE schedules SET crontab = '30 12 * * *'")
    beat.turn()

    assert row().next_slot_at == utc("2026-10-19T12:30")
    assert row().is_planned


def test_a_null_that_becomes_a_value_and_back_is_seen(beat: Beat) -> None:
    add(**DAILY)
    beat.turn()
    sql("UPDATE schedules SET start_at = '2026-10-25 00:00:00.000000'")
    beat.turn()
    assert row().next_slot_at == utc("2026-10-25T09:00")

    sql("UPDATE schedules SET start_at = NULL")
    beat.turn()

    assert row().next_slot_at == utc("2026-10-20T09:00")


def test_a_bulk_update_is_in_force_for_every_row(beat: Beat) -> None:
    for number in range(30):
        add(f"job {number}", **DAILY)
    beat.turn()

    with unit_of_work() as connection:
        connection.execute(update(SCHEDULES).values(crontab="30 12 * * *"))
    beat.turn()

    found = {row(f"job {number}").next_slot_at for number in range(30)}
    assert found == {utc("2026-10-19T12:30")}


def test_a_change_of_an_object_is_in_force(beat: Beat) -> None:
    add(**DAILY)
    beat.turn()

    with unit_of_work():
        schedule = db.session.scalars(select(Schedule)).one()
        schedule.crontab = "30 12 * * *"
    beat.turn()

    assert row().next_slot_at == utc("2026-10-19T12:30")


@pytest.mark.parametrize(
    "change", ["description = 'other words'", "catchup = 'all'", "expires_seconds = 5"]
)
def test_what_is_no_timing_leaves_the_plan(beat: Beat, change: str) -> None:
    add(**DAILY)
    beat.turn()
    before = row()

    sql(f"UPDATE schedules SET {change}")  # noqa: S608

    assert row().is_planned
    assert row().plan_number == before.plan_number


def test_the_same_value_again_leaves_the_plan(beat: Beat) -> None:
    add(**DAILY)
    beat.turn()
    before = row()

    sql("UPDATE schedules SET crontab = '0 9 * * *', start_at = NULL")

    assert row().is_planned
    assert row().plan_number == before.plan_number


def test_an_edit_through_the_services_is_planned_by_itself(beat: Beat) -> None:
    add(**DAILY)

    edit(crontab="30 12 * * *")

    assert row().is_planned
    assert row().next_slot_at == utc("2026-10-19T12:30")


def test_an_edit_between_the_planners_read_and_its_write_is_not_lost(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(**DAILY)
    sql("UPDATE schedules SET crontab = '30 12 * * *'")
    plan = ledger.planned

    def edited_meanwhile(found: Row[Any], *more: Any) -> dict[str, Any]:  # noqa: ANN401
        values = plan(found, *more)
        # On the planner's own connection: its lock keeps others out.
        sql_inside("UPDATE schedules SET crontab = '45 12 * * *'")
        return values

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "planned", edited_meanwhile)
        with unit_of_work() as connection:
            ledger.plan_changed(connection, clock())
    assert not row().is_planned

    beat.turn()

    assert row().next_slot_at == utc("2026-10-19T12:45")


def sql_inside(statement: str) -> None:
    """Change a row within the transaction that is open."""
    db.session.connection().exec_driver_sql(statement)


def test_claiming_a_slot_asks_for_no_plan(beat: Beat) -> None:
    hourly()
    beat.run_until("2026-10-19T13:00")

    assert row().is_planned
    assert row().plan_number == 1


@pytest.mark.parametrize("statement", [CHANGES.update().values(actor="me"), CHANGES.delete()])
def test_who_changed_what_can_neither_be_changed_nor_deleted(
    beat: Beat, statement: Executable
) -> None:
    add(**DAILY)

    with pytest.raises(DatabaseError, match="append-only"), unit_of_work() as connection:
        connection.execute(statement)

    with reading() as connection:
        assert len(connection.execute(select(CHANGES)).all()) == 1


def test_a_row_added_by_sql_is_planned(beat: Beat) -> None:
    hourly()
    like = {**row()._asdict(), "id": new_id(), "name": "copy"}
    like |= {"is_planned": False, "next_slot_at": None, "next_due_at": None}
    with unit_of_work() as connection:
        connection.execute(insert(SCHEDULES).values(like))

    beat.turn()

    assert row("copy").next_slot_at == row().next_slot_at


def test_the_planner_finds_its_rows_by_an_index(beat: Beat) -> None:
    names = {index["name"] for index in inspect(database().engine).get_indexes("schedules")}

    assert {"ix_schedules_unplanned", "ix_schedules_next_due_at"} <= names
