"""The ledger: a slot is taken once, sent once, run once, whoever comes at the same moment."""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from core.db import unit_of_work
from core.schedules import ledger, outbox
from core.schedules import runs as run_rows
from core.schedules.ledger import Order
from core.schedules.models import Reason, RunState
from core.schedules.runs import RUNS
from tests.core.schedules.beat import Beat, add, hourly, in_state, row, runs, sql, told
from tests.core.schedules.conftest import Clock
from tests.core.schedules.support import utc

pytestmark = pytest.mark.every_database

SIGNAL = {"task": "tasks.getTotalInvoices", "args": "[]"}


def claim(clock: Clock) -> list[Order]:
    with unit_of_work() as connection:
        return ledger.claim_due(connection, clock())[0]


def claimed(clock: Clock, seconds: float = 3600) -> UUID:
    """Let time pass and claim the only run that is due then."""
    clock.wait(seconds)
    [order] = claim(clock)
    return order.run_id


def begin(run_id: UUID, clock: Clock, *, is_redelivered: bool = False) -> bool:
    with unit_of_work() as connection:
        return run_rows.begin_run(connection, run_id, clock(), is_redelivered=is_redelivered)


def left(clock: Clock) -> list[UUID]:
    with unit_of_work() as connection:
        before = clock() - outbox.RESEND_AFTER
        return [order.run_id for order in outbox.left_claimed(connection, before)]


def mark_sent(clock: Clock, *ids: UUID) -> None:
    with unit_of_work() as connection:
        outbox.mark_sent(connection, ids, clock())


def at_once(app: Flask, count: int, work: Callable[[], object]) -> None:
    """Do the same in several threads at the same moment."""
    start, errors = threading.Barrier(count), list[BaseException]()

    def run() -> None:
        try:
            with app.app_context():
                start.wait(10)
                work()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


# ---- claiming ----


def test_a_claim_writes_the_run_and_moves_the_schedule(beat: Beat, clock: Clock) -> None:
    hourly()
    clock.wait(3600)

    [order] = claim(clock)

    [run] = runs()
    assert (order.run_id, order.task, order.args[1]) == (run.id, "tasks.sendInvoice", [])
    assert (run.slot_at, run.state, run.reason) == (clock(), "claimed", "slot")
    assert row().next_slot_at == row().next_due_at == utc("2026-10-19T14:00")
    assert claim(clock) == []


def test_of_schedulers_at_once_each_slot_goes_to_one(app: Flask, beat: Beat, clock: Clock) -> None:
    for number in range(60):
        hourly(f"job {number}")
    clock.wait(3600)
    found: list[UUID] = []

    at_once(app, 4, lambda: found.extend(order.run_id for order in claim(clock)))
    # What another held at that moment was passed over, and is taken now.
    found.extend(order.run_id for order in claim(clock))

    assert len(found) == len(set(found)) == 60


def test_a_slot_that_was_taken_is_not_taken_again(beat: Beat, clock: Clock) -> None:
    hourly()
    clock.wait(3600)
    claim(clock)

    sql("UPDATE schedules SET next_slot_at = :at, next_due_at = :at", at=_text(clock))

    assert claim(clock) == []
    assert len(runs()) == 1


def _text(clock: Clock) -> str:
    return f"{clock():%Y-%m-%d %H:%M:%S.%f}"


def test_the_database_refuses_a_slot_twice(beat: Beat, clock: Clock) -> None:
    hourly()
    run_id = claimed(clock)
    again = {**runs()[0]._asdict(), "id": UUID(int=1), "reason": str(Reason.MANUAL)}

    with pytest.raises(IntegrityError), unit_of_work() as connection:
        connection.execute(insert(RUNS).values(again))

    assert [run.id for run in runs()] == [run_id]


def test_many_due_at_once_are_claimed_page_by_page(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "PAGE", 25)
    for number in range(60):
        hourly(f"job {number}")
    clock.wait(3600)

    assert [len(claim(clock)) for _ in range(4)] == [25, 25, 10, 0]


def test_a_row_that_somebody_holds_makes_no_other_wait(
    app: Flask, beat: Beat, clock: Clock, engine: str
) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has one writer at a time: nobody can hold a row")
    hourly("held")
    hourly("free")
    sql("UPDATE schedules SET jitter_seconds = 1 WHERE name = 'held'")
    is_held, is_done = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), unit_of_work() as connection:
            statement = "UPDATE schedules SET description = 'mine' WHERE name = 'held'"
            connection.exec_driver_sql(statement)
            is_held.set()
            is_done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)
    clock.wait(3601)
    try:
        with unit_of_work() as connection:
            ledger.plan_changed(connection, clock())
        names = {order.run_id for order in claim(clock)}
    finally:
        is_done.set()
        holder.join(20)

    assert names == {run.id for run in runs("free")}


def test_a_long_silence_is_counted_not_listed(beat: Beat, clock: Clock) -> None:
    add(every_seconds=60, catchup="latest")
    clock.wait(86_400)

    claim(clock)

    assert told() == [("11:59", "slot", "missed"), ("12:00", "slot", "claimed")]
    assert row().alarm.startswith("1439 missed up to 2026-10-20 11:59Z")


def test_jitter_puts_the_due_time_off_and_not_the_slot(beat: Beat, clock: Clock) -> None:
    hourly(jitter_seconds=600)
    found = row()
    assert found.next_slot_at == utc("2026-10-19T13:00")
    assert timedelta(0) < found.next_due_at - found.next_slot_at < timedelta(seconds=600)

    clock.go(found.next_due_at - timedelta(milliseconds=1))
    assert claim(clock) == []
    clock.go(found.next_due_at)

    assert len(claim(clock)) == 1
    assert runs()[0].slot_at == utc("2026-10-19T13:00")


# ---- what was claimed and not sent ----


def test_what_a_crash_left_claimed_is_found_under_the_same_id(beat: Beat, clock: Clock) -> None:
    hourly()
    run_id = claimed(clock)
    assert left(clock) == []

    clock.wait(11)

    assert left(clock) == [run_id]
    mark_sent(clock, run_id)
    assert left(clock) == []


def test_older_ones_of_a_schedule_are_dropped_for_the_newest(beat: Beat, clock: Clock) -> None:
    hourly()
    ids = [claimed(clock) for _ in range(3)]
    clock.wait(11)

    assert left(clock) == ids[2:]

    assert [run.state for run in runs()] == ["skipped", "skipped", "claimed"]
    assert runs()[0].note == "superseded: a later slot is due too"
    assert runs()[0].finished_at == clock()


@pytest.mark.parametrize("state", ["sent", "running", "done", "failed"])
def test_one_is_dropped_when_a_later_slot_has_gone(beat: Beat, clock: Clock, state: str) -> None:
    hourly()
    claimed(clock)
    later = claimed(clock)
    sql("UPDATE schedule_runs SET state = :state WHERE slot_at = :at", state=state, at=_text(clock))
    clock.wait(11)

    assert left(clock) == []
    assert later in {run.id for run in runs() if run.state == state}


def test_one_is_kept_when_the_later_slot_was_skipped(beat: Beat, clock: Clock) -> None:
    hourly()
    first = claimed(clock)
    claimed(clock)
    sql("UPDATE schedule_runs SET state = 'skipped' WHERE slot_at = :at", at=_text(clock))
    clock.wait(11)

    assert left(clock) == [first]


def test_of_a_schedule_that_catches_up_all_none_is_dropped(beat: Beat, clock: Clock) -> None:
    hourly(catchup="all")
    ids = [claimed(clock) for _ in range(3)]
    clock.wait(11)

    assert left(clock) == ids


def test_those_of_many_schedules_are_dropped_over_pages(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PAGE", 4)
    for number in range(4):
        hourly(f"job {number}")
    for _ in range(3):
        clock.wait(3600)
        claim(clock)
    clock.wait(11)

    found = [left(clock) for _ in range(3)]

    assert [len(ids) for ids in found] == [0, 0, 4]


def test_one_whose_schedule_has_broken_since_fails(beat: Beat, clock: Clock) -> None:
    hourly()
    claimed(clock)
    sql("UPDATE schedules SET args = '[oops'")
    clock.wait(11)

    assert left(clock) == []
    assert in_state(RunState.FAILED) == ["10-19 13:00"]


def test_the_mark_does_not_set_back_what_a_worker_has_begun(beat: Beat, clock: Clock) -> None:
    hourly()
    run_id = claimed(clock)
    begin(run_id, clock)

    mark_sent(clock, run_id)

    assert runs()[0].state == "running"


# ---- the worker's side ----


def test_of_workers_at_once_one_takes_a_run(app: Flask, beat: Beat, clock: Clock) -> None:
    hourly()
    run_id = claimed(clock)
    found: list[bool] = []

    at_once(app, 6, lambda: found.append(begin(run_id, clock)))

    assert sorted(found) == [False] * 5 + [True]
    assert runs()[0].state == "running"


def test_a_second_message_finds_it_taken_and_a_redelivered_one_does_not(
    beat: Beat, clock: Clock
) -> None:
    hourly()
    run_id = claimed(clock)
    assert begin(run_id, clock)

    assert not begin(run_id, clock)
    assert begin(run_id, clock, is_redelivered=True)


def test_what_is_done_is_not_run_again_by_a_redelivered_message(beat: Beat, clock: Clock) -> None:
    hourly()
    run_id = claimed(clock)
    begin(run_id, clock)
    with unit_of_work() as connection:
        run_rows.end_run(connection, run_id, RunState.DONE, "done", clock())

    assert not begin(run_id, clock, is_redelivered=True)


def test_a_message_that_waited_too_long_is_dropped(beat: Beat, clock: Clock) -> None:
    hourly(expires_seconds=300)
    run_id = claimed(clock)
    mark_sent(clock, run_id)
    clock.wait(301)

    assert not begin(run_id, clock)

    [run] = runs()
    assert (run.state, run.note) == ("skipped", "expired: no worker took it in time")


def test_an_id_that_nobody_wrote_is_not_run(beat: Beat, clock: Clock) -> None:
    assert not begin(UUID(int=1), clock)


def test_a_run_displaced_in_its_queue_is_closed_by_the_next(beat: Beat, clock: Clock) -> None:
    hourly("signal", **SIGNAL)
    first = claimed(clock)
    second = claimed(clock)
    mark_sent(clock, first, second)

    begin(second, clock)

    assert [run.state for run in runs("signal")] == ["skipped", "running"]


def test_a_run_in_a_queue_of_work_waits_for_its_turn(beat: Beat, clock: Clock) -> None:
    hourly()
    first = claimed(clock)
    second = claimed(clock)
    mark_sent(clock, first, second)

    begin(second, clock)

    assert [run.state for run in runs()] == ["sent", "running"]


def test_busy_ends_with_the_longest_time_a_run_may_take(beat: Beat, clock: Clock) -> None:
    hourly(overlap="skip", max_run_seconds=60)
    begin(claimed(clock), clock)

    def is_busy() -> bool:
        with unit_of_work() as connection:
            began = run_rows.under_way(connection, [row().id])
            return run_rows.goes_on(row(), began[row().id], clock())

    assert is_busy()
    clock.wait(61)
    assert not is_busy()
