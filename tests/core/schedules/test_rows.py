"""Broken rows, overlap and runs by hand: S15, S18 and S19 of the acceptance table."""

import pytest
from sqlalchemy import text

from core.db import reading, unit_of_work
from core.schedules import services
from core.schedules.models import RunState
from tests.core.schedules.beat import (
    WHO,
    Beat,
    add,
    hourly,
    in_state,
    row,
    runs,
    sql,
    work,
)
from tests.core.schedules.conftest import Clock
from tests.core.schedules.support import utc

HOUR = 3600

# ---- broken rows, overlap, by hand: S15, S18, S19 ----

BROKEN = {
    "crontab": ("crontab = '99 * * * *'", "minute"),
    "zone": ("timezone = 'Mars/Base'", "Mars/Base"),
    "json": ("args = '[oops'", "not JSON"),
    "array": ("args = '5'", "JSON array"),
    "kind": ("kind = 'moon'", "moon"),
    "task": ("task = 'tasks.nothing'", "tasks.nothing"),
    "deep": (f"args = '{'[' * 50_000}'", "not JSON"),
}


@pytest.mark.every_database
def test_s15_broken_rows_say_so_and_stop_no_other(beat: Beat) -> None:
    for name in BROKEN:
        hourly(name)
    for number in range(4):
        hourly(f"good {number}")
    for name, (change, _) in BROKEN.items():
        sql(f"UPDATE schedules SET {change} WHERE name = :name", name=name)  # noqa: S608

    beat.run_until("2026-10-19T13:00")

    assert [len(runs(f"good {number}")) for number in range(4)] == [1, 1, 1, 1]
    for name, (_, words) in BROKEN.items():
        assert words in (row(name).error or ""), name
        assert row(name).next_due_at is None


@pytest.mark.every_database
def test_a_row_that_breaks_after_it_was_planned_stops_no_other(beat: Beat) -> None:
    hourly("bad")
    hourly("good")
    beat.turn()
    # Past the trigger: whoever raises the number says that the plan is his.
    sql("UPDATE schedules SET args = '[oops', plan_number = plan_number + 1 WHERE name = 'bad'")
    beat.run_until("2026-10-19T13:00")

    assert in_state(RunState.SENT, "good") == ["10-19 13:00"]
    assert "not JSON" in row("bad").error
    assert row("bad").next_due_at is None


@pytest.mark.every_database
def test_a_catchup_that_nobody_knows_is_said_and_read_as_latest(beat: Beat) -> None:
    hourly("bad")
    hourly("good")
    sql("UPDATE schedules SET catchup = 'sometimes' WHERE name = 'bad'")

    beat.run_until("2026-10-19T13:00")

    assert len(in_state(RunState.SENT, "bad")) == len(in_state(RunState.SENT, "good")) == 1
    assert "sometimes is not known" in row("bad").error


def test_a_row_without_its_slot_stops_no_other(beat: Beat) -> None:
    hourly("bad")
    hourly("good")
    sql("UPDATE schedules SET next_slot_at = NULL WHERE name = 'bad'")

    beat.run_until("2026-10-19T13:00")

    assert in_state(RunState.SENT, "good") == ["10-19 13:00"]
    assert row("bad").error


def test_a_time_that_is_none_stops_no_other_in_sqlite(beat: Beat) -> None:
    hourly("bad")
    hourly("good")
    sql("UPDATE schedules SET start_at = 'tomorrow' WHERE name = 'bad'")
    sql("UPDATE schedules SET jitter_seconds = 1 WHERE name = 'good'")

    beat.run_until("2026-10-19T13:00:05")

    assert in_state(RunState.SENT, "good") == ["10-19 13:00"]
    with reading() as connection:
        error = connection.scalar(text("SELECT error FROM schedules WHERE name = 'bad'"))
    assert "tomorrow" in str(error)


def test_a_broken_row_that_is_mended_runs_again(beat: Beat) -> None:
    hourly()
    sql("UPDATE schedules SET args = '[oops'")
    beat.turn()

    sql("UPDATE schedules SET args = '[]'")
    beat.run_until("2026-10-19T13:00")

    assert row().error is None
    assert beat.sent() == ["10-19 13:00"]


def test_a_new_leader_gives_broken_rows_another_chance(beat: Beat) -> None:
    hourly()
    sql("UPDATE schedules SET next_slot_at = NULL, next_due_at = NULL, error = 'no such zone'")
    beat.turn()

    assert row().error is None
    assert row().next_slot_at == utc("2026-10-19T13:00")


def test_s18_a_slot_is_skipped_while_the_run_before_is_under_way(beat: Beat) -> None:
    hourly(overlap="skip", max_run_seconds=2 * HOUR)

    beat.run_until("2026-10-19T16:30")

    assert [(run.state, run.note) for run in runs()] == [
        ("sent", None),
        ("skipped", "overlap: the run before is still under way"),
        ("sent", None),
        ("skipped", "overlap: the run before is still under way"),
    ]


def test_s18_what_is_caught_up_does_not_run_twice_at_once(beat: Beat, clock: Clock) -> None:
    hourly(overlap="skip", catchup="all", catchup_window_seconds=24 * HOUR)
    clock.go("2026-10-19T15:30")

    beat.turn()

    assert [run.state for run in runs()] == ["sent", "skipped", "skipped"]


def test_s18_what_is_done_is_out_of_the_way(beat: Beat) -> None:
    hourly(overlap="skip", max_run_seconds=24 * HOUR)
    beat.run_until("2026-10-19T13:30")
    work(beat.broker.sent[0].run_id, [])

    beat.run_until("2026-10-19T14:30")

    assert [run.state for run in runs()] == ["done", "sent"]


@pytest.mark.every_database
def test_s19_by_hand_it_runs_at_once_and_its_next_run_stays(beat: Beat, clock: Clock) -> None:
    hourly()
    beat.turn()
    before = row()
    with unit_of_work() as connection:
        run_id = services.run_now(connection, "job", WHO)
    clock.wait(1)

    beat.turn()

    [message] = beat.broker.sent
    [run] = runs()
    assert message.run_id == str(run_id) == str(run.id)
    assert (run.reason, run.state, run.actor, run.note) == ("manual", "sent", "anna", "because")
    assert row().next_slot_at == before.next_slot_at


def test_s19_a_run_by_hand_does_not_expire_before_it_is_sent(beat: Beat, clock: Clock) -> None:
    add(every_seconds=5, expires_seconds=5)
    with unit_of_work() as connection:
        run_id = services.run_now(connection, "job", WHO)
    clock.wait(1)
    beat.turn()
    done: list[str] = []

    work(str(run_id), done)

    assert done == [str(run_id)]
