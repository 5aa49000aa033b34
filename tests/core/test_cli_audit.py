"""`manage.py audit list`."""

from sqlalchemy import update

from core import actor
from core.db import unit_of_work
from tests.core.audit.entries import SOURCES, add_sources
from tests.support.console import Console


def test_the_list_says_who_changed_what_and_why(console: Console) -> None:
    add_sources("erp")
    with actor.acting("ann@example.com", "a new name"), unit_of_work() as connection:
        connection.execute(update(SOURCES).values(name="shop"))

    done = console("audit", "list", "--actor", "ann@example.com")

    for words in ("ann@example.com", "update sources", "shop", "name: erp → shop", "a new name"):
        assert words in done.out


def test_the_list_in_json(console: Console) -> None:
    add_sources("erp")

    [entry] = console(
        "audit", "list", "--kind", "sources", "--since", "2000-01-01", "--json"
    ).json()

    assert entry["after"] == {"name": "erp", "environment": "test", "is_disabled": False}
    assert entry["operation"] == "insert"


def test_filters_narrow_the_list(console: Console) -> None:
    add_sources("erp", "shop")

    def labels(*options: str) -> list[str]:
        return [row["label"] for row in console("audit", "list", *options, "--json").json()]

    assert labels("--text", "sho") == ["shop"]
    assert labels("--limit", "1") == ["shop"]
    assert labels("--kind", "providers") == []
    assert labels("--until", "2000-01-01") == []


def test_a_time_that_is_none_is_refused_in_one_line(console: Console) -> None:
    done = console("audit", "list", "--since", "yesterday")

    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "yesterday" in done.err


def test_nothing_is_said_to_be_nothing(console: Console) -> None:
    done = console("audit", "list")

    assert (done.code, done.err) == (0, "Nothing to list.\n")
