from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.schedules.crontab import parse
from core.schedules.errors import CrontabError, TimingError
from core.schedules.planning import next_slot
from core.schedules.timing import Kind, Timing, named_zone, read_time, read_timing
from tests.core.schedules.support import crontab, every, utc

STOCKHOLM = ZoneInfo("Europe/Stockholm")


@pytest.mark.parametrize("seconds", [1, 31 * 86_400])
def test_an_interval_is_from_one_second_to_31_days(seconds: int) -> None:
    assert every(seconds).every_seconds == seconds


@pytest.mark.parametrize("seconds", [0, -5, 31 * 86_400 + 1, 10**9])
def test_an_interval_beyond_is_refused(seconds: int) -> None:
    with pytest.raises(TimingError, match="1 second to 31 days") as caught:
        every(seconds)

    assert caught.value.field == "every_seconds"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "solar"}, "kind"),
        ({"kind": "interval"}, "every_seconds"),
        ({"kind": "interval", "every_seconds": 60, "offset_seconds": 60}, "offset_seconds"),
        ({"kind": "interval", "every_seconds": 60, "offset_seconds": -1}, "offset_seconds"),
        ({"kind": "interval", "every_seconds": 60, "jitter_seconds": 60}, "jitter_seconds"),
        ({"kind": "crontab"}, "expression"),
        ({"kind": "crontab", "crontab": "99 * * * *"}, "minute"),
        ({"kind": "crontab", "crontab": "0 * * * *", "zone": "Mars/Base"}, "timezone"),
        ({"kind": "crontab", "crontab": "0 * * * *", "jitter_seconds": -1}, "jitter_seconds"),
        ({"kind": "crontab", "crontab": "0 * * * *", "jitter_seconds": 3_601}, "jitter_seconds"),
        ({"kind": "once"}, "at"),
        ({"kind": "once", "at": datetime(2026, 1, 1)}, "at"),  # noqa: DTZ001
        ({"kind": "once", "at": datetime(3000, 1, 1, tzinfo=UTC)}, "at"),
        ({"kind": "once", "at": datetime(1969, 1, 1, tzinfo=UTC)}, "at"),
        (
            {
                "kind": "interval",
                "every_seconds": 60,
                "start_at": utc("2026-01-02"),
                "end_at": utc("2026-01-01"),
            },
            "end_at",
        ),
    ],
)
def test_a_row_that_cannot_be_planned_names_its_field(
    values: dict[str, object], field: str
) -> None:
    with pytest.raises(TimingError) as caught:
        read_timing(**values)  # type: ignore[arg-type]

    assert caught.value.field == field
    assert caught.value.detail.startswith(f"{field}: ")


def test_a_wrong_crontab_of_a_row_is_a_crontab_error() -> None:
    with pytest.raises(CrontabError):
        crontab("0 23 * *")


def test_what_the_kind_does_not_use_is_left_out() -> None:
    timing = read_timing(
        kind="interval", every_seconds=60, crontab="99 * * * *", at=datetime(1, 1, 1, tzinfo=UTC)
    )

    assert timing == Timing(kind=Kind.INTERVAL, every_seconds=60)


def test_a_crontab_needs_its_own_zone() -> None:
    with pytest.raises(TimingError, match="UTC, but the crontab is in Europe/Stockholm"):
        Timing(kind=Kind.CRONTAB, crontab=parse("0 * * * *", STOCKHOLM))
    with pytest.raises(TimingError, match="crontab: missing"):
        Timing(kind=Kind.CRONTAB)


@pytest.mark.parametrize("name", ["Mars/Base", "", "Europe", "../etc/passwd", "a\0b", "x" * 5000])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(TimingError, match="no time zone") as caught:
        named_zone(name)

    assert caught.value.field == "timezone"


def test_a_zone_with_a_slip_is_answered_with_the_nearest() -> None:
    with pytest.raises(TimingError, match="did you mean Europe/Stockholm"):
        named_zone("Europe/Stokholm")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01T09:00", "2026-12-01T08:00"),
        ("2026-12-01 09:00:30", "2026-12-01T08:00:30"),
        ("2026-12-01", "2026-11-30T23:00"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00"),
        ("2026-12-01T09:00+05:30", "2026-12-01T03:30"),
        # Comes twice: the first. Does not exist: as if the clock had not changed yet.
        ("2026-10-25T02:30", "2026-10-25T00:30"),
        ("2027-03-28T02:30", "2027-03-28T01:30"),
    ],
)
def test_a_time_without_offset_is_local(text: str, moment: str) -> None:
    assert read_time("from", text, STOCKHOLM) == utc(moment)


@pytest.mark.parametrize("text", ["", "tomorrow", "9999-12-31T23:59", "0001-01-01", "1969-01-01"])
def test_what_is_no_usable_time_is_refused(text: str) -> None:
    with pytest.raises(TimingError) as caught:
        read_time("from", text, STOCKHOLM)

    assert caught.value.field == "from"


def test_two_equal_timings_plan_alike() -> None:
    after = utc("2026-11-23T10:00") + timedelta(microseconds=1)

    assert crontab("@hourly") == crontab(" 0 * * * * ")
    assert next_slot(crontab("@hourly"), after) == next_slot(crontab("0 * * * *"), after)
