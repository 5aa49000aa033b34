"""A timing in plain words, and what staff should know before they save it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from core.schedules.clock_changes import ClockChange, clock_changes
from core.schedules.crontab import FIELDS, MINUTE, WEEKDAY, Crontab, Field
from core.schedules.planning import next_slot
from core.schedules.timing import Kind, Timing

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_A_DAY = 86_400
_MINUTE_SECONDS = 60
_A_MINUTE = timedelta(minutes=1)
_YEAR = timedelta(days=366)
_INSTANT = datetime.resolution
_MOST_TIMES = 4
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NUMBERS = re.compile(r"[0-9]+(,[0-9]+)*")
_STEP = re.compile(r"\*/([0-9]+)")
_DAY_TERM = re.compile(r"(?P<first>[0-9A-Z]+)(?:-(?P<last>[0-9A-Z]+))?")
# cronsim writes 21th, 22th, 23th and 31th.
_WRONG_ORDINAL = re.compile(r"\b([2-5])([123])th\b")
_ORDINAL_ENDS = {"1": "st", "2": "nd", "3": "rd"}


def describe(timing: Timing) -> str:
    """Say when a timing is due, such as `Mondays at 23:00, Europe/Stockholm`."""
    text = _when(timing)
    if timing.start_at:
        text += f", not before {_local(timing.start_at, timing.zone)}"
    if timing.end_at:
        text += f", not after {_local(timing.end_at, timing.zone)}"
    is_zone_needed = timing.kind is not Kind.INTERVAL or timing.start_at or timing.end_at
    return f"{text}, {timing.zone.key}" if is_zone_needed else text


def warnings(timing: Timing, now: datetime) -> list[str]:
    """List what may surprise: both day fields, odd steps, changes of the clock within a year."""
    notes = []
    if timing.crontab:
        notes += [*_day_notes(timing.crontab), *_step_notes(timing.crontab)]
        notes += _clock_notes(timing, timing.crontab, now)
    elif timing.every_seconds and timing.every_seconds < _MINUTE_SECONDS:
        runs = f"{_A_DAY // timing.every_seconds:,}"
        notes.append(f"{_when(timing)} is very often: {runs} runs a day")
    if next_slot(timing, now) is None:
        notes.append(f"nothing runs after {_local(now, timing.zone)}")
    return notes


def joined(words: Sequence[str]) -> str:
    """Write a list as in a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


# Describing


def _when(timing: Timing) -> str:
    if timing.kind is Kind.INTERVAL:
        return _interval(timing.every_seconds or 0, timing.offset_seconds)
    if timing.crontab:
        return _crontab(timing.crontab)
    return f"once on {_once(timing)}"


def _once(timing: Timing) -> str:
    local = timing.at and timing.at.astimezone(timing.zone)
    return f"{local:%Y-%m-%d at %H:%M:%S}".removesuffix(":00")


def _interval(every_seconds: int, offset_seconds: int) -> str:
    shift = f", shifted by {_duration(offset_seconds)}" if offset_seconds else ""
    length = _duration(every_seconds)
    # Every minute, not every 1 minute.
    return f"every {length.removeprefix('1 ') if ' and ' not in length else length}{shift}"


def _duration(seconds: int) -> str:
    parts = []
    for name, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}" + ("s" if count > 1 else ""))
    return joined(parts)


def _crontab(crontab: Crontab) -> str:
    minute, hour, day, month, weekday = crontab.fields
    rest = (hour, day, month, weekday)
    if rest == ("*", "*", "*", "*") and (length := _even_step(minute)):
        return _interval(length * _MINUTE_SECONDS, 0)
    days = _weekdays(weekday) if (day, month) == ("*", "*") else ""
    times = _times(minute, hour)
    if days and times:
        return f"{days} at {times}"
    return _explained(crontab)


def _even_step(minute: str) -> int:
    """Return the minutes between the runs of `*` or `*/n`, or 0 when they are not all alike."""
    if minute == "*":
        return 1
    step = _STEP.fullmatch(minute)
    return int(step[1]) if step and not _uneven_values(MINUTE, minute) else 0


def _times(minute: str, hour: str) -> str:
    """Return `06:00 and 18:00` for plain numbers, but for no more than a few; else nothing."""
    if not _NUMBERS.fullmatch(minute) or not _NUMBERS.fullmatch(hour):
        return ""
    hours, minutes = ({int(number) for number in part.split(",")} for part in (hour, minute))
    times = [f"{one:02}:{other:02}" for one in sorted(hours) for other in sorted(minutes)]
    return joined(times) if len(times) <= _MOST_TIMES else ""


def _weekdays(field: str) -> str:
    """Return `Mondays`, `Mondays to Fridays` or `every day`; nothing for what is less plain."""
    if field == "*":
        return "every day"
    days = []
    for term in field.split(","):
        match = _DAY_TERM.fullmatch(term)
        if not match or term.endswith("L"):
            return ""
        names = [f"{_DAYS[WEEKDAY.number(part)]}s" for part in match.groups() if part]
        days.append(" to ".join(names))
    return joined(days)


def _explained(crontab: Crontab) -> str:
    """Return cronsim's words, with steps that do not come out even as the numbers they mean."""
    parts = list(crontab.fields)
    for index, field in enumerate(FIELDS[:2]):
        values = _uneven_values(field, parts[index])
        if 0 < len(values) <= _MOST_TIMES:
            parts[index] = ",".join(values)
    text = replace(crontab, text=" ".join(parts)).explain()
    text = _WRONG_ORDINAL.sub(lambda match: match[1] + match[2] + _ORDINAL_ENDS[match[2]], text)
    return text[0].lower() + text[1:]


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


# Warning


def _day_notes(crontab: Crontab) -> Iterator[str]:
    """Explain two day fields: here they widen each other, in other crons they narrow."""
    day, weekday = crontab.fields[2], crontab.fields[4]
    if "*" in (day, weekday):
        return
    both = f"day of month ({day}) and day of week ({weekday}) are both set"
    if day.startswith("*") or weekday.startswith("*"):
        yield f"{both}, one with *: it runs only on days that fit both"
    else:
        yield (
            f"{both}: it runs on days that fit either, OR not AND; for the first Monday of a"
            " month write * and MON#1"
        )


def _step_notes(crontab: Crontab) -> Iterator[str]:
    """Tell of steps that do not come out even, such as every 40 minutes."""
    for field, text in zip(FIELDS[:2], crontab.fields, strict=False):
        if values := _uneven_values(field, text):
            shown = values if len(values) <= _MOST_TIMES else [*values[:2], "…", values[-1]]
            yield f"{field.name}: {text} starts anew at 0 and means {joined(shown)}"


def _uneven_values(field: Field, text: str) -> list[str]:
    """List what `*/n` means when n does not divide the range; nothing for any other text."""
    match = _STEP.fullmatch(text)
    size, step = field.most + 1, int(match[1]) if match else 1
    is_even = step < size and size % step == 0
    return [] if is_even else [str(value) for value in range(0, size, step)]


def _clock_notes(timing: Timing, crontab: Crontab, now: datetime) -> Iterator[str]:
    """Tell of times that a change of the clock leaves out or brings twice, within a year."""
    if crontab.fields[1] == "*":
        # It runs each hour whatever that hour is called.
        return
    for change in clock_changes(timing.zone, now, now + _YEAR):
        is_before = timing.start_at and change.at < timing.start_at
        is_after = timing.end_at and change.at > timing.end_at
        times = crontab.wall_times(change.begin, change.end)
        if times and not is_before and not is_after:
            fate = _fate_in_gap if change.is_gap else _fate_when_twice
            yield f"{change.begin:%Y-%m-%d}: {fate(crontab, change, times)}"


def _fate_in_gap(crontab: Crontab, change: ClockChange, times: list[datetime]) -> str:
    left_out = f"{_named(times)} {'do' if times[1:] else 'does'} not exist"
    run = next(crontab.after(change.at - _INSTANT), None)
    if run != change.at:
        return f"{left_out}, nothing runs instead"
    is_named = bool(crontab.wall_times(change.end, change.end + _A_MINUTE))
    local = change.at.astimezone(crontab.zone)
    return f"{left_out}, {'the next run is' if is_named else 'runs'} at {_with_offset(local)}"


def _fate_when_twice(crontab: Crontab, change: ClockChange, times: list[datetime]) -> str:
    twice = f"{_named(times)} {'come' if times[1:] else 'comes'} twice"
    width = change.end - change.begin
    runs = crontab.after(change.at - width - _INSTANT)
    run_count = sum(1 for _ in takewhile(lambda run: run < change.at + width, runs))
    if run_count > len(times):
        return f"{twice}, runs both times"
    first = times[0].replace(tzinfo=crontab.zone)
    return f"{twice}, runs the first time only, at {_with_offset(first)}"


def _with_offset(local: datetime) -> str:
    return f"{local:%H:%M} ({local.isoformat()[-6:]})"


def _named(times: list[datetime]) -> str:
    if len(times) > _MOST_TIMES:
        return f"{len(times)} times from {times[0]:%H:%M} to {times[-1]:%H:%M}"
    return joined([f"{time:%H:%M}" for time in times])
