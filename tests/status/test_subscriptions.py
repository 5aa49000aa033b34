"""Subscriptions over the API."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ChangedError, InputError
from core.ids import new_id
from core.settings import Settings
from core.web import settings
from status import queries, subscriptions
from status.models import PushState, Status
from status.queries import PUSHES, SUBSCRIPTIONS
from status.subscriptions import check_target
from tests.support.environment import make_settings
from tests.support.factories import (
    SourceWithKey,
    add_event,
    add_invoice,
    add_source,
    add_subscription,
    client_of,
)

pytestmark = pytest.mark.every_database

ROOT = "/api/v1/subscriptions"
URL = "http://127.0.0.1:9/hook"


@pytest.fixture
def strict(tmp_path: Path) -> Settings:
    return make_settings(tmp_path, ALLOW_PRIVATE_TARGETS="off")


def add(api: FlaskClient, **body: object) -> dict[str, str]:
    answer = api.post(ROOT, json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.get_json()
    return made


# Added


def test_a_subscription_is_added_and_its_secret_shown_once(api: FlaskClient) -> None:
    answer = api.post(ROOT, json={"url": URL, "event_types": ["invoice.sent"]})

    body = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{ROOT}/{body['id']}"
    assert body["secret"].startswith("whsec_")
    assert body["event_types"] == ["invoice.sent"]
    assert (body["state"], body["version"]) == ("active", 1)
    assert "secret" not in api.get(answer.headers["Location"]).get_json()
    assert "secret" not in api.get(ROOT).get_json()["items"][0]


def test_two_subscriptions_of_one_url_have_their_own_secrets(api: FlaskClient) -> None:
    assert add(api)["secret"] != add(api)["secret"]


def test_the_secret_is_stored_nowhere(api: FlaskClient) -> None:
    secret = add(api)["secret"]

    with reading() as connection:
        row = connection.execute(select(SUBSCRIPTIONS)).one()
    assert secret.removeprefix("whsec_") not in str(tuple(row))
    assert subscriptions.secret_text(row.id, 1, settings=settings()) == secret


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        ({}, "/url", "is required"),
        ({"url": URL, "urll": "x"}, "/urll", "did you mean 'url'?"),
        ({"url": URL, "state": "active"}, "/state", "set by the server"),
        ({"url": URL, "event_types": ["invoice.lost"]}, "/event_types/0", "choose from"),
        ({"url": URL, "event_types": "invoice.sent"}, "/event_types", "list"),
        ({"url": 5}, "/url", "string"),
        ({"url": "ftp://example.com/"}, "/url", ""),
        ({"url": "https://user:pass@example.com/"}, "/url", ""),
        ({"url": "https://example.com/" + "x" * 2000}, "/url", "2000"),
    ],
)
def test_what_cannot_be_subscribed_is_refused(
    api: FlaskClient, body: dict[str, object], where: str, message: str
) -> None:
    answer = api.post(ROOT, json=body)

    assert answer.status_code == 422
    [found] = answer.get_json()["errors"]
    assert found["pointer"] == where
    assert message in found["message"]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "detail"),
    [
        (b"", "application/json", 400, "The request has no body"),
        (b"{a:1}", "application/json", 400, "Not valid JSON: line 1 column 2"),
        (b"[]", "application/json", 400, "Expected an object"),
        (b"null", "application/json", 400, "Expected an object"),
        (b"{}", "text/plain", 415, "Send application/json"),
        (b"{}", "", 415, "Send application/json"),
        (b'{"url":"a","url":"b"}', "application/json", 400, "twice"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    api: FlaskClient, body: bytes, media_type: str, status: int, detail: str
) -> None:
    answer = api.post(ROOT, data=body, content_type=media_type)

    assert answer.status_code == status
    assert detail in answer.get_json()["detail"]


def test_a_source_has_at_most_50(app: Flask, source: SourceWithKey, api: FlaskClient) -> None:
    for _ in range(50):
        add_subscription(source)

    answer = api.post(ROOT, json={"url": URL})

    assert answer.status_code == 422
    assert answer.get_json()["detail"] == "at most 50 subscriptions"
    add_subscription(add_source())  # others are not in the way


def test_a_deleted_one_makes_room(source: SourceWithKey, api: FlaskClient) -> None:
    added = [add_subscription(source)[0] for _ in range(50)]

    api.delete(f"{ROOT}/{added[0]}")

    assert api.post(ROOT, json={"url": URL}).status_code == 201


# Where it may lead


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/"]
)
def test_a_url_must_be_https_and_public(strict: Settings, url: str) -> None:
    with pytest.raises(InputError):
        check_target(url, settings=strict)


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
def test_a_name_at_home_is_refused(strict: Settings, addresses: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        check_target("https://example.com/", settings=strict, look_up=lambda *_: addresses)

    assert caught.value.findings[0].where == "/url"


def test_a_public_name_may_be_told(strict: Settings) -> None:
    check_target("https://example.com/", settings=strict, look_up=lambda *_: ["93.184.216.34"])


def test_a_name_that_cannot_be_resolved_now_is_let_pass(strict: Settings) -> None:
    def away(host: str, port: int) -> list[str]:
        raise OSError(-3, "Temporary failure in name resolution")

    check_target("https://example.com/", settings=strict, look_up=away)


# Changed


def test_url_and_types_can_be_changed(api: FlaskClient) -> None:
    address = f"{ROOT}/{add(api)['id']}"

    answer = api.patch(address, json={"url": "http://127.0.0.1:9/other"})
    again = api.patch(address, json={"event_types": ["invoice.sent"]})

    assert answer.get_json()["url"] == "http://127.0.0.1:9/other"
    assert again.get_json()["url"] == "http://127.0.0.1:9/other"
    assert again.get_json()["event_types"] == ["invoice.sent"]
    assert again.headers["ETag"] == '"3"'


def test_a_change_of_an_older_version_is_refused(api: FlaskClient) -> None:
    address = f"{ROOT}/{add(api)['id']}"
    api.post(f"{address}/pause")

    answers = [
        api.patch(address, json={"url": URL}, headers={"If-Match": '"1"'}),
        api.delete(address, headers={"If-Match": '"1"'}),
        api.post(f"{address}/enable", headers={"If-Match": '"1"'}),
        api.post(f"{address}/rotate-secret", headers={"If-Match": '"1"'}),
    ]

    assert [answer.status_code for answer in answers] == [412] * 4
    assert "version 2" in answers[0].get_json()["detail"]
    assert api.patch(address, json={"url": URL}, headers={"If-Match": '"2"'}).status_code == 200
    assert api.patch(address, json={"url": URL}, headers={"If-Match": "*"}).status_code == 200


def test_of_two_changes_at_once_one_is_refused(source: SourceWithKey) -> None:
    new, _ = add_subscription(source)
    with reading() as connection:
        seen = queries.subscription(connection, source.id, new)

    with unit_of_work() as connection:
        subscriptions.pause(connection, seen, By("anna"))
    with pytest.raises(ChangedError, match="changed by anna"), unit_of_work() as connection:
        subscriptions.delete(connection, seen, By("bert"))


def test_pausing_and_enabling(source: SourceWithKey, api: FlaskClient) -> None:
    address = f"{ROOT}/{add(api)['id']}"

    paused = api.post(f"{address}/pause").get_json()
    with unit_of_work() as connection:
        values = {"failures": 9, "state": "disabled", "state_reason": "410"}
        connection.execute(update(SUBSCRIPTIONS).values(values))
    enabled = api.post(f"{address}/enable").get_json()

    assert paused["state"] == "paused"
    assert (enabled["state"], enabled["state_reason"]) == ("active", None)
    with reading() as connection:
        assert connection.execute(select(SUBSCRIPTIONS)).one().failures == 0


def test_a_deleted_one_is_gone(api: FlaskClient) -> None:
    address = f"{ROOT}/{add(api)['id']}"

    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404
    assert api.delete(address).status_code == 404
    assert api.get(ROOT).get_json()["items"] == []


def test_a_new_secret_leaves_the_old_one_a_day(api: FlaskClient) -> None:
    first = add(api)
    address = f"{ROOT}/{first['id']}"

    second = api.post(f"{address}/rotate-secret").get_json()
    third = api.post(f"{address}/rotate-secret").get_json()

    assert len({first["secret"], second["secret"], third["secret"]}) == 3
    with reading() as connection:
        row = connection.execute(select(SUBSCRIPTIONS)).one()
    assert row.secret_numbers == [3, 2]
    assert timedelta(hours=23) < row.old_secret_until - utcnow() <= timedelta(hours=24)


@pytest.mark.parametrize(
    ("method", "ending"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/enable"),
        ("POST", "/rotate-secret"),
        ("GET", "/pushes"),
    ],
)
def test_a_foreign_subscription_is_as_absent_as_none(
    app: Flask, source: SourceWithKey, method: str, ending: str
) -> None:
    foreign, _ = add_subscription(source)
    stranger = client_of(app, add_source().key)
    body: dict[str, str] | None = {} if method == "PATCH" else None

    for some_id in (foreign, new_id(), "abc"):
        answer = stranger.open(f"{ROOT}/{some_id}{ending}", method=method, json=body)
        assert answer.status_code == 404


def test_reading_does_not_allow_to_change(app: Flask) -> None:
    reader = client_of(app, add_source(scopes=("subscriptions:read",)).key)

    assert reader.get(ROOT).status_code == 200
    assert reader.post(ROOT, json={"url": URL}).status_code == 403


# Its pushes


def test_its_pushes_are_listed_newest_first(api: FlaskClient, source: SourceWithKey) -> None:
    new, _ = add_subscription(source)
    invoice_id = add_invoice(source)
    add_event(source, invoice_id, 2, Status.SENT)

    first = api.get(f"{ROOT}/{new}/pushes?limit=1").get_json()
    second = api.get(f"{ROOT}/{new}/pushes?cursor={first['next']}").get_json()

    assert [push["type"] for push in first["items"] + second["items"]] == [
        "invoice.sent",
        "invoice.ready",
    ]
    assert first["items"][0]["state"] == PushState.PENDING
    assert str(UUID(first["items"][0]["event_id"])) == first["items"][0]["event_id"]
    with reading() as connection:
        assert connection.execute(select(PUSHES)).all()
