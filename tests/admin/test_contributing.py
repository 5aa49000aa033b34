"""The example of CONTRIBUTING.md is a page that works: it is taken from there and driven."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_admin.base import BaseView
from flask_babel import lazy_gettext as _l

from admin import desk
from admin.views import every_view
from callbacks.models import StatusMapping
from core.app import create_app
from core.db import database
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.callbacks import calling
from tests.support.data import ROOT
from tests.support.desk import rows
from tests.support.environment import make_settings

PAGE = "/admin/word"
MAPPINGS = StatusMapping.__table__
_EXAMPLE = re.compile(r"## A page for a new model\n.*?```python\n(.*?)```", re.DOTALL)
LONGEST = 80
"""Lines that may be called one short class, its form and its imports."""


def example() -> str:
    """Return the code of the example."""
    found = _EXAMPLE.search((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


@pytest.fixture
def with_example(
    app: Flask, home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The application with one more page, over the same database."""
    names: dict[str, type[BaseView]] = {}
    exec(compile(example(), "CONTRIBUTING.md", "exec"), names)  # noqa: S102 - our own text

    def and_words() -> list[BaseView]:
        return [*every_view(), names["Words"](_l("Words"), "word", _l("Providers"))]

    monkeypatch.setattr(desk, "every_view", and_words)
    bigger = create_app(make_settings(home, DATABASE_URL=database_url))
    bigger.testing = True
    bigger.test_client_class = app.test_client_class
    yield bigger
    with bigger.app_context():
        database().close()


def moved(somebody: Person, app: Flask) -> Person:
    """Return the same person at another application."""
    client = app.test_client()
    with somebody.client.session_transaction() as mine, client.session_transaction() as copy:
        copy.update(mine)
    return Person(client, somebody.email)


def meanings() -> dict[str, str]:
    return {row.provider_status: row.status for row in rows(MAPPINGS)}


def test_it_is_short() -> None:
    assert len(example().splitlines()) <= LONGEST


@pytest.mark.pages
def test_it_lists_adds_edits_acts_and_removes(person: LogIn, with_example: Flask) -> None:
    provider_id = calling.add_provider("acme")
    approver = moved(person("approver"), with_example)
    assert "bounced" in approver.text(f"{PAGE}/?status=undeliverable")

    new = {"provider_id": str(provider_id), "word": "on board", "status": "sent"}
    assert "Added." in approver.message(approver.post(f"{PAGE}/new/", **new))
    refused = approver.post(f"{PAGE}/new/", **new).get_data(as_text=True)
    assert "has a meaning already" in complaints(refused)
    [key] = [row.id for row in rows(MAPPINGS) if row.provider_status == "on board"]

    edited = {"status": "undeliverable", "version": "1"}
    assert "Saved." in approver.message(approver.post(f"{PAGE}/edit/?id={key}", **edited))
    second = approver.post(f"{PAGE}/edit/?id={key}", status="sent", version="1")
    assert "changed by approver@example.com" in second.get_data(as_text=True)
    assert meanings()["on board"] == "undeliverable"

    act = {"action": "deliver", "rowid": str(key)}
    assert "was delivered" in approver.post(f"{PAGE}/action/", **act).get_data(as_text=True)
    approver.post(f"{PAGE}/action/", **act, confirmed="yes")
    assert meanings()["on board"] == "delivered"

    approver.post(f"{PAGE}/delete/", id=str(key), confirmed="yes")
    assert "on board" not in meanings()
    assert "on board" not in approver.text(f"{PAGE}/export/csv/")


def test_it_asks_for_the_role(person: LogIn, with_example: Flask) -> None:
    calling.add_provider("acme")
    operator = moved(person("operator"), with_example)

    assert "bounced" in operator.text(f"{PAGE}/")
    assert operator.get(f"{PAGE}/new/").status_code == 403
    assert operator.post(f"{PAGE}/delete/", id="x", confirmed="yes").status_code == 403
