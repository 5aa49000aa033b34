"""Which slots a timing has, and which of those that are due are still run. No database here.

A slot is the moment at which a schedule is due. All moments go in aware and come out in UTC.
"""

import hashlib
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count, islice, takewhile

from core.schedules.errors import TimingError
from core.schedules.timing import FIRST_DAY, LAST_DAY, Kind, Timing

# A slot that is taken up later than this is called late: a catch-up, which a policy may drop.
GRACE = timedelta(seconds=60)
DEFAULT_WINDOW = timedelta(hours=1)
# Of one outage no more than these are run, the newest, and no more than these are counted.
MOST_RUNS = 500
MOST_COUNTED = 10_000
_INSTANT = datetime.resolution
# The last is longer than anything can have been away.
_LOOKS_BACK = tuple(timedelta(hours=hours) for hours in (1, 24, 32 * 24, 366 * 24, 36_525 * 24))


class Catchup(StrEnum):
    """What becomes of slots that passed while nobody looked."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do about the slots that are due.

    `run` has the slots to run, oldest first; `missed_count` says how many others passed, and
    `last_missed` is the newest of those. It counts no further than MOST_COUNTED. `next_slot`
    is the first one after now. A slot before `late_before` is late: its run is a catch-up.
    """

    run: tuple[datetime, ...]
    missed_count: int
    last_missed: datetime | None
    next_slot: datetime | None
    late_before: datetime

    def is_catchup(self, slot: datetime) -> bool:
        """Tell whether a run of `slot` now would be late."""
        return slot < self.late_before


def next_slot(timing: Timing, after: datetime, taken: Container[datetime] = ()) -> datetime | None:
    """Return the first slot strictly after `after` that is not `taken`; None: there is none."""
    return next((slot for slot in _upcoming(timing, after) if slot not in taken), None)


def slots(timing: Timing, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """List the slots after `after` up to and with `until`, oldest first, at most `limit`."""
    return list(islice(_between(timing, after, until), limit))


def first_slot(timing: Timing, now: datetime) -> datetime | None:
    """Return the next slot of a timing that was just saved or switched on: never one before now.

    Raises:
        TimingError: it runs once, and that is past.
    """
    if timing.kind is Kind.ONCE and timing.at and timing.at <= now:
        raise TimingError("at", f"{timing.at.astimezone(timing.zone):%Y-%m-%d %H:%M} is past")
    return next_slot(timing, now)


def jitter(schedule_id: object, slot: datetime, seconds: int) -> timedelta:
    """Return how long after `slot` it is run: from 0 to before `seconds`, in milliseconds.

    The same for the same schedule and slot on every host and after every restart.
    """
    if seconds <= 0:
        return timedelta(0)
    text = f"{schedule_id}/{slot.astimezone(UTC).isoformat()}"
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    return timedelta(milliseconds=number % (seconds * 1_000))


def missed(
    timing: Timing, after: datetime, now: datetime, policy: Catchup, window: timedelta
) -> Plan:
    """Decide on the slots after `after` (the last that was dealt with) up to `now`.

    A row that keeps its next slot passes the instant before: `next_slot - datetime.resolution`.
    `skip` runs the newest slot if it is not late, `latest` the newest if it is no older than
    `window`, `all` every one that is no older. Jitter is added to the age that is allowed.
    """
    spread = timedelta(seconds=timing.jitter_seconds)
    late_before = now - GRACE - spread
    oldest = late_before if policy is Catchup.SKIP else min(now - window - spread, late_before)
    most = MOST_RUNS if policy is Catchup.ALL else 1
    run = tuple(_newest(timing, max(after, oldest - _INSTANT), now, most))
    before_run = run[0] - _INSTANT if run else now
    return Plan(
        run=run,
        missed_count=_count(timing, after, before_run),
        last_missed=next(iter(_newest(timing, after, before_run, 1)), None),
        next_slot=next_slot(timing, now),
        late_before=late_before,
    )


def _upcoming(timing: Timing, after: datetime) -> Iterator[datetime]:
    begin, end = _bounds(timing, after, LAST_DAY)
    if begin < end:
        yield from takewhile(lambda slot: slot <= end, _grid(timing, begin))


def _between(timing: Timing, after: datetime, until: datetime) -> Iterator[datetime]:
    return takewhile(lambda slot: slot <= until, _upcoming(timing, after))


def _bounds(timing: Timing, after: datetime, until: datetime) -> tuple[datetime, datetime]:
    """Narrow a stretch of time (without its begin, with its end) to where slots can be."""
    begin = max(after, (timing.start_at or FIRST_DAY) - _INSTANT)
    return begin, min(until, timing.end_at or LAST_DAY)


def _grid(timing: Timing, after: datetime) -> Iterator[datetime]:
    """Yield the slots after `after` as if there were no start and no end."""
    if timing.kind is Kind.INTERVAL:
        begin, every = _interval(timing)
        return (begin + number * every for number in count((after - begin) // every + 1))
    if timing.crontab:
        return timing.crontab.after(after)
    return (at.astimezone(UTC) for at in [timing.at] if at and at > after)


def _interval(timing: Timing) -> tuple[datetime, timedelta]:
    """Return one slot of the interval's grid, and the step from one to the next."""
    begin = FIRST_DAY + timedelta(seconds=timing.offset_seconds)
    return begin, timedelta(seconds=timing.every_seconds or 0)


def _newest(timing: Timing, after: datetime, until: datetime, most: int) -> list[datetime]:
    """List the last slots after `after` up to and with `until`, oldest first, at most `most`.

    Looks back further and further, as a long outage of a frequent schedule has very many slots.
    """
    found: deque[datetime] = deque(maxlen=most)
    for back in _LOOKS_BACK:
        begin = max(after, until - back)
        found = deque(_between(timing, begin, until), maxlen=most)
        if len(found) == most or begin == after:
            return list(found)
    return list(found)


def _count(timing: Timing, after: datetime, until: datetime) -> int:
    """Count the slots after `after` up to and with `until`, but no further than MOST_COUNTED."""
    if timing.kind is not Kind.INTERVAL:
        return sum(1 for _ in islice(_between(timing, after, until), MOST_COUNTED))
    begin, end = _bounds(timing, after, until)
    first, every = _interval(timing)
    slot_count = (end - first) // every - (begin - first) // every
    return max(0, min(slot_count, MOST_COUNTED))
