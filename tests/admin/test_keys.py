"""The pages of API keys: shown once, ended, taken back."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row, select

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import UnauthenticatedError
from invoices import access
from invoices.models import ApiKey
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.support import desk, factories

pytestmark = pytest.mark.pages

KEYS = ApiKey.__table__
PAGE = "/admin/api_key"
KEY = re.compile(r"kv_(?:live|test)_[0-9a-f]{12}_[0-9a-f]{64}")


@pytest.fixture
def key(source: factories.SourceWithKey) -> Row[Any]:
    """The key of the source, as it is stored."""
    return desk.only(KEYS)


def stored(key_id: UUID) -> Row[Any]:
    with reading() as connection:
        return connection.execute(select(KEYS).where(KEYS.c.id == key_id)).one()


def test_a_new_key_is_shown_this_once_and_may_what_was_ticked(
    admin: Person, source: factories.SourceWithKey
) -> None:
    answer = admin.post(
        f"{PAGE}/new/",
        source_id=str(source.id),
        environment="",
        scopes=["invoices:read", "events:read"],
        expires_days="7",
    )

    [made, *_] = KEY.findall(answer.get_data(as_text=True))
    caller = access.authenticate(made)
    assert caller.environment == "test"
    assert caller.scopes == frozenset({"invoices:read", "events:read"})
    html = admin.text(f"{PAGE}/?search={caller.key_prefix}")
    assert "invoices:read" in html
    assert "in 6 days" in html
    assert made.split("_")[3] not in html


def test_a_link_may_bring_the_source(admin: Person, source: factories.SourceWithKey) -> None:
    html = admin.text(f"{PAGE}/new/?source_id={source.id}&nonsense=1&csrf_token=x")

    assert f'<option selected value="{source.id}">erp</option>' in html
    assert 'name="csrf_token" type="hidden" value="x"' not in html


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source_id": ""}, "This field is required"),
        ({"expires_days": "0"}, "1 to 3650 days"),
        ({"expires_days": "1_0"}, "a whole number"),
        ({"expires_days": "9" * 30}, "a whole number"),
        ({"scopes": ["everything"]}, "not a valid choice"),
        ({"environment": "live"}, "The source is a test source"),
    ],
)
def test_a_bad_value_is_told_at_its_field(
    admin: Person, source: factories.SourceWithKey, fields: dict[str, Any], words: str
) -> None:
    given = {"source_id": str(source.id), "environment": "", **fields}

    html = admin.post(f"{PAGE}/new/", **given).get_data(as_text=True)

    assert words in complaints(html)
    assert len(desk.rows(KEYS)) == 1


def test_revoking_asks_first_and_the_key_counts_no_more(
    admin: Person, source: factories.SourceWithKey, key: Row[Any]
) -> None:
    act = {"action": "revoke", "rowid": str(key.id)}
    asked = admin.post(f"{PAGE}/action/", **act).get_data(as_text=True)
    access.authenticate(source.key)

    admin.post(f"{PAGE}/action/", **act, confirmed="yes")

    assert key.prefix in asked
    with pytest.raises(UnauthenticatedError):
        access.authenticate(source.key)
    html = admin.text(f"{PAGE}/details/?id={key.id}")
    assert "state-plain" in html
    assert "revoked" in html
    assert "/edit/" not in html
    assert admin.get(f"{PAGE}/edit/?id={key.id}").status_code == 409


def test_its_end_can_be_set_and_taken_away(admin: Person, key: Row[Any]) -> None:
    address = f"{PAGE}/edit/?id={key.id}"
    tomorrow = utcnow() + timedelta(days=1)

    admin.post(address, expires_at=f"{tomorrow:%Y-%m-%dT%H:%M}", version="1")

    assert stored(key.id).expires_at == tomorrow.replace(second=0, microsecond=0)
    assert f'value="{tomorrow:%Y-%m-%dT%H:%M}"' in admin.text(address)
    admin.post(address, expires_at="", version="2")
    assert stored(key.id).expires_at is None


@pytest.mark.parametrize("wrong", ["2026-02-30T10:00", "tomorrow", "2020-01-01T00:00"])
def test_an_end_that_cannot_be_is_told_at_the_field(
    admin: Person, key: Row[Any], wrong: str
) -> None:
    html = admin.post(f"{PAGE}/edit/?id={key.id}", expires_at=wrong, version="1").get_data(
        as_text=True
    )

    assert re.search(r'class="field field-wrong"', html)
    assert f'value="{wrong}"' in html
    assert stored(key.id).expires_at is None


def test_the_second_of_two_editors_is_told_of_the_first(admin: Person, key: Row[Any]) -> None:
    first, mine = utcnow() + timedelta(days=3), utcnow() + timedelta(days=9)
    with unit_of_work() as connection:
        access.set_expiry(connection, key.prefix, first, By("ann@example.com"))

    html = admin.post(
        f"{PAGE}/edit/?id={key.id}", expires_at=f"{mine:%Y-%m-%dT%H:%M}", version="1"
    ).get_data(as_text=True)

    assert "changed by ann@example.com at 20" in html
    assert "in 2 days" in html
    assert "in 8 days" in html
    assert stored(key.id).expires_at == first


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_below_an_admin_one_may_only_look(person: LogIn, key: Row[Any], role: str) -> None:
    somebody = person(role)
    act = {"action": "revoke", "rowid": str(key.id), "confirmed": "yes"}

    html = somebody.text(f"{PAGE}/details/?id={key.id}")

    assert 'value="revoke"' not in html
    assert somebody.get(f"{PAGE}/new/").status_code == 403
    assert somebody.post(f"{PAGE}/edit/?id={key.id}", expires_at="").status_code == 403
    assert somebody.post(f"{PAGE}/action/", **act).status_code == 403
    assert stored(key.id).revoked_at is None


def test_whoever_gave_the_password_long_ago_gives_it_again_first(person: LogIn) -> None:
    somebody = person("admin", is_fresh=False)

    answer = somebody.get(f"{PAGE}/new/")

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/verify?next=")
