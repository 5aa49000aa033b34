from zoneinfo import ZoneInfo

import pytest

from core.errors import InputError
from core.schedules.crontab import LONGEST, parse
from core.schedules.errors import CrontabError

ZONE = ZoneInfo("Europe/Stockholm")


def refusal(expression: str) -> CrontabError:
    with pytest.raises(CrontabError) as caught:
        parse(expression, ZONE)
    return caught.value


@pytest.mark.parametrize(
    ("pasted", "normal"),
    [
        (" 0  23 * * MON ", "0 23 * * MON"),
        ("0\t23\t*\t*\tmon\n", "0 23 * * MON"),
        ("0\u00a023 * * Mon", "0 23 * * MON"),
        ("00 09 * jan,Feb *", "00 09 * JAN,FEB *"),
        ("0 23 * * 7", "0 23 * * 7"),
        ("0 0 l * *", "0 0 L * *"),
        ("0 0 lw * 5l", "0 0 LW * 5L"),
        ("0 0 * * fri#2,5L", "0 0 * * FRI#2,5L"),
        ("*/90 0-6/2,22 1-7,L */3 sun-fri", "*/90 0-6/2,22 1-7,L */3 SUN-FRI"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        (" @Midnight ", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_what_people_paste_is_brought_to_one_form(pasted: str, normal: str) -> None:
    assert parse(pasted, ZONE).text == normal
    assert parse(normal, ZONE).text == normal


@pytest.mark.parametrize(
    ("expression", "detail"),
    [
        ("60 * * * *", "minute: 60 is outside 0-59"),
        ("0 24 * * *", "hour: 24 is outside 0-23"),
        ("0 0 0 * *", "day of month: 0 is outside 1-31"),
        ("0 0 * 13 *", "month: 13 is outside 1-12"),
        ("0 0 * * 8", "day of week: 8 is outside 0-7 (0 and 7 are Sunday)"),
        ("0 0 * * 8L", "day of week: 8 is outside 0-7 (0 and 7 are Sunday)"),
        ("0 0 * * mon#6", "day of week: #6 of MON#6 is outside #1-#5"),
        ("0 0 * * mon#0", "day of week: #0 of MON#0 is outside #1-#5"),
        ("5/15 * * * *", "minute: 5/15 is not understood; use 5-59/15"),
        ("0 0 * * mon/2", "day of week: MON/2 is not understood; use MON-7/2"),
        ("0 22-2 * * *", "hour: 22-2 goes backwards; use 22-23,0-2"),
        ("0 0 5-1 * *", "day of month: 5-1 goes backwards; use 5-31,1"),
        ("0 0 * nov-2 *", "month: NOV-2 goes backwards; use NOV-DEC,1-2"),
        ("0 0 * * fri-mon", "day of week: FRI-MON goes backwards; use FRI-SAT,SUN-MON"),
        ("0 0 * * sat-sun", "day of week: SAT-SUN goes backwards; use SAT,SUN"),
        ("0 0 * * 7-1", "day of week: 7-1 goes backwards; use 0-1"),
        ("*/0 * * * *", "minute: the step of */0 is 0; use 1 or more"),
        ("0 0 ? * *", "day of month: ? is not understood; use *"),
        ("0 0 L/2 * *", "day of month: L/2 is not understood; L and LW stand alone"),
        ("0 0 1-L * *", "day of month: 1-L is not understood; L and LW stand alone"),
        ("0 0 * * monday", "day of week: MONDAY is not understood; use MON"),
        ("0 0 * january *", "month: JANUARY is not understood; use JAN"),
        ("0 0 * * monl", "day of week: MONL is not understood; use 1L"),
        ("0 0 31 2 *", "day of month: never runs: no date has day 31 in month 2"),
        (
            "0 0 31 4 */2",
            "day of month: never runs: no date has day 31 in month 4 and day of week */2",
        ),
    ],
)
def test_a_refusal_names_the_field_and_the_remedy(expression: str, detail: str) -> None:
    error = refusal(expression)

    assert error.detail == detail
    assert error.field == detail.partition(":")[0]


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        ("H * * * *", "minute"),
        ("mon * * * *", "minute"),
        ("L * * * *", "minute"),
        ("1-1_0 * * * *", "minute"),
        ("٣ * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        (",1 * * * *", "minute"),
        ("-90 * * * *", "minute"),
        ("0 1-2-3 * * *", "hour"),
        ("0 +1 * * *", "hour"),
        ("0 0 15W * *", "day of month"),
        ("0 0 L-3 * *", "day of month"),
        ("0 0 * mon *", "month"),
        ("0 0 * * jan", "day of week"),
        ("0 0 * * \u017fun", "day of week"),
        ("0 0 * * 1-5#2", "day of week"),
        ("0 0 * * 5L-6", "day of week"),
        ("0 0 * * *\u200b", "day of week"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_forms_of_its_field(
    expression: str, field: str
) -> None:
    error = refusal(expression)

    assert error.field == field
    assert "is not understood" in error.detail
    assert error.detail.isprintable()


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("0 0 * *", "4 fields instead of five: minute, hour, day of month, month, day of week"),
        ("0 0 0 * * *", "seconds cannot be given"),
        ("0 0 0 * * * 2026", "7 fields"),
        ("23", "1 field instead of five"),
        ("@reboot", "@reboot is not understood; use five fields, @hourly"),
        ("@daily 5", "@daily 5 is not understood"),
        ("CRON_TZ=Europe/Stockholm 0 23 * * 1", "no time zone"),
        ("TZ=UTC 0 23 * * 1", "no time zone"),
        ("0 0 * * " + "1," * LONGEST, f"longer than {LONGEST} characters"),
    ],
)
def test_an_expression_that_is_wrong_as_a_whole_says_so(expression: str, words: str) -> None:
    error = refusal(expression)

    assert error.field == "expression"
    assert words in error.detail


def test_a_refusal_is_an_input_error_with_a_pointer() -> None:
    error = refusal("60 * * * *")

    assert isinstance(error, InputError)
    assert [finding.to_json() for finding in error.findings] == [
        {"pointer": "/crontab", "rule": "timing", "message": "minute: 60 is outside 0-59"}
    ]


def test_a_date_that_comes_every_four_years_runs() -> None:
    assert parse("0 0 29 2 *", ZONE).fields == ("0", "0", "29", "2", "*")
