"""A timing: when a schedule is due. Values only; the planning is in `planning`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from core.schedules.crontab import Crontab, parse
from core.schedules.errors import TimingError
from core.setting_values import show
from core.setting_values import zone as read_zone

SHORTEST_INTERVAL = 1
LONGEST_INTERVAL = 31 * 86_400
LONGEST_JITTER = 3_600
# Nothing is planned outside these; a date beyond them is a slip of the pen.
FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY = datetime(3000, 1, 1, tzinfo=UTC)
_UTC_ZONE = ZoneInfo("UTC")


class Kind(StrEnum):
    """How a timing says when it is due."""

    INTERVAL = "interval"
    CRONTAB = "crontab"
    ONCE = "once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When something is due; what its kind does not use is ignored.

    An interval has its slots at the epoch plus `offset_seconds` plus whole multiples of
    `every_seconds`, so they do not hang on when it was saved or ran. No slot is before `start_at`
    or after `end_at`; a slot at either of them counts. `zone` is the crontab's, and for the other
    kinds the one that people are shown. A slot is run up to `jitter_seconds` after its time.

    Raises:
        TimingError: a value is missing or out of bounds; the error names the field.
    """

    kind: Kind
    every_seconds: int | None = None
    offset_seconds: int = 0
    crontab: Crontab | None = None
    at: datetime | None = None
    zone: ZoneInfo = _UTC_ZONE
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_seconds: int = 0

    def __post_init__(self) -> None:
        if self.kind is Kind.INTERVAL:
            _check_interval(self.every_seconds, self.offset_seconds)
        elif self.kind is Kind.CRONTAB:
            _check_crontab(self.crontab, self.zone)
        elif self.at is None:
            raise TimingError("at", "missing; say when it runs")
        _check_times({"at": self.at, "start_at": self.start_at, "end_at": self.end_at})
        if self.start_at and self.end_at and self.end_at < self.start_at:
            raise TimingError("end_at", "before start_at")
        self._check_jitter()

    def _check_jitter(self) -> None:
        longest = LONGEST_JITTER
        if self.kind is Kind.INTERVAL and self.every_seconds:
            # With more, a slot could be run after the one that follows it.
            longest = min(longest, self.every_seconds - 1)
        if not 0 <= self.jitter_seconds <= longest:
            raise TimingError("jitter_seconds", f"outside 0-{longest} seconds")


def read_timing(
    *,
    kind: str,
    every_seconds: int | None = None,
    offset_seconds: int = 0,
    crontab: str | None = None,
    zone: str = "UTC",
    at: datetime | None = None,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    jitter_seconds: int = 0,
) -> Timing:
    """Build the timing of a row or a form; what its kind does not use is left out.

    Raises:
        TimingError: something is wrong with it; the error names the field (CrontabError: the
            field of the expression).
    """
    kind_read = _read_kind(kind)
    zone_read = named_zone(zone)
    return Timing(
        kind=kind_read,
        every_seconds=every_seconds if kind_read is Kind.INTERVAL else None,
        offset_seconds=offset_seconds if kind_read is Kind.INTERVAL else 0,
        crontab=parse(crontab or "", zone_read) if kind_read is Kind.CRONTAB else None,
        at=at if kind_read is Kind.ONCE else None,
        zone=zone_read,
        start_at=start_at,
        end_at=end_at,
        jitter_seconds=jitter_seconds,
    )


def named_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        TimingError: there is no such zone.
    """
    try:
        return read_zone(name)
    except ValueError as error:
        raise TimingError("timezone", str(error)) from error


def read_time(field: str, text: str, zone: ZoneInfo) -> datetime:
    """Read an ISO 8601 time as UTC; without an offset it is the time of day in `zone`.

    Of a time that comes twice the first is taken; one that is left out is taken at the offset
    from before the change.

    Raises:
        TimingError: it is none, or it is not of the years 1970-2999; the error names `field`.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        utc = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise TimingError(
            field, f"{show(text)} is no time; use ISO 8601 such as 2026-12-01T09:00"
        ) from error
    _check_times({field: utc})
    return utc


def _read_kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError as error:
        raise TimingError("kind", f"{show(text)} is not known; use {', '.join(Kind)}") from error


def _check_interval(every_seconds: int | None, offset_seconds: int) -> None:
    if every_seconds is None or not SHORTEST_INTERVAL <= every_seconds <= LONGEST_INTERVAL:
        raise TimingError("every_seconds", "an interval is from 1 second to 31 days")
    if not 0 <= offset_seconds < every_seconds:
        raise TimingError("offset_seconds", f"outside 0-{every_seconds - 1} seconds")


def _check_crontab(crontab: Crontab | None, zone: ZoneInfo) -> None:
    if crontab is None:
        raise TimingError("crontab", "missing")
    if crontab.zone.key != zone.key:
        raise TimingError("timezone", f"{zone.key}, but the crontab is in {crontab.zone.key}")


def _check_times(times: dict[str, datetime | None]) -> None:
    for field, moment in times.items():
        if moment is None:
            continue
        if moment.tzinfo is None:
            raise TimingError(field, "without a time zone")
        if not FIRST_DAY <= moment < LAST_DAY:
            raise TimingError(field, "outside the years 1970-2999")
