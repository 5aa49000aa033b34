"""Clocks that differ are warned of at the start and once an hour."""

from datetime import timedelta

import pytest

from core import clock_watch
from core.clock import utcnow
from core.clock_watch import ClockWatch


def warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum("clock" in message for message in caplog.messages)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_ten_minutes_off_is_warned_of_once_an_hour(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, minutes: int
) -> None:
    """G18."""
    now = 1000.0
    monkeypatch.setattr(clock_watch, "monotonic", lambda: now)
    watch = ClockWatch()

    for _ in range(3):
        watch.compare(utcnow() + timedelta(minutes=minutes))
    at_the_start = warnings(caplog)
    now += 3601
    watch.compare(utcnow() + timedelta(minutes=minutes))

    assert (at_the_start, warnings(caplog)) == (1, 2)


def test_clocks_that_agree_are_not_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    ClockWatch().compare(utcnow() + timedelta(seconds=5))

    assert warnings(caplog) == 0
