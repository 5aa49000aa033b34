"""The tables of other crons' own tests, against our dialect."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from core.schedules.crontab import FIELDS, parse
from core.schedules.errors import CrontabError
from core.schedules.planning import next_slot
from tests.core.schedules.support import crontab
from tests.support.data import shared_data

INSTANT = datetime.resolution


def rows(name: str) -> list[dict[str, str]]:
    with (shared_data() / "cron" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def moment(text: str, zone: ZoneInfo, fold: int = 0) -> datetime:
    """Read the ISO times of most tables, and the `Mon Jul 9 15:05 2012` of robfig/cron."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = datetime.strptime(text, "%a %b %d %H:%M %Y")  # noqa: DTZ007 - its zone follows
    return read if read.tzinfo else read.replace(tzinfo=zone, fold=fold)


@dataclass(frozen=True)
class Run:
    """A row of next_runs.csv."""

    row: dict[str, str]

    @property
    def expression(self) -> str:
        return self.row["expression"]

    @property
    def left_out(self) -> str:
        """Why our dialect says something else about this row, or nothing."""
        words = self.expression.split()
        if len(words) > len(FIELDS):
            return "seconds"
        if self.expression.startswith("@"):
            return ""
        if any("/" in word and word[0] != "*" and "-" not in word for word in words):
            return "a/n"
        if "?" in words:
            return "?"
        is_and = "dom AND dow" in self.row["dialect"]
        if is_and and words[2][0] != "*" and words[4][0] != "*":
            return "both day fields set, joined by AND"
        return ""

    def agrees(self) -> bool:
        zone = ZoneInfo(self.row["timezone"] or "UTC")
        timing = crontab(self.expression, zone.key)
        start = moment(self.row["start"], zone, int(self.row["fold"])).astimezone(UTC)
        nth, expected = int(self.row["nth"]), self.row["expected"]
        if expected in ("fires", "does not fire"):
            return (next_slot(timing, start - INSTANT) == start) is (expected == "fires")
        slot = moment(expected, zone).astimezone(UTC)
        if nth < 0:
            # The run before: the slot is one, and the one after it is not before the start.
            following = next_slot(timing, slot)
            is_slot = next_slot(timing, slot - INSTANT) == slot < start
            return is_slot and following is not None and following >= start
        assert timing.crontab
        return next(islice(timing.crontab.after(start), nth - 1, None)) == slot


def runs() -> Iterator[Run]:
    return (Run(row) for row in rows("next_runs.csv"))


def test_every_row_of_our_dialect_gives_the_expected_run() -> None:
    ours = [run for run in runs() if not run.left_out]

    assert [run.row for run in ours if not run.agrees()] == []
    assert len(ours) == 283


def test_the_rows_that_are_left_out_are_few_and_for_these_reasons() -> None:
    reasons = Counter(run.left_out for run in runs() if run.left_out)

    assert reasons == {
        "seconds": 48,
        "a/n": 5,
        "?": 1,
        "both day fields set, joined by AND": 8,
    }


@pytest.mark.parametrize("reason", ["seconds", "a/n", "?"])
def test_what_is_left_out_for_its_form_is_refused(reason: str) -> None:
    for run in runs():
        if run.left_out == reason:
            with pytest.raises(CrontabError):
                parse(run.expression, ZoneInfo("UTC"))


def test_bad_expressions_are_refused_naming_a_field() -> None:
    bad = [row["expression"] for row in rows("bad_expressions.csv")]
    # Celery knows no Sunday 7, Oban no small letters.
    for expression in ("* * * * 7", "* * * jan *"):
        bad.remove(expression)
        parse(expression, ZoneInfo("UTC"))

    assert len(bad) == 177
    for expression in bad:
        with pytest.raises(CrontabError) as caught:
            parse(expression, ZoneInfo("UTC"))
        assert any(field.name in caught.value.detail for field in FIELDS)


def values(expression: str, start: datetime, step: timedelta, steps: int) -> list[int]:
    """Return the numbers from 0 of the steps after `start` at which the expression runs."""
    timing = crontab(expression, "UTC")
    moments = ((number, start + number * step) for number in range(steps))
    return [number for number, at in moments if next_slot(timing, at - INSTANT) == at]


def test_fields_of_the_same_range_hold_what_celery_reads() -> None:
    start, compared = datetime(2026, 3, 1, tzinfo=UTC), 0
    for row in rows("celery_fields.csv"):
        expected = [int(value) for value in row["expected_values"].split()]
        text, span = row["expression"], (row["min"], row["max"])
        if span == ("0", "60"):
            found = values(f"{text} * * * *", start, timedelta(minutes=1), 60)
        elif span == ("1", "31"):
            days = values(f"0 0 {text} * *", start, timedelta(days=1), 31)
            found = [day + 1 for day in days]
        elif span == ("0", "7"):
            # 2026-03-01 is a Sunday.
            found = values(f"0 0 * * {text}", start, timedelta(days=1), 7)
        else:
            # 1-60 and 0-7 as eight days are ranges of no field.
            continue
        assert found == expected
        compared += 1
    assert compared == 10
