"""What people are shown before they save a timing: the next runs, and what a change moves."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import rfc3339
from core.schedules.planning import next_slot, slots
from core.schedules.timing import LAST_DAY, Timing
from core.schedules.words import describe, warnings

_A_WEEK = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the same moment in UTC and in the zone of the timing."""

    utc: datetime
    local: datetime

    def to_json(self) -> dict[str, str]:
        """Return both as RFC 3339, the local one with its offset."""
        return {"utc": rfc3339(self.utc), "local": self.local.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A timing as people read it: in words, its next runs, and what may surprise."""

    description: str
    runs: tuple[Run, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return what `schedule preview --json` prints."""
        return {
            "description": self.description,
            "runs": [run.to_json() for run in self.runs],
            "warnings": list(self.warnings),
        }


def preview(timing: Timing, *, start: datetime, count: int = 5) -> Preview:
    """Show a timing with its next `count` runs after `start`."""
    found = slots(timing, start, LAST_DAY, count)
    return Preview(
        description=describe(timing),
        runs=tuple(Run(slot, slot.astimezone(timing.zone)) for slot in found),
        warnings=tuple(warnings(timing, start)),
    )


def difference(old: Timing, new: Timing, now: datetime) -> str:
    """Say what saving `new` in place of `old` does to the next run.

    Such as `next run moves from Mon 23:00 to Tue 06:30; nothing runs now`.
    """
    return moved(next_slot(old, now), next_slot(new, now), old, new, now)


def moved(
    before: datetime | None, after: datetime | None, old: Timing, new: Timing, now: datetime
) -> str:
    """Say how the next run moves from `before`, a slot of `old`, to `after`, one of `new`."""
    is_zone_needed = old.zone.key != new.zone.key
    was, will = (
        _moment(slot, timing, now, is_zone_needed=is_zone_needed)
        for slot, timing in ((before, old), (after, new))
    )
    if after is None:
        return f"no run is left; the next was {was}" if before else "no run is left, as before"
    if before is None:
        return f"next run is {will}; there was none; nothing runs now"
    if before == after:
        return f"next run stays {will}; nothing runs now"
    return f"next run moves from {was} to {will}; nothing runs now"


def _moment(slot: datetime | None, timing: Timing, now: datetime, *, is_zone_needed: bool) -> str:
    """Write a slot as local time, with its date when the weekday alone is not plain."""
    if slot is None:
        return ""
    local = slot.astimezone(timing.zone)
    date = "%a" if slot - now < _A_WEEK else "%a %Y-%m-%d"
    text = local.strftime(f"{date} {'%H:%M:%S' if local.second else '%H:%M'}")
    return f"{text} {timing.zone.key}" if is_zone_needed else text
