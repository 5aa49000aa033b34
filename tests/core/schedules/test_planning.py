"""Slots: S01-S04, S07, S08, S14, S16, S17, S23 and S24 of the acceptance table."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from uuid import UUID

import pytest

from core.schedules.errors import TimingError
from core.schedules.planning import first_slot, jitter, next_slot, slots
from tests.core.schedules.support import STOCKHOLM, crontab, every, once, utc

FAR = utc("2999-01-01")


def after(timing_text: str, start: str, count: int, zone: str = STOCKHOLM) -> list[str]:
    """Return the next slots in UTC, as `10-26 22:00`."""
    found = slots(crontab(timing_text, zone), utc(start), FAR, count)
    return [f"{slot:%m-%d %H:%M}" for slot in found]


# The change of the clock: S01-S03


def test_a_weekly_run_keeps_its_local_time() -> None:
    autumn = after("0 23 * * 1", "2026-10-18T00:00", 3)
    spring = after("0 23 * * 1", "2027-03-16T00:00", 2)

    assert autumn == ["10-19 21:00", "10-26 22:00", "11-02 22:00"]
    assert spring == ["03-22 22:00", "03-29 21:00"]


def test_a_time_that_comes_twice_runs_the_first_time() -> None:
    assert after("30 2 * * *", "2026-10-24T10:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_planning_from_within_the_second_of_two_equal_hours_does_not_go_back() -> None:
    # 02:10 for the second time: the 02:30 that is still to come has had its run.
    assert after("30 2 * * *", "2026-10-25T01:10", 1) == ["10-26 01:30"]


def test_a_time_that_does_not_exist_runs_at_the_change() -> None:
    assert after("30 2 * * *", "2027-03-27T10:00", 2) == ["03-28 01:00", "03-29 00:30"]


def test_five_minutes_are_five_minutes_while_the_clock_changes() -> None:
    start, end = utc("2026-10-24T23:39"), utc("2026-10-25T06:02")
    found = slots(crontab("*/5 * * * *"), start, end, 1_000)

    assert len([slot for slot in found if slot > utc("2026-10-24T23:40")]) == 76
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=5)}


@pytest.mark.parametrize(
    ("begin", "end", "count"),
    [("2026-10-24T22:00", "2026-10-25T23:00", 25), ("2027-03-27T23:00", "2027-03-28T22:00", 23)],
)
def test_an_hourly_run_follows_real_time(begin: str, end: str, count: int) -> None:
    found = slots(crontab("30 * * * *"), utc(begin), utc(end), 100)

    assert len(found) == count
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


def test_a_wildcard_in_the_hour_that_comes_twice_runs_both_times() -> None:
    found = slots(crontab("*/15 2 * * *"), utc("2026-10-24T12:00"), utc("2026-10-25T12:00"), 100)

    assert len(found) == 8


def test_a_zone_whose_midnight_is_left_out_is_planned() -> None:
    found = after("0 0 * * 0", "2026-09-05T12:00", 2, "America/Santiago")

    assert found == ["09-06 04:00", "09-13 03:00"]


# Intervals, as in S04


def test_an_interval_sits_on_its_grid_wherever_it_is_planned_from() -> None:
    starts = [utc("2026-11-23T10:00:01"), utc("2026-11-23T10:04:59"), utc("2026-11-23T10:09:59")]

    assert {next_slot(every(600), start) for start in starts} == {utc("2026-11-23T10:10")}
    assert next_slot(every(600), utc("2026-11-23T10:10")) == utc("2026-11-23T10:20")


def test_an_offset_shifts_the_grid() -> None:
    assert next_slot(every(600, 90), utc("2026-11-23T10:00")) == utc("2026-11-23T10:01:30")


def test_a_daily_interval_planned_twice_a_day_runs_once_a_day() -> None:
    restarts = [utc("2026-11-23T09:00") + number * timedelta(hours=12) for number in range(10)]

    assert len({next_slot(every(86_400), restart) for restart in restarts}) == 5


# Switched on, edited: S07, S08


def test_a_timing_that_was_switched_on_has_its_next_slot_only() -> None:
    assert first_slot(crontab("0 * * * *"), utc("2026-11-23T14:20")) == utc("2026-11-23T15:00")


def test_a_time_that_was_moved_has_no_run_before_now() -> None:
    noon = utc("2026-11-23T12:00")

    assert first_slot(crontab("0 10 * * *", "UTC"), noon) == utc("2026-11-24T10:00")
    assert first_slot(crontab("0 13 * * *", "UTC"), noon) == utc("2026-11-23T13:00")
    assert first_slot(every(300), utc("2026-11-23T10:02")) == utc("2026-11-23T10:05")


# Once, as in S16


def test_once_has_one_slot() -> None:
    timing = once("2026-12-01T08:00")

    assert slots(timing, utc("2026-11-01"), FAR, 5) == [utc("2026-12-01T08:00")]
    assert next_slot(timing, utc("2026-12-01T08:00")) is None


@pytest.mark.parametrize("now", ["2026-12-01T08:00", "2026-12-02T00:00"])
def test_once_in_the_past_is_refused(now: str) -> None:
    with pytest.raises(TimingError, match="at: 2026-12-01 09:00 is past") as caught:
        first_slot(once("2026-12-01T08:00"), utc(now))

    assert caught.value.field == "at"


# Start and end: S17


def test_nothing_runs_before_the_start() -> None:
    timing = crontab("0 * * * *", "UTC", start_at=utc("2026-11-23T10:30"))

    assert next_slot(timing, utc("2026-11-23T08:00")) == utc("2026-11-23T11:00")


def test_a_slot_at_the_start_counts() -> None:
    timing = crontab("0 * * * *", "UTC", start_at=utc("2026-11-23T11:00"))

    assert next_slot(timing, utc("2026-11-23T08:00")) == utc("2026-11-23T11:00")


def test_a_start_that_is_past_changes_nothing() -> None:
    timing = crontab("0 5 * * *", "UTC", start_at=utc("2026-11-01"))

    assert first_slot(timing, utc("2026-11-23T08:30")) == utc("2026-11-24T05:00")


def test_nothing_runs_after_the_end() -> None:
    timing = crontab("0 * * * *", "UTC", end_at=utc("2026-11-23T09:00"))

    assert next_slot(timing, utc("2026-11-23T08:00")) == utc("2026-11-23T09:00")
    assert next_slot(timing, utc("2026-11-23T09:00")) is None


# The clock is set: S14


def test_a_clock_that_was_set_back_gives_no_slot_again() -> None:
    served = utc("2026-11-23T12:00")

    assert slots(crontab("0 * * * *"), served, utc("2026-11-23T10:00"), 10) == []


# What expressions mean: S23, S24


def test_the_last_day_of_the_month() -> None:
    assert after("0 0 L * *", "2026-11-02T00:00", 1, "UTC") == ["11-30 00:00"]


@pytest.mark.parametrize("sunday", ["0", "7", "SUN"])
def test_sunday_has_three_names(sunday: str) -> None:
    assert after(f"0 23 * * {sunday}", "2026-11-23T00:00", 1, "UTC") == ["11-29 23:00"]


def test_two_day_fields_widen_each_other() -> None:
    found = slots(crontab("0 0 13 * 5", "UTC"), utc("2026-10-31T23:00"), utc("2026-12-31"), 100)

    assert [f"{slot:%m-%d}" for slot in found] == [
        *("11-06", "11-13", "11-20", "11-27"),
        *("12-04", "12-11", "12-13", "12-18", "12-25"),
    ]


# Bounds


def test_slots_are_after_the_first_bound_up_to_the_second_and_no_more_than_asked_for() -> None:
    begin, end = utc("2026-11-23T10:00"), utc("2026-11-23T10:03")

    assert slots(every(60), begin, end, 10) == [begin + timedelta(minutes=n) for n in (1, 2, 3)]
    assert slots(every(60), begin, end, 2) == [begin + timedelta(minutes=n) for n in (1, 2)]


def test_moments_of_any_zone_go_in_and_utc_comes_out() -> None:
    start = datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=5)))

    for timing in (every(600), crontab("*/10 * * * *"), crontab("*/10 * * * *", "UTC")):
        slot = next_slot(timing, start)
        assert slot == utc("2026-11-23T07:10")
        assert slot.tzinfo is UTC


@pytest.mark.parametrize("timing", [every(60), crontab("* * * * *")])
def test_planning_ends_with_the_calendar(timing: object) -> None:
    assert next_slot(timing, datetime.max.replace(tzinfo=UTC)) is None  # type: ignore[arg-type]
    assert next_slot(timing, datetime.min.replace(tzinfo=UTC)) == utc("1970-01-01")  # type: ignore[arg-type]


# Jitter


def test_jitter_is_the_same_wherever_it_is_asked_for() -> None:
    schedule_id, slot = UUID(int=7), utc("2026-11-23T10:00")
    elsewhere = slot.astimezone(timezone(timedelta(hours=2)))

    assert jitter(schedule_id, slot, 300) == jitter(str(schedule_id), elsewhere, 300)


def test_jitter_spreads_schedules_and_slots_over_the_whole_time() -> None:
    slot = utc("2026-11-23T10:00")
    waits = [jitter(number, slot + timedelta(hours=number), 300) for number in range(200)]

    assert all(timedelta(0) <= wait < timedelta(seconds=300) for wait in waits)
    assert max(waits) - min(waits) > timedelta(seconds=250)
    assert jitter(1, slot, 0) == timedelta(0)
