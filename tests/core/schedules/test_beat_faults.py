"""Beat under kills and outages, over virtual time: S10 to S13 of the acceptance table."""

from datetime import datetime, timedelta
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from core.schedules import ledger, outbox, scheduler
from core.schedules.ledger import Order
from core.schedules.models import RunState
from tests.core.schedules.beat import (
    Beat,
    add,
    hourly,
    in_state,
    runs,
    work,
)
from tests.core.schedules.conftest import Clock
from tests.core.schedules.support import utc

HOUR = 3600

# ---- crashes and outages: S10 to S13 ----


@pytest.mark.every_database
def test_s10_a_crash_before_the_mark_sends_again_under_the_same_id(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(every_seconds=60, catchup="all")
    clock.go("2026-10-19T12:01")
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark_sent", _crash)
        beat.turn()
    beat.start()
    clock.wait(16)
    beat.run_until("2026-10-19T12:01:30")

    first, second = beat.broker.sent
    done: list[str] = []
    work(first.run_id, done)
    work(second.run_id, done)
    assert done == [first.run_id]
    assert [run.state for run in runs()] == ["done"]


def _crash(*_args: object) -> None:
    raise MemoryError


def test_s10_a_crash_after_the_mark_sends_nothing_again(beat: Beat, clock: Clock) -> None:
    add(every_seconds=600)
    beat.run_until("2026-10-19T12:10")
    clock.wait(60)
    beat.start()

    beat.run_until("2026-10-19T12:19")

    assert beat.sent() == ["10-19 12:10"]


def test_s11_under_kills_no_slot_is_lost_or_doubled(beat: Beat, clock: Clock) -> None:
    for number in range(40):
        add(f"job {number}", every_seconds=2, catchup="all")
    for second in range(1, 61):
        clock.go(utc("2026-10-19T12:00") + timedelta(seconds=second))
        beat.turn()
        if second % 7 == 0:
            beat.start()
    beat.run_until("2026-10-19T12:01:30")

    sent = [message.run_id for message in beat.broker.sent]
    assert len(sent) == len(set(sent)) == 40 * 45
    assert {len(runs(f"job {number}")) for number in range(40)} == {45}


def test_s12_of_two_beats_one_sends(app: Flask, beat: Beat, clock: Clock) -> None:
    add("crontab", crontab="*/10 * * * *")
    add("interval", every_seconds=300)
    other = Beat(app, clock)
    for minute in range(60):
        clock.go(utc("2026-10-19T12:00") + timedelta(minutes=minute, seconds=1))
        beat.turn()
        other.turn()

    assert len(beat.sent()) == 5 + 11
    assert other.sent() == []


def test_s12_after_a_kill_the_other_beat_takes_over(app: Flask, beat: Beat, clock: Clock) -> None:
    add(every_seconds=2, catchup="all")
    other = Beat(app, clock)
    beat.turn()
    began = clock()
    while not other.sent():
        clock.wait(other.turn())

    assert clock() - began <= timedelta(seconds=6)


def test_s12_after_a_gentle_stop_the_other_beat_takes_over_at_once(
    app: Flask, beat: Beat, clock: Clock
) -> None:
    add(every_seconds=2)
    other = Beat(app, clock)
    beat.turn()
    other.turn()
    beat.scheduler.close()
    clock.wait(2)

    other.turn()

    assert len(other.sent()) == 1


def test_the_follower_says_who_leads_and_says_it_once(
    app: Flask, beat: Beat, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """L09: the second beat stands by, so that it may take over."""
    beat.turn()
    other = Beat(app, clock)
    caplog.set_level("INFO", "core.schedules")

    for _ in range(3):
        other.turn()

    [record] = [record for record in caplog.records if "standing by" in record.message]
    assert record.__dict__["leader"]
    assert record.__dict__["since"] == str(clock())


def test_s13_while_the_database_is_away_beat_lives_and_goes_on_at_once(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "core.schedules")
    add(every_seconds=5, catchup="all")
    beat.turn()
    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "unit_of_work", _no_database)
        patch.setattr(scheduler, "reading", _no_database)
        pauses = [_wait(clock, beat.turn()) for _ in range(4)]
    assert max(pauses) <= 5

    beat.turn()

    assert [message.at for message in beat.broker.sent] == [clock()]
    said = (record for record in caplog.records if record.name.startswith("core.schedules"))
    words = [record.message for record in said if "database" in record.message]
    assert words == ["waiting for the database", "the database is back"]


def _wait(clock: Clock, seconds: float) -> float:
    clock.wait(seconds)
    return seconds


def _no_database() -> None:
    raise OperationalError("SELECT 1", {}, Exception("away"))


def test_a_deadlock_is_tried_again_in_the_same_turn(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(every_seconds=60)
    clock.wait(60)
    claim, calls = ledger.claim_due, count()

    def deadlocked_once(connection: Connection, now: datetime) -> tuple[list[Order], int]:
        if next(calls) == 0:
            raise OperationalError("UPDATE", {}, Exception("deadlock found"))
        return claim(connection, now)

    monkeypatch.setattr(ledger, "claim_due", deadlocked_once)

    beat.turn()

    assert len(beat.sent()) == 1
    assert "waiting for the database" not in {record.message for record in caplog.records}


def test_without_the_database_beat_stops_in_peace(
    beat: Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat.turn()
    monkeypatch.setattr(scheduler, "unit_of_work", _no_database)

    beat.scheduler.close()


def test_s13_after_twelve_minutes_without_a_broker_each_schedule_runs_once(
    beat: Beat, clock: Clock
) -> None:
    add("a", every_seconds=60)
    add("b", every_seconds=300)
    add("all", every_seconds=240, catchup="all")
    beat.broker.is_away = True
    beat.run_until("2026-10-19T12:12:30")
    assert in_state(RunState.CLAIMED, "a") == ["10-19 12:12"]
    assert len(in_state(RunState.SKIPPED, "a")) == 11

    beat.broker.is_away = False
    clock.wait(1)
    beat.turn()

    assert in_state(RunState.SENT, "a") == ["10-19 12:12"]
    assert in_state(RunState.SENT, "b") == ["10-19 12:10"]
    assert in_state(RunState.SENT, "all") == ["10-19 12:04", "10-19 12:08", "10-19 12:12"]


def test_a_broker_that_is_away_is_named_once(beat: Beat, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "core.schedules")
    add(every_seconds=60)
    beat.broker.is_away = True
    beat.run_until("2026-10-19T12:12:30")
    beat.broker.is_away = False
    beat.run_until("2026-10-19T12:13:30")

    words = [record.message for record in caplog.records if "broker" in record.message]
    assert words == ["waiting for the broker", "the broker is back"]


def test_s13_the_broker_comes_back_just_as_a_slot_is_due(beat: Beat, clock: Clock) -> None:
    add(every_seconds=60)
    beat.broker.is_away = True
    beat.run_until("2026-10-19T12:12:30")
    beat.broker.is_away = False

    beat.run_until("2026-10-19T12:13:30")

    assert in_state(RunState.SENT) == beat.sent() == ["10-19 12:13"]


def test_what_one_queue_refuses_is_sent_when_it_takes_it(beat: Beat, clock: Clock) -> None:
    hourly(catchup="all")
    beat.broker.refuses = frozenset({"tasks.sendInvoice"})
    beat.run_until("2026-10-19T13:00")
    assert in_state(RunState.CLAIMED) == ["10-19 13:00"]

    beat.broker.refuses = frozenset()
    beat.run_until("2026-10-19T13:01")

    assert in_state(RunState.SENT) == ["10-19 13:00"]
