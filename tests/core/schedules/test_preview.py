from core.schedules.preview import difference, preview
from tests.core.schedules.support import crontab, every, once, utc

# A Monday.
NOW = utc("2026-11-23T12:00")


def test_a_preview_has_words_runs_and_warnings() -> None:
    shown = preview(crontab("30 2 * * 7"), start=utc("2026-10-20T00:00"), count=2)

    assert shown.to_json() == {
        "description": "Sundays at 02:30, Europe/Stockholm",
        "runs": [
            {"utc": "2026-10-25T00:30:00Z", "local": "2026-10-25T02:30:00+02:00"},
            {"utc": "2026-11-01T01:30:00Z", "local": "2026-11-01T02:30:00+01:00"},
        ],
        "warnings": [
            "2026-10-25: 02:30 comes twice, runs the first time only, at 02:30 (+02:00)",
            "2027-03-28: 02:30 does not exist, runs at 03:00 (+02:00)",
        ],
    }


def test_a_preview_has_five_runs_strictly_after_its_start() -> None:
    shown = preview(every(3_600), start=NOW)

    assert [run.utc.hour for run in shown.runs] == [13, 14, 15, 16, 17]


def test_a_preview_of_what_is_past_has_no_runs_and_says_so() -> None:
    shown = preview(once("2026-11-01T08:00"), start=NOW)

    assert shown.runs == ()
    assert shown.warnings == ("nothing runs after 2026-11-23 13:00",)


def test_a_difference_says_from_where_to_where_the_next_run_moves() -> None:
    text = difference(crontab("0 23 * * 1"), crontab("30 6 * * 2"), NOW)

    assert text == "next run moves from Mon 23:00 to Tue 06:30; nothing runs now"


def test_a_difference_names_the_date_of_what_is_far() -> None:
    text = difference(crontab("0 23 * * 1"), crontab("0 9 1 1 *"), NOW)

    assert text == "next run moves from Mon 23:00 to Fri 2027-01-01 09:00; nothing runs now"


def test_a_difference_between_zones_names_them() -> None:
    text = difference(crontab("0 23 * * 1"), crontab("0 23 * * 1", "UTC"), NOW)

    assert text == (
        "next run moves from Mon 23:00 Europe/Stockholm to Mon 23:00 UTC; nothing runs now"
    )


def test_a_difference_that_moves_nothing_says_so() -> None:
    text = difference(crontab("0 23 * * 1"), crontab("0 23 * * *"), NOW)

    assert text == "next run stays Mon 23:00; nothing runs now"


def test_a_difference_shows_seconds_where_there_are_some() -> None:
    assert difference(every(10), every(45), NOW) == (
        "next run moves from Mon 12:00:10 to Mon 12:00:45; nothing runs now"
    )


def test_a_difference_with_a_timing_that_is_over() -> None:
    past, weekly = once("2026-11-01T08:00"), crontab("0 23 * * 1")

    assert difference(weekly, past, NOW) == "no run is left; the next was Mon 23:00"
    assert difference(past, weekly, NOW) == (
        "next run is Mon 23:00; there was none; nothing runs now"
    )
    assert difference(past, past, NOW) == "no run is left, as before"
