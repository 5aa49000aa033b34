"""Callbacks on their way in: verified, stored raw, answered before any work."""

import json
from hashlib import sha256

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from callbacks import inbox, routes, short_way
from core.clock import utcnow
from core.db import unit_of_work
from invoices.setup import PROVIDERS
from tests.callbacks import calling
from tests.callbacks.calling import CALLBACKS, SECRET, add_provider, call, said, stored
from tests.support import desk

pytestmark = pytest.mark.every_database

OTHER_SECRET = SECRET.replace("a", "b", 1)


def test_a_callback_is_stored_as_it_came(client: FlaskClient, acme: str) -> None:
    raw = json.dumps(said("r1", odd="☃")).encode() + b" \n"

    answer = call(client, acme, raw, event_id="evt_1")

    row = stored()
    assert (answer.status_code, answer.get_json()) == (202, {"id": str(row.id)})
    assert row.body == raw
    assert row.body_sha256 == sha256(raw).hexdigest()
    assert (row.dedupe_key, row.state, row.look_count) == ("evt_1", "received", 0)
    assert row.due_at <= utcnow()


def test_only_harmless_headers_are_kept(client: FlaskClient, acme: str) -> None:
    call(client, acme, said("r1"), headers={"Authorization": "Bearer x", "Cookie": "a=b"})

    assert set(stored().headers) <= set(inbox.KEPT_HEADERS)
    assert "webhook-signature" in stored().headers


def test_the_same_event_fifty_times_is_stored_once(client: FlaskClient, acme: str) -> None:
    """C10."""
    answers = [call(client, acme, said("r1"), event_id="evt_1") for _ in range(50)]

    assert [answer.status_code for answer in answers] == [202, *[200] * 49]
    assert {answer.get_json()["id"] for answer in answers} == {str(stored().id)}


def test_another_body_under_the_same_id_is_flagged(client: FlaskClient, acme: str) -> None:
    """C11."""
    first = said("r1")
    call(client, acme, first, event_id="evt_1")

    answer = call(client, acme, said("r1", "bounced"), event_id="evt_1")

    row = stored()
    assert (answer.status_code, answer.get_json()["id"]) == (200, str(row.id))
    assert json.loads(row.body) == first
    assert row.conflict_sha256 == sha256(json.dumps(said("r1", "bounced")).encode()).hexdigest()
    assert row.note == "came again with another body"


def test_long_ids_that_begin_alike_are_two_events(client: FlaskClient, acme: str) -> None:
    ids = ["x" * 255 + letter for letter in ("", "y", "z")]

    answers = [call(client, acme, said("r1"), event_id=item) for item in (*ids, ids[1])]

    assert [answer.status_code for answer in answers] == [202, 202, 202, 200]


def test_two_providers_may_use_the_same_id(client: FlaskClient, acme: str) -> None:
    add_provider("other")

    answers = [call(client, code, said("r1"), event_id="evt_1") for code in (acme, "other")]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(desk.rows(CALLBACKS)) == 2


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b"", b"\xff", b"{", b'{"status": 1}'])
def test_what_is_signed_but_unreadable_is_kept(client: FlaskClient, acme: str, body: bytes) -> None:
    """C19, as CONTRACTS has it."""
    assert call(client, acme, body).status_code == 202
    assert stored().body == body


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("age", "status"), [(0, 202), (300, 202), (301, 401), (-300, 202), (-301, 401), (600, 401)]
)
def test_five_minutes_are_too_old_and_too_young(
    client: FlaskClient, acme: str, age: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C08, C27; the clock stands still, or a second may pass on the way."""
    now = utcnow().replace(microsecond=0)
    for module in (calling, routes, short_way):
        monkeypatch.setattr(module, "utcnow", lambda: now)

    assert call(client, acme, said("r1"), age=age).status_code == status
    assert len(desk.rows(CALLBACKS)) == (status == 202)


@pytest.mark.one_database
@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "word"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-timestamp": "hello"},
        {"webhook-timestamp": "1" + "0" * 30},
        {"webhook-id": ""},
    ],
)
def test_headers_that_prove_nothing_are_401(
    client: FlaskClient, acme: str, headers: dict[str, str]
) -> None:
    """C01, C04, C05, C09."""
    answer = call(client, acme, said("r1"), headers=headers)

    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert desk.rows(CALLBACKS) == []


@pytest.mark.one_database
def test_a_wrong_secret_is_401(client: FlaskClient, acme: str) -> None:
    """C02."""
    assert call(client, acme, said("r1"), secret=OTHER_SECRET).status_code == 401


def test_while_a_secret_is_changed_both_count(
    client: FlaskClient, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C28."""
    monkeypatch.setenv("NEW_SECRET", OTHER_SECRET)
    refs = ["env:NEW_SECRET", "env:CALLING_SECRET"]
    with unit_of_work() as connection:
        connection.execute(update(PROVIDERS).values(callback_secret_refs=refs))

    answers = [call(client, acme, said("r"), secret=item) for item in (SECRET, OTHER_SECRET)]

    assert [answer.status_code for answer in answers] == [202, 202]


def test_a_secret_that_was_taken_away_counts_no_more(
    client: FlaskClient, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "FRESH_SECONDS", 0.0)
    assert call(client, acme, said("r")).status_code == 202
    monkeypatch.setenv("CALLING_SECRET", OTHER_SECRET)

    assert call(client, acme, said("r")).status_code == 401


@pytest.mark.parametrize("code", ["nobody", "nobody%00", "%2e%2e", "x" * 500])
def test_a_provider_that_is_none_is_404(app: Flask, client: FlaskClient, code: str) -> None:
    """C29."""
    assert call(client, code, said("r1")).status_code == 404


@pytest.mark.one_database
def test_another_method_is_405(client: FlaskClient, acme: str) -> None:
    """C18."""
    assert client.get(f"/callbacks/{acme}").status_code == 405


@pytest.mark.one_database
@pytest.mark.parametrize(("size", "status"), [(256 * 1024, 202), (256 * 1024 + 1, 413)])
def test_more_than_256_kb_is_413(client: FlaskClient, acme: str, size: int, status: int) -> None:
    """C17."""
    assert call(client, acme, b"x" * size).status_code == status
