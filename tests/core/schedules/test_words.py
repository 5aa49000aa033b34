from zoneinfo import ZoneInfo

import pytest

from core.schedules.clock_changes import clock_changes
from core.schedules.timing import read_timing
from core.schedules.words import describe, warnings
from tests.core.schedules.support import crontab, every, once, utc

NOW = utc("2026-10-01T10:00")
YEAR_ON = utc("2027-10-01T10:00")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 23 * * 1", "Mondays at 23:00"),
        ("0 23 * * 7", "Sundays at 23:00"),
        ("30 6,18 * * mon-fri", "Mondays to Fridays at 06:30 and 18:30"),
        ("0 9 * * tue,thu,sat-7", "Tuesdays, Thursdays and Saturdays to Sundays at 09:00"),
        ("@daily", "every day at 00:00"),
        ("0,30 9,8 * * *", "every day at 08:00, 08:30, 09:00 and 09:30"),
        ("*/5 * * * *", "every 5 minutes"),
        ("* * * * *", "every minute"),
        ("*/60 * * * *", "at the start of every hour"),
        ("@hourly", "at the start of every hour"),
        ("*/40 * * * *", "at minutes 0 and 40 of every hour"),
        ("0 6 21 * *", "at 06:00 on the 21st day of every month"),
        ("0 6 11,22,23,31 * *", "at 06:00 on the 11th, the 22nd, the 23rd, and the 31st day"),
        ("0 0 L * *", "at 00:00 on the last day of every month"),
        ("0 12 * * fri#2", "at 12:00 on the second Friday of the month"),
        ("0 12 * * 5L", "at 12:00 on the last Friday of the month"),
        ("*/7 * * * *", "every seventh minute of every hour"),
        ("0 */12 * * *", "at minute 0 past every 12th hour"),
        ("0 */18 * * *", "at 00:00 and 18:00 every day"),
        ("0 12 1 1 *", "at 12:00 on January 1"),
        ("0 12 * * */2", "at 12:00 on every second day of week"),
    ],
)
def test_a_crontab_is_described_with_its_zone(expression: str, words: str) -> None:
    text = describe(crontab(expression))

    assert text.startswith(words)
    assert text.endswith(", Europe/Stockholm")


@pytest.mark.parametrize(
    ("seconds", "offset", "words"),
    [
        (1, 0, "every second"),
        (300, 0, "every 5 minutes"),
        (3_600, 0, "every hour"),
        (5_400, 0, "every 1 hour and 30 minutes"),
        (90_061, 0, "every 1 day, 1 hour, 1 minute and 1 second"),
        (86_400, 7_200, "every day, shifted by 2 hours"),
    ],
)
def test_an_interval_is_described(seconds: int, offset: int, words: str) -> None:
    assert describe(every(seconds, offset)) == words


def test_once_is_described_in_local_time() -> None:
    assert describe(once("2026-12-01T08:00")) == "once on 2026-12-01 at 09:00, Europe/Stockholm"
    assert describe(once("2026-12-01T08:00:30", "UTC")) == "once on 2026-12-01 at 08:00:30, UTC"


def test_start_and_end_are_part_of_the_description() -> None:
    timing = read_timing(
        kind="interval",
        every_seconds=60,
        zone="Europe/Stockholm",
        start_at=utc("2026-12-01T08:00"),
        end_at=utc("2026-12-02T08:00"),
    )

    assert describe(timing) == (
        "every minute, not before 2026-12-01 09:00, not after 2026-12-02 09:00, Europe/Stockholm"
    )


# Warnings


@pytest.mark.parametrize(
    "timing",
    [
        crontab("0 23 * * 1"),
        crontab("*/5 * * * *"),
        crontab("30 * * * *"),
        crontab("30 2 * * *", "UTC"),
        every(60),
        once("2026-12-01T08:00"),
    ],
)
def test_an_ordinary_timing_has_no_warnings(timing: object) -> None:
    assert warnings(timing, NOW) == []  # type: ignore[arg-type]


def test_two_day_fields_are_warned_of() -> None:
    [warning] = warnings(crontab("0 0 13 * 5"), NOW)

    assert "day of month (13) and day of week (5) are both set" in warning
    assert "fit either, OR not AND" in warning
    assert "MON#1" in warning


def test_two_day_fields_of_which_one_has_a_star_are_warned_of() -> None:
    [warning] = warnings(crontab("0 12 */2 * 1"), NOW)

    assert "only on days that fit both" in warning


@pytest.mark.parametrize(
    ("expression", "notes"),
    [
        (
            "30 2 * * *",
            [
                "2026-10-25: 02:30 comes twice, runs the first time only, at 02:30 (+02:00)",
                "2027-03-28: 02:30 does not exist, runs at 03:00 (+02:00)",
            ],
        ),
        (
            "*/15 2 * * *",
            [
                "2026-10-25: 02:00, 02:15, 02:30 and 02:45 come twice, runs both times",
                "2027-03-28: 02:00, 02:15, 02:30 and 02:45 do not exist, nothing runs instead",
            ],
        ),
        (
            "0 1,2,3 * * *",
            [
                "2026-10-25: 02:00 comes twice, runs the first time only, at 02:00 (+02:00)",
                "2027-03-28: 02:00 does not exist, the next run is at 03:00 (+02:00)",
            ],
        ),
        (
            "* 2 * * *",
            [
                "2026-10-25: 60 times from 02:00 to 02:59 come twice, runs both times",
                "2027-03-28: 60 times from 02:00 to 02:59 do not exist, nothing runs instead",
            ],
        ),
        ("30 2 * 3 *", ["2027-03-28: 02:30 does not exist, runs at 03:00 (+02:00)"]),
    ],
)
def test_times_that_a_change_of_the_clock_touches_are_warned_of(
    expression: str, notes: list[str]
) -> None:
    assert warnings(crontab(expression), NOW) == notes


def test_changes_of_the_clock_outside_start_and_end_are_left_out() -> None:
    timing = crontab("30 2 * * *", start_at=utc("2026-12-01"), end_at=utc("2027-02-01"))

    assert warnings(timing, NOW) == []


def test_steps_that_do_not_come_out_even_are_warned_of() -> None:
    assert warnings(crontab("*/40 */7 * * *", "UTC"), NOW) == [
        "minute: */40 starts anew at 0 and means 0 and 40",
        "hour: */7 starts anew at 0 and means 0, 7, 14 and 21",
    ]
    assert warnings(crontab("*/90 * * * *", "UTC"), NOW) == [
        "minute: */90 starts anew at 0 and means 0"
    ]
    assert warnings(crontab("*/7 * * * *", "UTC"), NOW) == [
        "minute: */7 starts anew at 0 and means 0, 7, … and 56"
    ]


def test_runs_within_a_minute_are_warned_of() -> None:
    assert warnings(every(5), NOW) == ["every 5 seconds is very often: 17,280 runs a day"]


def test_a_timing_without_a_run_left_is_warned_of() -> None:
    assert warnings(once("2026-09-30T08:00"), NOW) == ["nothing runs after 2026-10-01 12:00"]


# Changes of the clock


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ("UTC", []),
        ("Asia/Tokyo", []),
        ("Europe/Stockholm", ["10-25 02:00-03:00 twice", "03-28 02:00-03:00 never"]),
        ("America/Santiago", ["04-03 23:00-00:00 twice", "09-05 00:00-01:00 never"]),
        ("Australia/Lord_Howe", ["10-04 02:00-02:30 never", "04-04 01:30-02:00 twice"]),
    ],
)
def test_the_changes_of_a_year_are_found_to_the_second(zone: str, changes: list[str]) -> None:
    found = [
        f"{change.begin:%m-%d %H:%M}-{change.end:%H:%M} {'never' if change.is_gap else 'twice'}"
        for change in clock_changes(ZoneInfo(zone), NOW, YEAR_ON)
    ]

    assert found == changes
