"""Short ways to write timings and moments in the tests of the schedule."""

from datetime import UTC, datetime

from core.schedules.timing import Timing, read_timing

STOCKHOLM = "Europe/Stockholm"


def utc(text: str) -> datetime:
    """Read `2026-10-19T21:00` as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def crontab(
    expression: str,
    zone: str = STOCKHOLM,
    *,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
) -> Timing:
    """Make a timing of an expression."""
    return read_timing(
        kind="crontab", crontab=expression, zone=zone, start_at=start_at, end_at=end_at
    )


def every(seconds: int, offset_seconds: int = 0, jitter_seconds: int = 0) -> Timing:
    """Make a timing of an interval."""
    return read_timing(
        kind="interval",
        every_seconds=seconds,
        offset_seconds=offset_seconds,
        jitter_seconds=jitter_seconds,
    )


def once(at: str, zone: str = STOCKHOLM) -> Timing:
    """Make a timing of one moment, given in UTC."""
    return read_timing(kind="once", at=utc(at), zone=zone)
