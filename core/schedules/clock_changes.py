"""Where a time zone changes its clock: in spring an hour is left out, in autumn one comes twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_STEP = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """One change: the moment (UTC), and the naive local times around it.

    The local times from `begin` to before `end` are left out, or come twice.
    """

    at: datetime
    begin: datetime
    end: datetime
    is_gap: bool


def clock_changes(zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[ClockChange]:
    """Yield the changes after `since` up to and with `until`; two within a day are not seen."""
    low = since
    while low < until:
        high = min(low + _STEP, until)
        if _offset(zone, low) != _offset(zone, high):
            yield _change(zone, low, high)
        low = high


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> ClockChange:
    """Halve the stretch until the change is known to the second."""
    before, after = _offset(zone, low), _offset(zone, high)
    low = low.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + ((high - low) // 2 // _SECOND or 1) * _SECOND
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    naive = high.replace(tzinfo=None)
    begin, end = sorted((naive + before, naive + after))
    return ClockChange(high, begin, end, is_gap=after > before)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)
