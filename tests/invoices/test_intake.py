"""Taking invoices in: once, whole, and due when they should be."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from core.clock import rfc3339, utcnow
from core.db import unit_of_work
from core.errors import ConflictError, InputError, KuvertError
from core.web import settings
from invoices import setup
from invoices.models import Document, IdempotencyRecord, Source
from invoices.schemas import read_json_invoice
from invoices.services import intake
from invoices.services.intake import Accepted, TakenError
from invoices.setup import NewProvider
from tests.support import desk
from tests.support.factories import SourceWithKey, add_source, client_of, invoice_json

pytestmark = pytest.mark.every_database

ROOT = "/api/v1/invoices"
DOCUMENTS = Document.__table__


def take(source: SourceWithKey, *bodies: Mapping[str, Any]) -> list[Accepted | KuvertError]:
    news = [read_json_invoice(json.dumps(body).encode()) for body in bodies]
    with unit_of_work() as connection:
        return intake.accept_many(connection, source.id, source.environment, news)


def take_one(source: SourceWithKey, **changes: object) -> Accepted:
    [end] = take(source, invoice_json(**changes))
    assert isinstance(end, Accepted), end
    return end


def refused(source: SourceWithKey, body: Mapping[str, Any]) -> KuvertError:
    [end] = take(source, body)
    assert isinstance(end, KuvertError), end
    return end


def send(api: FlaskClient, body: Mapping[str, Any], key: str | None = None) -> TestResponse:
    return api.post(ROOT, json=body, headers={"Idempotency-Key": key} if key else {})


def add_provider(code: str, channel: str) -> None:
    new = NewProvider(code=code, channel=channel, url="https://acme.example.com/in")
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=settings())


# Taken in


def test_an_invoice_is_stored_whole_and_due_at_once(source: SourceWithKey) -> None:
    body = invoice_json(external_id="E1", labels={"team": "north"})

    end = take_one(source, **body)

    invoice, document = desk.only(desk.INVOICES), desk.only(DOCUMENTS)
    delivery = desk.only(desk.DELIVERIES)
    assert (end.id, end.delivery_id, end.status, end.is_new) == (
        invoice.id, delivery.id, "ready", True,
    )  # fmt: skip
    assert invoice.current_delivery_id == delivery.id
    assert (invoice.external_id, invoice.labels) == ("E1", {"team": "north"})
    assert json.loads(document.body) == body
    assert document.sha256 == sha256(document.body).hexdigest()
    assert delivery.recipient == "deliver@sandbox.example"
    assert delivery.due_at <= utcnow()
    assert desk.path_of(end.id) == ["ready"]


def test_an_invoice_to_be_sent_later_is_not_due_before(source: SourceWithKey) -> None:
    later = utcnow().replace(microsecond=0) + timedelta(hours=1)

    end = take_one(source, send_at=rfc3339(later))

    assert end.status == "ready"
    assert desk.only(desk.DELIVERIES).due_at == later
    assert desk.claim() == []


def test_a_time_that_has_passed_is_now(source: SourceWithKey) -> None:
    take_one(source, send_at="2020-01-01T00:00:00Z")

    assert desk.only(desk.DELIVERIES).due_at > datetime(2026, 1, 1, tzinfo=UTC)


def test_without_a_provider_it_is_held(app: Flask) -> None:
    end = take_one(add_source(provider=None))

    delivery = desk.only(desk.DELIVERIES)
    assert end.status == "held"
    assert (delivery.state, delivery.due_at, delivery.provider_id) == ("held", None, None)
    assert desk.history_of(end.id)[0].note.startswith("no provider")


def test_the_invoice_names_its_provider_and_recipient(source: SourceWithKey) -> None:
    add_source(provider="sandbox-2")

    take_one(source, delivery={"provider": "sandbox-2", "to": "slow@sandbox.example"})

    delivery = desk.only(desk.DELIVERIES)
    codes = {row.id: row.code for row in desk.rows(desk.PROVIDERS)}
    assert codes[delivery.provider_id] == "sandbox-2"
    assert delivery.recipient == "slow@sandbox.example"


# Refused


def test_an_unknown_provider_is_refused(source: SourceWithKey) -> None:
    end = refused(source, invoice_json(delivery={"provider": "nobody"}))

    assert isinstance(end, InputError)
    assert end.findings[0].where == "/delivery/provider"
    assert desk.rows(desk.INVOICES) == []


def test_a_test_key_reaches_only_the_sandbox(source: SourceWithKey) -> None:
    add_provider("acme", "http")

    end = refused(source, invoice_json(delivery={"provider": "acme"}))

    assert isinstance(end, InputError)
    assert end.findings[0].rule == "test-key"


def test_a_test_key_does_not_reach_its_source_s_provider_either(app: Flask) -> None:
    add_provider("acme", "http")
    source = add_source(environment="live", provider="acme")
    with unit_of_work() as connection:
        connection.execute(update(Source.__table__).values(environment="test"))
        news = [read_json_invoice(json.dumps(invoice_json()).encode())]
        [end] = intake.accept_many(connection, source.id, "test", news)

    assert isinstance(end, InputError)


# The same again


def test_the_same_bytes_are_answered_with_the_first_id(source: SourceWithKey) -> None:
    body = invoice_json()
    first = take_one(source, **body)

    again = take_one(source, **body)

    assert (again.id, again.delivery_id, again.is_new) == (first.id, first.delivery_id, False)
    assert len(desk.rows(desk.DELIVERIES)) == 1
    assert len(desk.history_of(first.id)) == 1


def test_another_document_under_the_number_is_named_by_what_differs(source: SourceWithKey) -> None:
    body = invoice_json()
    first = take_one(source, **body)

    end = refused(source, body | {"buyer": {"name": "Rot AG"}, "due_date": "2026-12-24"})

    assert isinstance(end, ConflictError)
    assert str(first.id) in end.detail
    assert end.detail.endswith("differs in due date, buyer")
    assert {finding.where for finding in end.findings} == {"/due_date", "/buyer_name"}


def test_an_amount_that_differs_is_shown_as_it_was_written(source: SourceWithKey) -> None:
    body = invoice_json()
    take_one(source, **body)
    line = body["lines"][0] | {"unit_price": "20.00", "net_amount": "200.00"}

    end = refused(
        source, body | {"lines": [line], "tax_amount": "38.00", "payable_amount": "238.00"}
    )

    messages = [finding.message for finding in end.findings]
    assert "payable amount: 119.00 is there, 238.00 came" in messages


def test_a_difference_in_bytes_alone_is_told_too(source: SourceWithKey) -> None:
    body = invoice_json()
    take_one(source, **body)

    end = refused(source, body | {"buyer_reference": "4711"})

    assert end.detail.endswith("differs in the document's bytes")


def test_spacing_and_case_make_no_other_seller(source: SourceWithKey) -> None:
    body = invoice_json()
    take_one(source, **body)

    end = refused(source, body | {"seller": {"name": "blau  & SÖHNE"}})

    assert isinstance(end, ConflictError)


@pytest.mark.parametrize(
    "changes",
    [
        {"seller": {"name": "Somebody else"}},
        {"type_code": "381"},
        {"issue_date": "2025-11-20", "due_date": "2025-12-20"},
    ],
)
def test_the_number_of_another_seller_type_or_year_is_free(
    source: SourceWithKey, changes: dict[str, object]
) -> None:
    body = invoice_json()
    take_one(source, **body)

    assert take_one(source, **(body | changes)).is_new


def test_another_source_may_use_the_same_number(source: SourceWithKey) -> None:
    body = invoice_json(external_id="E1")
    take_one(source, **body)

    assert take_one(add_source(), **body).is_new


def test_an_external_id_belongs_to_one_invoice(source: SourceWithKey) -> None:
    first = take_one(source, external_id="E1")

    end = refused(source, invoice_json(external_id="E1"))

    assert isinstance(end, ConflictError)
    assert str(first.id) in end.detail
    assert "differs in number" in end.detail


# Many


def test_each_of_many_is_all_or_nothing(source: SourceWithKey) -> None:
    known = invoice_json()
    take_one(source, **known)

    ends = take(
        source,
        invoice_json(),
        invoice_json(delivery={"provider": "nobody"}),
        known,
        known | {"buyer": {"name": "Rot AG"}},
        invoice_json(),
    )

    assert [type(end) for end in ends] == [
        Accepted, InputError, Accepted, TakenError, Accepted,
    ]  # fmt: skip
    assert [getattr(end, "is_new", None) for end in ends] == [True, None, False, None, True]
    for table in (desk.INVOICES, DOCUMENTS, desk.DELIVERIES, desk.EVENTS):
        assert len(desk.rows(table)) == 3


def test_the_same_twice_in_one_batch_is_one(source: SourceWithKey) -> None:
    body = invoice_json()

    first, second = take(source, body, body)

    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (second.id, second.is_new) == (first.id, False)


def test_a_hundred_are_as_good_as_one(source: SourceWithKey) -> None:
    ends = take(source, *(invoice_json() for _ in range(100)))

    assert all(isinstance(end, Accepted) and end.is_new for end in ends)
    assert len(desk.rows(desk.EVENTS)) == 100
    assert len(desk.ids_of(desk.claim(1000))) == 100


def test_none_is_none(source: SourceWithKey) -> None:
    assert take(source) == []


# Over HTTP


def test_accepted_is_202_and_the_same_again_200(api: FlaskClient) -> None:
    body = invoice_json()

    first, again = send(api, body), send(api, body)

    assert (first.status_code, again.status_code) == (202, 200)
    assert first.get_json() == again.get_json()
    assert first.headers["Location"] == f"{ROOT}/{first.get_json()['id']}"


def test_the_same_key_gives_the_first_answer(api: FlaskClient) -> None:
    body = invoice_json()

    first, again = send(api, body, "k1"), send(api, body, "k1")

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    assert len(desk.rows(IdempotencyRecord.__table__)) == 1


def test_the_first_answer_stays_as_it_was(api: FlaskClient) -> None:
    body = invoice_json()
    first = send(api, body, "k1")
    api.post(f"{ROOT}/{first.get_json()['id']}/cancel", json={"reason": "x"})

    assert send(api, body, "k1").get_json()["status"] == "ready"


def test_the_same_key_for_another_body_is_refused(api: FlaskClient) -> None:
    send(api, invoice_json(), "k1")

    assert send(api, invoice_json(), "k1").status_code == 422
    assert len(desk.rows(desk.INVOICES)) == 1


def test_a_key_is_its_source_s_own(app: Flask, api: FlaskClient) -> None:
    send(api, invoice_json(), "k1")
    other = client_of(app, add_source().key)

    assert send(other, invoice_json(), "k1").status_code == 202


@pytest.mark.one_database
@pytest.mark.parametrize("key", ["", "with space", "ü", "x" * 256])
def test_a_key_that_is_none_is_refused(api: FlaskClient, key: str) -> None:
    answer = api.post(ROOT, json=invoice_json(), headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.get_json()["detail"]


def test_what_was_refused_may_be_mended_under_the_same_key(api: FlaskClient) -> None:
    assert send(api, invoice_json(currency="XXX"), "k1").status_code == 422

    assert send(api, invoice_json(), "k1").status_code == 202


def test_a_batch_answers_for_each_item(api: FlaskClient) -> None:
    known = invoice_json()
    send(api, known)
    items = [invoice_json(), {"number": "x"}, known, known | {"buyer": {"name": "Rot AG"}}]
    lines = b"\n".join(json.dumps(item).encode() for item in items)

    answer = api.post(f"{ROOT}/batch", data=lines, content_type="application/x-ndjson")

    results = answer.get_json()["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert [result["code"] for result in results] == [202, 422, 200, 409]


@pytest.mark.one_database
def test_validating_stores_nothing(api: FlaskClient) -> None:
    good = api.post(f"{ROOT}/validate", json=invoice_json()).get_json()
    bad = api.post(f"{ROOT}/validate", json=invoice_json(payable_amount="1.00")).get_json()

    assert (good["valid"], bad["valid"]) == (True, False)
    assert bad["findings"]
    assert desk.rows(desk.INVOICES) == []


def test_an_id_is_what_the_answer_says(api: FlaskClient) -> None:
    answer = send(api, invoice_json()).get_json()

    assert desk.status_of(UUID(answer["id"])) == answer["status"]
