import json
from pathlib import Path

import pytest

from tests.support.command import Manage


@pytest.fixture(scope="module")
def manage(tmp_path_factory: pytest.TempPathFactory) -> Manage:
    """manage.py with Stockholm as the zone of the site."""
    return Manage(tmp_path_factory.mktemp("home"), {"KUVERT_TIMEZONE": "Europe/Stockholm"})


def preview(*args: str) -> list[str]:
    return ["schedule", "preview", *args]


def test_a_preview_in_json(manage: Manage) -> None:
    shown = manage.json(*preview("0 23 * * 1", "--from", "2026-10-18T12:00", "--count", "2"))

    assert shown == {
        "description": "Mondays at 23:00, Europe/Stockholm",
        "runs": [
            {"utc": "2026-10-19T21:00:00Z", "local": "2026-10-19T23:00:00+02:00"},
            {"utc": "2026-10-26T22:00:00Z", "local": "2026-10-26T23:00:00+01:00"},
        ],
        "warnings": [],
    }


def test_a_preview_for_people(manage: Manage) -> None:
    done = manage(*preview("30 2 * * 7", "--timezone", "Europe/Riga", "--from", "2021-03-27"))

    lines = done.stdout.splitlines()
    assert lines[0] == "Sundays at 02:30, Europe/Riga"
    assert lines[1] == "  Sun 2021-03-28 02:30:00 +0200  2021-03-28T00:30:00Z"
    assert len(lines) == 6


def test_warnings_follow_the_runs(manage: Manage) -> None:
    done = manage(*preview("0 0 13 * 5", "--count", "1"))

    assert done.stdout.splitlines()[2].startswith("Note: day of month (13) and day of week (5)")


def test_a_preview_of_an_interval(manage: Manage) -> None:
    shown = manage.json(*preview("--every", "300", "--from", "2026-10-19T12:01Z", "--count", "1"))

    assert shown["description"] == "every 5 minutes"
    assert shown["runs"] == [{"utc": "2026-10-19T12:05:00Z", "local": "2026-10-19T14:05:00+02:00"}]


@pytest.mark.parametrize(
    ("args", "field", "words"),
    [
        (["60 * * * *"], "minute", "60 is outside 0-59"),
        (["-90 * * * *"], "minute", "-90 is not understood"),
        (["--1 * * * *"], "minute", "is not understood"),
        (["0 0 31 2 *"], "day of month", "never runs"),
        ([""], "expression", "empty"),
        (["0 23 * * 1", "--timezone", "Mars/Base"], "timezone", "no time zone 'Mars/Base'"),
        (["0 23 * * 1", "--timezone", ""], "timezone", "no time zone"),
        (["0 23 * * 1", "--from", "tomorrow"], "from", "'tomorrow' is no time"),
        (["--every", "0"], "every_seconds", "1 second to 31 days"),
        (["--every", "-5"], "every_seconds", "1 second to 31 days"),
        (["--every", "0.001"], "every_seconds", "1 second to 31 days"),
        (["--every", "1000000000"], "every_seconds", "1 second to 31 days"),
    ],
)
def test_a_refusal_is_exit_2_and_names_the_field(
    manage: Manage, args: list[str], field: str, words: str
) -> None:
    done = manage(*preview(*args), "--json")

    assert done.returncode == 2
    assert done.stderr == ""
    refusal = json.loads(done.stdout)
    assert refusal["field"] == field
    assert words in refusal["error"]


def test_a_refusal_for_people_is_one_line(manage: Manage) -> None:
    done = manage(*preview("0 22-2 * * *"))

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "Error: hour: 22-2 goes backwards; use 22-23,0-2\n"


@pytest.mark.parametrize("args", [[], ["0 23 * * 1", "--every", "60"], ["0 23 * * 1", "1"]])
def test_wrong_use_is_exit_2_with_the_usage(manage: Manage, args: list[str]) -> None:
    done = manage(*preview(*args))

    assert done.returncode == 2
    assert "Usage: manage.py schedule preview" in done.stderr


def test_a_preview_needs_no_database(tmp_path: Path) -> None:
    done = Manage(tmp_path, {})(*preview("@daily"))

    assert done.returncode == 0
    assert done.stdout.startswith("every day at 00:00, UTC\n")
    assert not list(tmp_path.rglob("*.db"))
