"""Beat over virtual time: the rows S01 to S23 of the acceptance table of the schedule."""

from datetime import timedelta
from itertools import pairwise

import pytest
from flask import Flask

from core import migrations
from core.db import database
from core.schedules.errors import TimingError
from core.schedules.models import RunState
from tests.core.schedules.beat import (
    Beat,
    add,
    edit,
    hourly,
    in_state,
    row,
    runs,
    sql,
    told,
)
from tests.core.schedules.conftest import Clock
from tests.core.schedules.support import STOCKHOLM, utc

HOUR = 3600

# ---- when: S01 to S04 ----


def test_s01_a_weekly_run_keeps_its_local_time(beat: Beat, clock: Clock) -> None:
    add(crontab="0 23 * * 1", timezone=STOCKHOLM)
    beat.run_until("2026-11-03T00:00")
    clock.go("2027-03-16T00:00")
    sql("UPDATE schedules SET is_planned = false")
    beat.run_until("2027-03-30T00:00")

    assert beat.sent() == [
        "10-19 21:00",
        "10-26 22:00",
        "11-02 22:00",
        "03-22 22:00",
        "03-29 21:00",
    ]


def test_s02_half_past_two_runs_once_in_each_night(beat: Beat, clock: Clock) -> None:
    add(crontab="30 2 * * *", timezone=STOCKHOLM)
    clock.go("2026-10-24T20:00")
    sql("UPDATE schedules SET is_planned = false")
    beat.run_until("2026-10-25T12:00")
    clock.go("2027-03-27T20:00")
    sql("UPDATE schedules SET is_planned = false")
    beat.run_until("2027-03-28T12:00")

    assert beat.sent() == ["10-25 00:30", "03-28 01:00"]


def test_s03_five_minutes_are_five_minutes_in_autumn(beat: Beat, clock: Clock) -> None:
    clock.go("2026-10-24T23:40")
    add(crontab="*/5 * * * *", timezone=STOCKHOLM)

    beat.run_until("2026-10-25T06:02")

    slots = [run.slot_at for run in runs()]
    assert len(slots) == len(beat.broker.sent) == 76
    assert {later - slot for slot, later in pairwise(slots)} == {timedelta(minutes=5)}


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [("2026-10-24T22:00", "2026-10-25T22:59", 25), ("2027-03-27T23:00", "2027-03-28T21:59", 23)],
)
def test_s03_an_hourly_run_follows_real_time(
    beat: Beat, clock: Clock, start: str, end: str, count: int
) -> None:
    clock.go(start)
    add(crontab="30 * * * *", timezone=STOCKHOLM)

    beat.run_until(end)

    assert len(beat.sent()) == count


def test_s04_an_interval_stays_on_its_grid_over_restarts(beat: Beat) -> None:
    add(every_seconds=600)
    beat.run_until("2026-10-19T12:14")
    beat.restart()

    beat.run_until("2026-10-19T12:31")

    assert beat.sent() == ["10-19 12:10", "10-19 12:20", "10-19 12:30"]


def test_s04_a_daily_interval_runs_although_beat_restarts_twice_a_day(beat: Beat) -> None:
    add(every_seconds=86_400)
    for day in range(20, 25):
        beat.run_until(f"2026-10-{day}T02:00")
        beat.restart()
        beat.run_until(f"2026-10-{day}T14:00")
        beat.restart()

    assert beat.sent() == [f"10-{day} 00:00" for day in range(20, 25)]


# ---- what passed: S05, S09, S14, S16 ----


def test_s05_the_first_slot_during_a_deploy_runs_late(beat: Beat, clock: Clock) -> None:
    add(crontab="0 21 * * 1", catchup_window_seconds=24 * HOUR)
    clock.go("2026-10-19T21:30")

    beat.turn()

    assert beat.sent() == ["10-19 21:30"]
    assert told() == [("21:00", "catchup", "sent")]


@pytest.mark.parametrize(
    ("catchup", "window", "expected"),
    [
        ("latest", HOUR, [("13:00", "slot", "missed"), ("14:00", "catchup", "sent")]),
        ("latest", 600, [("14:00", "slot", "missed")]),
        (
            "all",
            24 * HOUR,
            [(f"{hour}:00", "catchup", "sent") for hour in (11, 12, 13, 14)],
        ),
        ("skip", HOUR, [("14:00", "slot", "missed")]),
    ],
)
def test_s09_what_was_missed_is_taken_up_by_policy(
    beat: Beat, clock: Clock, catchup: str, window: int, expected: list[tuple[str, str, str]]
) -> None:
    clock.go("2026-10-19T10:05")
    hourly(catchup=catchup, catchup_window_seconds=window)
    clock.go("2026-10-19T14:20")

    beat.turn()

    assert told() == expected
    assert len(beat.sent()) == len(in_state(RunState.SENT))
    assert row().next_slot_at == utc("2026-10-19T15:00")


def test_s09_the_run_says_how_many_were_missed_and_the_schedule_alarms(
    beat: Beat, clock: Clock
) -> None:
    clock.go("2026-10-19T10:05")
    hourly()
    clock.go("2026-10-19T14:20")

    beat.turn()

    assert runs()[-1].note == "3 before it were missed"
    assert row().alarm == "3 missed up to 2026-10-19 13:00Z"


def test_s14_a_clock_that_goes_back_repeats_nothing(beat: Beat, clock: Clock) -> None:
    hourly()
    beat.run_until("2026-10-19T14:30")
    clock.go("2026-10-19T12:30")

    beat.run_until("2026-10-19T14:59")

    assert beat.sent() == ["10-19 13:00", "10-19 14:00"]


def test_s14_a_clock_that_goes_ahead_catches_up_once(beat: Beat, clock: Clock) -> None:
    hourly()
    beat.run_until("2026-10-19T12:30")
    clock.go("2026-10-19T14:30")

    beat.run_until("2026-10-19T14:59")

    assert in_state(RunState.SENT) == ["10-19 14:00"]


def test_s16_a_single_run_in_the_past_is_refused(beat: Beat) -> None:
    with pytest.raises(TimingError, match="past"):
        add(at=utc("2026-10-19T11:00"))


def test_s16_an_edit_into_the_past_is_refused(beat: Beat) -> None:
    add(at=utc("2026-10-19T13:00"))

    with pytest.raises(TimingError, match="past"):
        edit(at=utc("2026-10-19T11:00"))

    assert row().next_slot_at == utc("2026-10-19T13:00")


def test_s16_a_single_run_comes_late_but_once(beat: Beat, clock: Clock) -> None:
    clock.go("2026-10-19T08:00")
    add(at=utc("2026-10-19T09:00"))
    clock.go("2026-10-19T09:30")
    beat.turn()
    beat.restart()
    beat.run_until("2026-10-20T09:30")

    assert beat.sent() == ["10-19 09:30"]
    assert row().next_slot_at is None


# ---- edits while it runs: S06 to S08, S17, S20, S22 ----


def test_s06_saving_other_rows_postpones_nothing(beat: Beat) -> None:
    add(every_seconds=60)
    hourly("other")
    for half_minute in range(20):
        beat.run_until(f"2026-10-19T12:{half_minute // 2:02}:{half_minute % 2 * 30 + 5:02}")
        edit("other", description=f"saved {half_minute}", jitter_seconds=half_minute)

    assert len(in_state(RunState.SENT)) == 9


def test_s06_a_new_description_leaves_the_next_slot(beat: Beat, clock: Clock) -> None:
    add(every_seconds=600)
    before = row()
    clock.wait(290)

    sentence = edit(description="for people")

    assert row().next_slot_at == before.next_slot_at
    assert row().plan_number == before.plan_number
    assert sentence == "next run stays Mon 12:10; nothing runs now"


def test_s07_what_is_turned_on_again_waits_for_its_next_slot(beat: Beat) -> None:
    hourly()
    edit(is_enabled=False)
    beat.run_until("2026-10-19T16:20")
    assert beat.sent() == []

    edit(is_enabled=True)
    beat.run_until("2026-10-19T17:00")

    assert beat.sent() == ["10-19 17:00"]


def test_s08_a_time_that_is_past_today_runs_tomorrow(beat: Beat) -> None:
    add(crontab="0 9 * * *")
    sentence = edit(crontab="0 10 * * *")

    beat.run_until("2026-10-20T10:00")

    assert beat.sent() == ["10-20 10:00"]
    assert sentence == "next run moves from Tue 09:00 to Tue 10:00; nothing runs now"


def test_s08_a_time_that_is_still_to_come_runs_today(beat: Beat) -> None:
    add(crontab="0 9 * * *")
    edit(crontab="0 13 * * *")

    beat.run_until("2026-10-19T14:00")

    assert beat.sent() == ["10-19 13:00"]


def test_s17_the_start_is_no_slot_of_its_own(beat: Beat, clock: Clock) -> None:
    clock.go("2026-10-19T10:00")
    hourly(start_at=utc("2026-10-19T10:30"))

    beat.run_until("2026-10-19T11:30")

    assert beat.sent() == ["10-19 11:00"]


def test_s17_a_start_that_is_past_runs_nothing_on_save(beat: Beat, clock: Clock) -> None:
    clock.go("2026-10-19T08:30")
    add(crontab="0 5 * * *", start_at=utc("2026-10-01T00:00"))

    beat.run_until("2026-10-20T05:00")

    assert beat.sent() == ["10-20 05:00"]


def test_s17_after_its_end_nothing_runs(beat: Beat, clock: Clock) -> None:
    clock.go("2026-10-19T07:30")
    hourly(end_at=utc("2026-10-19T09:00"))

    beat.run_until("2026-10-20T09:00")

    assert beat.sent() == ["10-19 08:00", "10-19 09:00"]


def test_s20_beat_looks_at_least_once_a_second(beat: Beat) -> None:
    add(crontab="0 9 * * *")

    assert beat.turn() <= 1.0


def test_s20_an_edit_by_a_host_whose_clock_is_behind_is_in_force(beat: Beat, clock: Clock) -> None:
    add(crontab="0 9 * * *")
    beat.turn()
    clock.wait(-60)
    edit(every_seconds=60, kind="interval")
    clock.wait(60)

    beat.run_until("2026-10-19T12:03")

    assert in_state(RunState.SENT) == ["10-19 12:01", "10-19 12:02", "10-19 12:03"] or in_state(
        RunState.SENT
    ) == ["10-19 12:00", "10-19 12:01", "10-19 12:02", "10-19 12:03"]


def test_s20_of_two_edits_at_the_same_moment_the_second_counts(beat: Beat) -> None:
    add(crontab="0 9 * * *")
    beat.turn()
    edit(crontab="10 12 * * *")
    beat.turn()
    edit(crontab="20 12 * * *")

    beat.run_until("2026-10-19T12:30")

    assert beat.sent() == ["10-19 12:20"]


def test_s22_what_staff_made_of_a_built_in_schedule_stays(app: Flask, clock: Clock) -> None:
    name = "get-all-ready-to-send-invoices"
    edit(name, every_seconds=600, description="ours")
    beat = Beat(app, clock)
    beat.turn()
    beat.restart()
    migrations.upgrade(database())
    beat.turn()

    assert (row(name).every_seconds, row(name).description) == (600, "ours")


def test_s23_a_pasted_crontab_is_read(beat: Beat) -> None:
    add("pasted", crontab="  0  23 * *\tMON ")
    add("daily", crontab="@daily")
    add("sunday", crontab="0 0 * * 7")
    add("last", crontab="0 0 L * *")

    assert row("pasted").next_slot_at == utc("2026-10-19T23:00")
    assert row("daily").next_slot_at == utc("2026-10-20T00:00")
    assert row("sunday").next_slot_at == utc("2026-10-25T00:00")
    assert row("last").next_slot_at == utc("2026-10-31T00:00")


@pytest.mark.parametrize(
    ("crontab", "field"),
    [("0 0 1 1 1 1", "expression"), ("60 * * * *", "minute"), ("0 0 31 2 *", "day of month")],
)
def test_s23_what_can_never_run_is_refused_by_field(beat: Beat, crontab: str, field: str) -> None:
    with pytest.raises(TimingError) as refused:
        add(crontab=crontab)

    assert refused.value.field == field


def test_jitter_moves_a_run_and_loses_none(beat: Beat) -> None:
    add(every_seconds=60, jitter_seconds=59)
    add("crontab", crontab="*/5 * * * *", jitter_seconds=900)

    beat.run_until("2026-10-19T13:00")

    assert in_state(RunState.MISSED) == in_state(RunState.MISSED, "crontab") == []
    assert len(in_state(RunState.SENT)) in {59, 60}
    late = [message.at.second for message in beat.broker.sent]
    assert len(set(late)) > 10
