"""What becomes of slots that passed while nobody looked: S05, S09, S14 and S16."""

from datetime import datetime, timedelta

import pytest

from core.schedules.planning import MOST_COUNTED, MOST_RUNS, Catchup, missed
from core.schedules.timing import read_timing
from tests.core.schedules.support import crontab, every, once, utc

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = crontab("0 * * * *")
DOWN, UP = utc("2026-11-23T10:05"), utc("2026-11-23T14:20")


def at(hour: int, minute: int = 0) -> datetime:
    return utc(f"2026-11-23T{hour:02}:{minute:02}")


# S09: down 10:05-14:20, hourly


def test_latest_runs_the_newest_slot_within_the_window() -> None:
    plan = missed(HOURLY, DOWN, UP, Catchup.LATEST, HOUR)

    assert plan.run == (at(14),)
    assert (plan.missed_count, plan.last_missed) == (3, at(13))
    assert plan.next_slot == at(15)
    assert plan.is_catchup(at(14))


def test_latest_runs_nothing_when_the_newest_is_older_than_the_window() -> None:
    plan = missed(HOURLY, DOWN, UP, Catchup.LATEST, timedelta(minutes=10))

    assert plan.run == ()
    assert (plan.missed_count, plan.last_missed) == (4, at(14))


def test_all_runs_every_slot_within_the_window() -> None:
    plan = missed(HOURLY, DOWN, UP, Catchup.ALL, DAY)

    assert plan.run == (at(11), at(12), at(13), at(14))
    assert (plan.missed_count, plan.last_missed) == (0, None)


def test_all_leaves_what_is_older_than_the_window() -> None:
    plan = missed(HOURLY, DOWN, UP, Catchup.ALL, timedelta(hours=2))

    assert plan.run == (at(13), at(14))
    assert (plan.missed_count, plan.last_missed) == (2, at(12))


def test_skip_runs_nothing_that_is_late() -> None:
    plan = missed(HOURLY, DOWN, UP, Catchup.SKIP, HOUR)

    assert plan.run == ()
    assert plan.missed_count == 4


# On time


@pytest.mark.parametrize("policy", Catchup)
@pytest.mark.parametrize("window", [timedelta(0), HOUR])
def test_a_slot_that_is_on_time_runs_under_every_policy(policy: Catchup, window: timedelta) -> None:
    plan = missed(HOURLY, at(13), at(14) + timedelta(seconds=60), policy, window)

    assert plan.run == (at(14),)
    assert plan.missed_count == 0
    assert not plan.is_catchup(at(14))


def test_skip_runs_the_slot_of_now_after_an_outage() -> None:
    plan = missed(HOURLY, DOWN, at(14), Catchup.SKIP, HOUR)

    assert plan.run == (at(14),)
    assert plan.missed_count == 3


def test_a_frequent_interval_is_not_run_twice_for_one_delay() -> None:
    plan = missed(every(5), at(14), at(14) + timedelta(seconds=13), Catchup.LATEST, HOUR)

    assert plan.run == (at(14) + timedelta(seconds=10),)
    assert plan.missed_count == 1


def test_a_row_that_keeps_its_next_slot_passes_the_instant_before() -> None:
    plan = missed(HOURLY, at(14) - datetime.resolution, at(14), Catchup.LATEST, HOUR)

    assert plan.run == (at(14),)


def test_jitter_adds_to_the_age_that_is_allowed() -> None:
    timing = read_timing(kind="crontab", crontab="0 * * * *", jitter_seconds=1_800)
    plan = missed(timing, at(13), at(14, 30), Catchup.SKIP, HOUR)

    assert plan.run == (at(14),)
    assert not plan.is_catchup(at(14))


# S05, S14, S16


def test_a_first_weekly_slot_during_an_outage_is_run_late() -> None:
    weekly = crontab("0 23 * * 1")
    plan = missed(weekly, utc("2026-11-23T21:58"), utc("2026-11-23T22:12"), Catchup.LATEST, DAY)

    assert plan.run == (utc("2026-11-23T22:00"),)
    assert plan.is_catchup(plan.run[0])
    assert plan.next_slot == utc("2026-11-30T22:00")


def test_a_clock_set_back_two_hours_repeats_nothing() -> None:
    plan = missed(HOURLY, at(14), at(12, 1), Catchup.ALL, DAY)

    assert plan.run == ()
    assert plan.missed_count == 0


def test_a_clock_set_on_two_hours_gives_one_catch_up() -> None:
    plan = missed(
        HOURLY,
        at(12),
        at(
            14,
            1,
        )
        + timedelta(seconds=30),
        Catchup.LATEST,
        HOUR,
    )

    assert plan.run == (at(14),)
    assert plan.missed_count == 1


@pytest.mark.parametrize(("minutes", "runs"), [(30, 1), (61, 0)])
def test_once_during_an_outage_is_run_within_the_window(minutes: int, runs: int) -> None:
    now = at(9) + timedelta(minutes=minutes)
    plan = missed(once("2026-11-23T09:00"), at(8), now, Catchup.LATEST, HOUR)

    assert len(plan.run) == runs
    assert plan.missed_count == 1 - runs
    assert plan.next_slot is None


# Bounds


@pytest.mark.parametrize("timing", [every(1), crontab("* * * * *")])
def test_a_long_outage_is_neither_run_nor_counted_without_end(timing: object) -> None:
    began = UP - timedelta(days=400)
    plan = missed(timing, began, UP, Catchup.ALL, timedelta(days=31))  # type: ignore[arg-type]

    assert len(plan.run) == MOST_RUNS
    assert plan.run[-1] == UP
    assert plan.missed_count == MOST_COUNTED
    assert plan.last_missed is not None
    assert plan.run[0] - plan.last_missed == plan.run[1] - plan.run[0]


def test_a_yearly_slot_of_long_ago_is_found() -> None:
    yearly = crontab("@yearly", "UTC")
    plan = missed(yearly, utc("2023-06-01"), UP, Catchup.LATEST, HOUR)

    assert plan.run == ()
    assert (plan.missed_count, plan.last_missed) == (3, utc("2026-01-01"))


def test_what_is_before_the_start_or_after_the_end_was_not_missed() -> None:
    timing = read_timing(kind="interval", every_seconds=3_600, start_at=at(12), end_at=at(13))
    plan = missed(timing, DOWN, UP, Catchup.ALL, DAY)

    assert plan.run == (at(12), at(13))
    assert missed(timing, DOWN, UP, Catchup.SKIP, DAY).missed_count == 2
    assert plan.next_slot is None
