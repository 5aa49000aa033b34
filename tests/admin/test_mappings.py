"""The pages of status mappings: meanings, and the words that wait for one."""

import re
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Row

from callbacks import inbox, mappings
from callbacks.models import Callback, StatusMapping
from core.db import reading, unit_of_work
from core.editing import By
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.callbacks import calling
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.factories import add_invoice, add_source

pytestmark = pytest.mark.pages

PAGE = "/admin/mapping"
CALLBACKS = Callback.__table__


@pytest.fixture
def provider_id(app: object, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A provider with the usual words; the inbox forgets those of earlier tests."""
    inbox._senders.clear()
    monkeypatch.setenv(calling.SECRET_NAME, calling.SECRET)
    return calling.add_provider("acme")


@pytest.fixture
def delivery_id(provider_id: UUID) -> UUID:
    """A delivery that the provider has accepted."""
    add_invoice(add_source("billing", provider="acme"))
    desk.send(FakeChannel(answer(202, b'{"id": "ref-1"}')))
    return UUID(str(desk.only(desk.DELIVERIES).id))


@pytest.fixture
def approver(person: LogIn) -> Person:
    """Somebody who decides what many rows come to."""
    return person("approver")


def mapping(provider_id: UUID, word: str) -> Row[Any]:
    with reading() as connection:
        return mappings.find(connection, provider_id, word)


def test_an_approver_adds_changes_and_removes_a_meaning(
    approver: Person, provider_id: UUID
) -> None:
    new = {"provider_id": str(provider_id), "word": " On Board ", "status": "sent"}
    assert "Added." in approver.message(approver.post(f"{PAGE}/new/", **new))
    found = mapping(provider_id, "on board")

    edited = approver.post(f"{PAGE}/edit/?id={found.id}", status="delivered", version="1")
    assert "Saved." in approver.message(edited)
    assert mapping(provider_id, "on board").status == "delivered"
    assert mapping(provider_id, "on board").updated_by == "approver@example.com"

    asked = approver.post(f"{PAGE}/delete/", id=str(found.id)).get_data(as_text=True)
    assert "Remove on board?" in asked
    approver.post(f"{PAGE}/delete/", id=str(found.id), confirmed="yes")
    assert "on board" not in approver.text(f"{PAGE}/export/csv/")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"word": ""}, "required"),
        ({"word": "x" * 101}, "longer than 100"),
        ({"word": "a\x00"}, "U+0000"),
        ({"word": "Delivered"}, "has a meaning already"),
        ({"status": "cancelled"}, "Not a valid choice"),
        ({"provider_id": ""}, "required"),
    ],
)
def test_a_bad_value_is_told_at_its_field(
    approver: Person, provider_id: UUID, fields: dict[str, str], words: str
) -> None:
    given = {"provider_id": str(provider_id), "word": "new", "status": "sent", **fields}
    before = len(desk.rows(StatusMapping.__table__))

    html = approver.post(f"{PAGE}/new/", **given).get_data(as_text=True)

    assert words in complaints(html)
    assert len(desk.rows(StatusMapping.__table__)) == before


def test_the_second_of_two_editors_sees_both_meanings(approver: Person, provider_id: UUID) -> None:
    found = mapping(provider_id, "bounced")
    with unit_of_work() as connection:
        mappings.edit_mapping(connection, found.id, "sent", By("ann@example.com"))

    html = approver.post(f"{PAGE}/edit/?id={found.id}", status="delivered", version="1").get_data(
        as_text=True
    )

    assert "changed by ann@example.com at 20" in html
    assert re.search(r"<td>sent</td>\s*<td>delivered</td>", html)
    assert mapping(provider_id, "bounced").status == "sent"


def test_words_that_wait_are_shown_with_the_way_to_map_them(
    approver: Person, client: FlaskClient, provider_id: UUID, delivery_id: UUID
) -> None:
    for _ in range(2):
        calling.call(client, "acme", calling.said(delivery_id, "<i>Gälaktic & co</i>"))
    calling.work()
    assert {row.state for row in desk.rows(CALLBACKS)} == {"unmapped"}

    html = approver.text(f"{PAGE}/")

    assert "<i>G" not in html
    [link] = re.findall(r'href="(/admin/mapping/new/[^"]*)"', html.split("Words that wait")[1])
    form = approver.text(link.replace("&amp;", "&"))
    assert f'<option selected value="{provider_id}">acme</option>' in form
    assert 'value="&lt;i&gt;Gälaktic &amp; co&lt;/i&gt;"' in form
    fields = {"provider_id": str(provider_id), "word": "<i>Gälaktic & co</i>", "status": "sent"}
    approver.post(f"{PAGE}/new/", **fields)
    calling.work()
    assert "Words that wait" not in approver.text(f"{PAGE}/")
    assert "Words that wait" in approver.text(f"/admin/provider/details/?id={provider_id}")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_below_an_approver_one_may_only_look(
    person: LogIn, client: FlaskClient, provider_id: UUID, delivery_id: UUID, role: str
) -> None:
    found = mapping(provider_id, "bounced")
    calling.call(client, "acme", calling.said(delivery_id, "galactic"))
    calling.work()
    somebody = person(role)

    html = somebody.text(f"{PAGE}/")

    assert "galactic" in html
    assert f"{PAGE}/new/" not in html
    assert somebody.get(f"{PAGE}/new/").status_code == 403
    assert somebody.post(f"{PAGE}/edit/?id={found.id}", status="sent").status_code == 403
    refused = somebody.post(f"{PAGE}/delete/", id=str(found.id), confirmed="yes")
    assert refused.status_code == 403
    assert mapping(provider_id, "bounced").status == "undeliverable"
