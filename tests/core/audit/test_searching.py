"""The audit is searched by who, what, when and words, a page at a time."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, update

from core import actor
from core.audit import Filter, search
from core.audit.queries import actors
from core.clock import utcnow
from core.db import reading, unit_of_work
from tests.core.audit.entries import KEYS, SOURCES, a_key, add_sources, entries

pytestmark = pytest.mark.pages


@pytest.fixture(autouse=True)
def story(app: Flask) -> None:
    """Ann adds two sources, Bob gives the first a key and renames the second."""
    with actor.acting("ann@example.com"):
        [first, second] = add_sources("Müller", "100%_sure")
    with actor.acting("bob@example.com", "they merged"), unit_of_work() as connection:
        connection.execute(insert(KEYS).values(a_key(first, prefix="abcdefabcdef")))
        mine = SOURCES.c.id == second
        connection.execute(update(SOURCES).where(mine).values(name="Größer"))


def labels(**wanted: object) -> list[str | None]:
    return [row.label for row in entries(**wanted)]


def test_by_who(app: Flask) -> None:
    assert labels(actor="ann@example.com") == ["Müller", "100%_sure"]
    with reading() as connection:
        assert actors(connection) == ["ann@example.com", "bob@example.com"]


def test_by_kind_and_row(app: Flask) -> None:
    assert labels(kind="api_keys") == ["abcdefabcdef"]
    row_id = entries()[1].row_id
    assert labels(kind="sources", row_id=row_id) == ["100%_sure", "Größer"]


def test_by_time(app: Flask) -> None:
    last = entries()[-1].at
    assert len(entries(since=utcnow() - timedelta(minutes=1))) == 4
    assert entries(until=last - timedelta(minutes=1)) == []
    assert entries(since=utcnow() + timedelta(minutes=1)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("merged", ["abcdefabcdef", "Größer"]),
        ("Größ", ["Größer"]),
        ("100%_", ["100%_sure", "Größer"]),
        ("%", ["100%_sure", "Größer"]),
        ("ÜLLER", []),
        ("1000", []),
        ("is_disabled", ["Müller", "100%_sure"]),
        ("\\u00e4' OR 1=1 --", []),
    ],
)
def test_by_words(app: Flask, text: str, found: list[str], engine: str) -> None:
    if text == "ÜLLER" and engine != "sqlite":
        found = ["Müller"]  # SQLite knows the case of ASCII letters only
    hits = [label for label in labels(text=text) if label != "abcdefabcdef" or "merged" in text]
    assert hits == found


def test_page_by_page(app: Flask) -> None:
    with reading() as connection:
        first = search(connection, Filter(), count=3)
        rest = search(connection, Filter(), before=first[-1].id, count=3)

    assert [row.label for row in first] == ["Größer", "abcdefabcdef", "100%_sure"]
    assert [row.label for row in rest] == ["Müller"]
