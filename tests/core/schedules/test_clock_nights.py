"""Nights in which the clock changes, minute by minute, without cronsim's view of time zones."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.schedules.clock_changes import ClockChange, clock_changes
from core.schedules.crontab import Crontab, parse
from core.schedules.planning import slots
from core.schedules.timing import Kind, Timing

# Ordinary, at midnight in either direction, by half an hour, by two hours, for Ramadan.
ZONES = [
    *("Europe/Stockholm", "America/New_York", "America/Santiago", "Asia/Beirut"),
    *("America/Havana", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca"),
]
MINUTE = timedelta(minutes=1)
AROUND = timedelta(hours=8)

minutes = st.sampled_from(["*", "*/15", "*/7", "30", "0,30", "5-50/15"])
hours = st.sampled_from(["*", "*/2", "0", "1", "2", "0,1", "1-3", "23", "0-23"])
weekdays = st.sampled_from(["*", "0", "1", "6"])


def changes(zone: str) -> list[ClockChange]:
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    return list(clock_changes(ZoneInfo(zone), begin, end))


def expected(crontab: Crontab, change: ClockChange) -> Iterator[datetime]:
    """Look at each minute: does the local time fit, and has a fixed time had its run?"""
    minute, hour, *_ = crontab.fields
    is_fixed = "*" not in (minute[0], hour[0])
    a_day = timedelta(days=1)
    named = set(crontab.wall_times(change.begin - a_day, change.end + a_day))
    is_due_at_change = (
        is_fixed and change.is_gap and any(change.begin <= time < change.end for time in named)
    )
    seen, at = set(), change.at - AROUND
    while at < change.at + AROUND:
        at += MINUTE
        local = at.astimezone(crontab.zone).replace(tzinfo=None)
        is_first = local not in seen
        seen.add(local)
        if (local in named and (is_first or not is_fixed)) or (
            is_due_at_change and at == change.at
        ):
            yield at


@pytest.mark.parametrize("zone", ZONES)
@settings(deadline=None, max_examples=20)
@given(minute=minutes, hour=hours, weekday=weekdays)
def test_no_run_is_lost_or_doubled_while_the_clock_changes(
    zone: str, minute: str, hour: str, weekday: str
) -> None:
    crontab = parse(f"{minute} {hour} * * {weekday}", ZoneInfo(zone))
    timing = Timing(kind=Kind.CRONTAB, crontab=crontab, zone=crontab.zone)
    for change in changes(zone):
        found = slots(timing, change.at - AROUND, change.at + AROUND, 10_000)
        assert found == list(expected(crontab, change))
