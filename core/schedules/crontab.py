"""Crontab expressions: what people paste, brought to one form, or refused by the field.

Our dialect is that of Debian's cron, as cronsim reads and runs it, made narrower:

- Five fields: minute 0-59, hour 0-23, day of month 1-31, month 1-12, day of week 0-7 (0 and 7
  are Sunday). Any blanks stand between them; letters may be of either case.
- A field is a list of `*`, `a`, `a-b`, `*/n` and `a-b/n`. Months may be JAN-DEC and weekdays
  SUN-SAT, wherever a number may be. A day of month may be `L` (the last) or `LW` (the last
  from Monday to Friday), a day of week `5L` (the last Friday) or `FRI#2` (the second Friday).
- @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly stand for five fields.
- Both day fields set: it runs when either fits. When one of them begins with `*`, both must fit.
- When minute and hour are both written without a leading `*`, a time that the change of the
  clock leaves out runs at the change, and one that comes twice runs the first time only. With
  a leading `*` in either, runs follow real time: each moment whose local time fits is one.

Narrower than cronsim, because people mean different things by them: six fields (seconds), `a/n`
(write `a-59/n`), a step behind `L` and `LW`, and anything that has no run in five years. As in
cronsim, and unlike elsewhere: no ranges that go backwards (`22-2`), no `?`, `H`, `W`, `MONL`,
no @reboot, no time zone inside the expression.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from core.schedules.clock_changes import clock_changes
from core.schedules.errors import CrontabError
from core.setting_values import show

LONGEST = 255
_MACROS = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_TERM = re.compile(
    r"(?:\*|(?P<first>[0-9A-Z]+)(?:-(?P<last>[0-9A-Z]+))?)(?P<stepped>/(?P<step>[0-9]+))?"
)
_LAST_WEEKDAY = re.compile(r"(?P<day>[0-9]+)L")
_NTH_WEEKDAY = re.compile(r"(?P<day>[0-9A-Z]+)#(?P<nth>[0-9]+)")
_MOST_WEEKS = 5
# Five years that hold two leap days; the same ones always, so that a row never turns bad by age.
_TRIAL_FROM = datetime(2023, 12, 31, 23, 59)  # noqa: DTZ001 - the calendar alone matters here
_TRIAL_UNTIL = datetime(2029, 1, 1)  # noqa: DTZ001
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields: what it is called and what it may hold."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    first_named: int = 0
    specials: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """Return the value of a number or of a name such as MON.

        Raises:
            CrontabError: it is neither, or it is out of range.
        """
        if text in self.names:
            return self.names.index(text) + self.first_named
        if not text.isdigit():
            raise self.not_understood(text, self._nearest(text))
        value = int(text)
        if not self.least <= value <= self.most:
            sundays = " (0 and 7 are Sunday)" if self.most == len(_WEEKDAYS) else ""
            raise self.error(f"{value} is outside {self.least}-{self.most}{sundays}")
        return value

    def error(self, message: str) -> CrontabError:
        """Build an error of this field."""
        return CrontabError(self.name, message)

    def not_understood(self, text: str, remedy: str = "") -> CrontabError:
        """Build the error for text that is no part of the dialect."""
        return self.error(f"{_shown(text)} is not understood; use {remedy or self._forms()}")

    def _nearest(self, text: str) -> str:
        """Return what was likely meant by a name that is too long: MON for MONDAY, 1L for MONL."""
        name = text[:3]
        if name not in self.names or not text.isalpha():
            return ""
        return f"{self.names.index(name)}L" if text == f"{name}L" and self is WEEKDAY else name

    def _forms(self) -> str:
        named = f", {self.names[0]}-{self.names[-1]}" if self.names else ""
        return (
            f"*, {self.least}-{self.most}{named}, a range such as {self.least}-{self.most},"
            f" or steps such as */2"
        )


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31, specials=("L", "LW"))
MONTH = Field("month", 1, 12, _MONTHS, 1)
WEEKDAY = Field("day of week", 0, 7, _WEEKDAYS)
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(frozen=True, slots=True)
class Crontab:
    """A checked expression, in capital letters with single blanks, and its time zone."""

    text: str
    zone: ZoneInfo

    @property
    def fields(self) -> tuple[str, str, str, str, str]:
        """Minute, hour, day of month, month and day of week as they are written."""
        minute, hour, day, month, weekday = self.text.split(" ")
        return minute, hour, day, month, weekday

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the runs after `moment`, oldest first, in UTC; at most 50 years without one."""
        if self.zone.key == "UTC":
            return CronSim(self.text, moment.astimezone(UTC))
        minute, hour, *_ = self.fields
        is_flowing = minute.startswith("*") or hour.startswith("*")
        return self._in_real_time(moment) if is_flowing else self._at_fixed_times(moment)

    def _at_fixed_times(self, moment: datetime) -> Iterator[datetime]:
        for run in CronSim(self.text, moment.astimezone(self.zone)):
            at = run.astimezone(UTC)
            # From the second of two equal hours cronsim goes back into the first.
            if at > moment:
                yield at

    def _in_real_time(self, moment: datetime) -> Iterator[datetime]:
        """Yield the moments whose local time fits, clock change by clock change.

        cronsim would lose runs where the clock changes at midnight or by half an hour.
        """
        last, wall = moment, moment.astimezone(self.zone).replace(tzinfo=None)
        while True:
            offset = last.astimezone(self.zone).utcoffset() or timedelta(0)
            for run in CronSim(self.text, wall):
                at = (run - offset).replace(tzinfo=UTC)
                change = next(clock_changes(self.zone, last, at), None)
                if change:
                    last = change.at
                    wall = last.astimezone(self.zone).replace(tzinfo=None) - _SECOND
                    break
                last = at
                yield at
            else:
                return

    def wall_times(self, begin: datetime, end: datetime) -> list[datetime]:
        """List the naive local times from `begin` to before `end` that the expression names."""
        times = []
        for time in CronSim(self.text, begin - _SECOND):
            if time >= end:
                break
            times.append(time)
        return times

    def explain(self) -> str:
        """Return cronsim's words for the expression, such as `At 23:00 on Monday`."""
        return CronSim(self.text, _TRIAL_FROM).explain()


@lru_cache(maxsize=2048)
def parse(text: str, zone: ZoneInfo) -> Crontab:
    """Read an expression as the dialect above has it.

    Raises:
        CrontabError: it is refused; the error names the field.
    """
    parts = _split(text)
    for field, part in zip(FIELDS, parts, strict=True):
        for term in part.split(","):
            _check_term(field, term, part)
    normal = " ".join(parts)
    _check_that_it_runs(normal, parts)
    return Crontab(normal, zone)


def _split(text: str) -> list[str]:
    """Return the five fields in capital letters, a macro expanded."""
    if len(text) > LONGEST:
        raise CrontabError("expression", f"longer than {LONGEST} characters")
    # Only ASCII is brought to capitals: the long s, for one, would turn into an S.
    words = [word.upper() if word.isascii() else word for word in text.split()]
    if not words:
        raise CrontabError("expression", "empty; use five fields such as 0 23 * * 1")
    if words[0].startswith("@"):
        return _expand(words).split()
    if "TZ=" in words[0]:
        raise CrontabError("expression", "no time zone can stand in it; choose it beside it")
    if len(words) != len(FIELDS):
        raise CrontabError("expression", _wrong_count(len(words)))
    return words


def _expand(words: list[str]) -> str:
    [macro, *rest] = words
    if not rest and macro in _MACROS:
        return _MACROS[macro]
    raise CrontabError(
        "expression",
        f"{_shown(' '.join(words).lower())} is not understood; use five fields, @hourly,"
        " @daily, @weekly, @monthly or @yearly",
    )


def _wrong_count(count: int) -> str:
    seconds = "; seconds cannot be given" if count == len(FIELDS) + 1 else ""
    fields = "field" if count == 1 else "fields"
    wanted = ", ".join(field.name for field in FIELDS)
    return f"{count} {fields} instead of five: {wanted}{seconds}"


def _check_term(field: Field, term: str, part: str) -> None:
    """Check one member of a field's list; `part` is the whole field."""
    if not term:
        raise field.not_understood(part)
    if term in field.specials or (field is WEEKDAY and _is_weekday_of_month(term)):
        return
    match = _TERM.fullmatch(term)
    if not match:
        raise field.not_understood(term, "*" if term == "?" else "")
    first, last = match["first"], match["last"]
    if first in field.specials or last in field.specials:
        raise field.error(f"{term} is not understood; L and LW stand alone")
    low = field.number(first) if first else field.least
    if last:
        _check_range(field, match, low, field.number(last))
    if match["stepped"]:
        _check_step(field, match)


def _is_weekday_of_month(term: str) -> bool:
    """Tell whether `term` is a sound 5L or FRI#2; False when it is neither.

    Raises:
        CrontabError: it looks like one and names no such day.
    """
    if last := _LAST_WEEKDAY.fullmatch(term):
        WEEKDAY.number(last["day"])
        return True
    if nth := _NTH_WEEKDAY.fullmatch(term):
        WEEKDAY.number(nth["day"])
        if not 1 <= int(nth["nth"]) <= _MOST_WEEKS:
            raise WEEKDAY.error(f"#{nth['nth']} of {term} is outside #1-#{_MOST_WEEKS}")
        return True
    return False


def _check_range(field: Field, match: re.Match[str], low: int, high: int) -> None:
    if low <= high:
        return
    first, last = match["first"], match["last"]
    # Sunday, as 0 and as 7, is at both ends of the week.
    highest = len(_WEEKDAYS) - 1 if field is WEEKDAY else field.most
    top = field.names[-1] if first.isalpha() else str(highest)
    bottom = field.names[0] if last.isalpha() else str(field.least)
    parts = [_joined(first, top)] if low <= highest else []
    remedy = ",".join([*parts, _joined(bottom, last)])
    raise field.error(f"{match[0]} goes backwards; use {remedy}")


def _joined(first: str, last: str) -> str:
    return first if first == last else f"{first}-{last}"


def _check_step(field: Field, match: re.Match[str]) -> None:
    first, last, step = match["first"], match["last"], match["step"]
    if int(step) == 0:
        raise field.error(f"the step of {match[0]} is 0; use 1 or more")
    if first and not last:
        raise field.not_understood(match[0], f"{first}-{field.most}/{step}")


def _check_that_it_runs(normal: str, parts: list[str]) -> None:
    try:
        run = next(CronSim(normal, _TRIAL_FROM), _TRIAL_UNTIL)
    except CronSimError:
        run = _TRIAL_UNTIL
    if run >= _TRIAL_UNTIL:
        weekday = "" if parts[4] == "*" else f" and day of week {parts[4]}"
        raise CrontabError(
            DAY.name, f"never runs: no date has day {parts[2]} in month {parts[3]}{weekday}"
        )


def _shown(text: str) -> str:
    return text if text.isascii() and text.isprintable() else show(text)
