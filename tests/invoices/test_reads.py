"""GET /invoices and what hangs on it."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select
from werkzeug.test import TestResponse

from core.clock import rfc3339, utcnow
from core.db import unit_of_work
from core.ids import new_id
from invoices.models import Attempt, Delivery
from invoices.schemas import read_json_invoice
from invoices.services import intake
from invoices.values import Syntax
from tests.support.factories import (
    SourceWithKey,
    add_invoice,
    add_source,
    client_of,
    invoice_json,
)

pytestmark = pytest.mark.every_database

ROOT = "/api/v1/invoices"


def numbers(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["number"] for item in answer.get_json()["items"]]


def add_xml(source: SourceWithKey, body: bytes = b"<Invoice/>", **changes: object) -> UUID:
    new = replace(
        read_json_invoice(json.dumps(invoice_json(**changes)).encode()),
        syntax=Syntax.UBL,
        media_type="application/xml",
        body=body,
        customization_id="urn:cen.eu:en16931:2017",
    )
    with unit_of_work() as connection:
        return intake.accept(connection, source.id, source.environment, new).id


def add_attempt(invoice_id: UUID, number: int) -> None:
    with unit_of_work() as connection:
        delivery = connection.scalar(select(Delivery.id).where(Delivery.invoice_id == invoice_id))
        row = {
            "id": new_id(),
            "delivery_id": delivery,
            "number": number,
            "started_at": utcnow(),
            "finished_at": utcnow(),
            "outcome": "temporary",
            "http_status": 503,
            "response": "busy",
            "worker": "host-1",
            "may_have_arrived": False,
        }
        connection.execute(insert(Attempt).values(row))


# One invoice


def test_an_invoice_reads_as_it_was_written(api: FlaskClient, source: SourceWithKey) -> None:
    written = invoice_json(
        type_code="380",
        buyer_reference="04011000-12345-34",
        external_id="erp-7",
        labels={"team": "north"},
        delivery={"to": "deliver@sandbox.example"},
    )
    invoice_id = add_invoice(source, **written)

    answer = api.get(f"{ROOT}/{invoice_id}")

    assert answer.status_code == 200
    assert answer.get_json().items() >= written.items()
    assert answer.headers["ETag"] == '"1"'


def test_an_invoice_tells_what_has_become_of_it(api: FlaskClient, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)

    body = api.get(f"{ROOT}/{invoice_id}").get_json()

    assert body["id"] == str(invoice_id)
    assert body["status"] == "ready"
    assert body["sequence"] == 1
    assert body["deliveries"] == f"{ROOT}/{invoice_id}/deliveries"
    assert body["created_at"].endswith("Z")
    assert body["type_code"] == "380"
    assert "syntax" not in body


@pytest.mark.parametrize(
    ("currency", "given", "shown"),
    [
        ("EUR", "12.3", "12.30"),
        ("EUR", "-0.00", "0.00"),
        ("JPY", "12", "12"),
        ("KWD", "1.2", "1.200"),
    ],
)
def test_money_has_the_decimals_of_its_currency(
    api: FlaskClient, source: SourceWithKey, currency: str, given: str, shown: str
) -> None:
    line = {"description": "x", "quantity": "1", "unit_price": given, "net_amount": given}
    changes = {"currency": currency, "lines": [line], "payable_amount": given, "tax_amount": "0"}
    invoice_id = add_invoice(source, **changes)

    body = api.get(f"{ROOT}/{invoice_id}").get_json()

    assert body["payable_amount"] == shown
    assert body["lines"][0]["net_amount"] == shown


def test_an_xml_invoice_shows_its_header_and_syntax(
    api: FlaskClient, source: SourceWithKey
) -> None:
    invoice_id = add_xml(source, number="X-1")

    body = api.get(f"{ROOT}/{invoice_id}").get_json()

    assert (body["number"], body["syntax"]) == ("X-1", "ubl")
    assert body["customization_id"] == "urn:cen.eu:en16931:2017"
    assert body["payable_amount"] == "119.00"
    assert body["buyer"] == {"name": "Grün AG", "email": "deliver@sandbox.example"}
    assert "lines" not in body


def test_an_unchanged_invoice_is_not_sent_again(api: FlaskClient, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)

    answer = api.get(f"{ROOT}/{invoice_id}", headers={"If-None-Match": '"1"'})

    assert answer.status_code == 304


@pytest.mark.parametrize(
    "ending", ["", "/document", "/pdf", "/deliveries", "/attempts", "/history"]
)
def test_a_foreign_invoice_is_as_absent_as_none(
    app: Flask, source: SourceWithKey, ending: str
) -> None:
    invoice_id = add_invoice(source)
    stranger = client_of(app, add_source().key)

    foreign = stranger.get(f"{ROOT}/{invoice_id}{ending}").get_json()
    missing = stranger.get(f"{ROOT}/{new_id()}{ending}").get_json()

    assert foreign.pop("request_id") != missing.pop("request_id")
    assert foreign == missing
    assert foreign["status"] == 404


@pytest.mark.parametrize("wrong", ["abc", "..%2f1", "99999999999999999999", "%00", "'--"])
def test_an_id_that_is_none_is_not_found(api: FlaskClient, wrong: str) -> None:
    answer = api.get(f"{ROOT}/{wrong}")

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


# Its document


def test_the_document_comes_back_byte_for_byte(api: FlaskClient, source: SourceWithKey) -> None:
    body = '<?xml version="1.0"?>\r\n<Invoice>é</Invoice>'.encode("latin-1")
    invoice_id = add_xml(source, body, number='A/1 "x"')

    answer = api.get(f"{ROOT}/{invoice_id}/document")

    assert answer.data == body
    assert answer.content_type == "application/xml"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(body).hexdigest()}"'
    assert answer.headers["Content-Disposition"] == 'attachment; filename="A_1_x_.xml"'


def test_a_known_document_is_not_sent_again(api: FlaskClient, source: SourceWithKey) -> None:
    invoice_id = add_xml(source)
    etag = api.get(f"{ROOT}/{invoice_id}/document").headers["ETag"]

    answer = api.get(f"{ROOT}/{invoice_id}/document", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.data) == (304, b"")


# What hangs on it


def test_its_deliveries_are_listed(api: FlaskClient, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)

    [delivery] = api.get(f"{ROOT}/{invoice_id}/deliveries").get_json()["items"]

    assert delivery["provider"] == "sandbox"
    assert delivery["to"] == "deliver@sandbox.example"
    assert (delivery["origin"], delivery["state"]) == ("first", "ready")
    assert (delivery["attempt_count"], delivery["provider_reference"]) == (0, None)


def test_its_attempts_are_listed_in_order(api: FlaskClient, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    for number in (1, 2, 3):
        add_attempt(invoice_id, number)

    first = api.get(f"{ROOT}/{invoice_id}/attempts?limit=2").get_json()
    second = api.get(f"{ROOT}/{invoice_id}/attempts?limit=2&cursor={first['next']}").get_json()

    assert [item["number"] for item in first["items"] + second["items"]] == [1, 2, 3]
    assert second["next"] is None
    assert first["items"][0]["http_status"] == 503
    assert first["items"][0]["response"] == "busy"


# Lists


def test_a_list_shows_the_newest_first_and_only_ones_own(
    app: Flask, api: FlaskClient, source: SourceWithKey
) -> None:
    for number in ("1", "2", "3"):
        add_invoice(source, number=number)
    add_invoice(add_source(), number="foreign")

    assert numbers(api.get(ROOT)) == ["3", "2", "1"]


def test_pages_follow_each_other_by_their_link(api: FlaskClient, source: SourceWithKey) -> None:
    for number in range(5):
        add_invoice(source, number=str(number), labels={"k": "v"})

    found: list[str] = []
    link: str | None = f"{ROOT}?limit=2&label=k:v"
    while link:
        answer = api.get(link)
        found += numbers(answer)
        link = answer.headers.get("Link")
        if link:
            assert link.startswith("<http://127.0.0.1:8000/api/v1/invoices?limit=2&label=k%3Av&")
            assert link.endswith('>; rel="next"')
            link = link[1 : link.index(">")].removeprefix("http://127.0.0.1:8000")

    assert found == ["4", "3", "2", "1", "0"]


def test_a_new_invoice_does_not_disturb_the_pages(api: FlaskClient, source: SourceWithKey) -> None:
    for number in ("1", "2", "3"):
        add_invoice(source, number=number)
    first = api.get(f"{ROOT}?limit=1").get_json()
    add_invoice(source, number="4")

    assert numbers(api.get(f"{ROOT}?cursor={first['next']}")) == ["2", "1"]


def test_each_filter_filters(api: FlaskClient, source: SourceWithKey) -> None:
    add_invoice(
        source,
        number="A-1",
        external_id="erp-1",
        buyer={"name": "Zürich 100% AG"},
        currency="CHF",
        due_date="2026-12-31",
        labels={"team": "north", "a.b-c_d": "x:y"},
    )
    add_invoice(source, number="B-2", labels={"team": "south"})

    for query in (
        "number=A-1",
        "external_id=erp-1",
        "buyer=100%25",
        "buyer=ag",
        "currency=CHF",
        "due_from=2026-12-31",
        "due_from=2026-12-31&due_to=2026-12-31",
        "label=team:north",
        "label=a.b-c_d:x:y",
        "label=team:north&label=a.b-c_d:x:y",
        "status=ready,held&number=A-1",
    ):
        wanted = ["A-1"] if "buyer=ag" not in query else ["B-2", "A-1"]
        assert numbers(api.get(f"{ROOT}?{query}")) == wanted, query


def test_filters_that_match_nothing_find_nothing(api: FlaskClient, source: SourceWithKey) -> None:
    add_invoice(source, labels={"team": "north"})

    for query in ("status=sent", "number=A", "buyer=_", "label=team:nort", "label=x:north"):
        assert numbers(api.get(f"{ROOT}?{query}")) == [], query


def test_a_span_of_creation_includes_its_ends(api: FlaskClient, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source, number="1")
    created_at = api.get(f"{ROOT}/{invoice_id}").get_json()["created_at"]
    soon, before = (rfc3339(utcnow() + timedelta(seconds=n)) for n in (60, -60))

    assert numbers(api.get(f"{ROOT}?created_from={created_at}&created_to={created_at}")) == ["1"]
    assert numbers(api.get(f"{ROOT}?created_from={before}&created_to={soon}")) == ["1"]
    assert numbers(api.get(f"{ROOT}?created_from={soon}")) == []
    assert numbers(api.get(f"{ROOT}?created_to={before}")) == []


def test_an_offset_may_stand_in_a_query(api: FlaskClient, source: SourceWithKey) -> None:
    add_invoice(source, number="1")

    assert numbers(api.get(f"{ROOT}?created_from=2020-01-01T00:00:00+02:00")) == ["1"]


@pytest.mark.parametrize("limit", ["0", "-1", "100000", "201", "abc", "", "1.5", "%D9%A1", "1_0"])
def test_a_limit_is_1_to_200(api: FlaskClient, limit: str) -> None:
    answer = api.get(f"{ROOT}?limit={limit}")

    assert answer.status_code == 400
    assert "1 to 200" in answer.get_json()["detail"]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "A" * 32, "ü", "%00", "A" * 5000])
def test_a_cursor_that_we_did_not_make_is_refused(api: FlaskClient, cursor: str) -> None:
    answer = api.get(f"{ROOT}?cursor={cursor}")

    assert answer.status_code == 400
    assert answer.get_json()["detail"].startswith("cursor not valid")


def test_a_cursor_with_one_letter_changed_is_refused(
    api: FlaskClient, source: SourceWithKey
) -> None:
    add_invoice(source)
    add_invoice(source)
    cursor = api.get(f"{ROOT}?limit=1").get_json()["next"]

    for place in range(len(cursor)):
        other = "B" if cursor[place] == "A" else "A"
        tampered = cursor[:place] + other + cursor[place + 1 :]
        assert api.get(f"{ROOT}?cursor={tampered}").status_code == 400


def test_the_cursor_of_another_list_is_refused(api: FlaskClient, source: SourceWithKey) -> None:
    add_invoice(source)
    invoice_id = add_invoice(source)
    cursor = api.get(f"{ROOT}?limit=1").get_json()["next"]

    assert api.get(f"{ROOT}/{invoice_id}/attempts?cursor={cursor}").status_code == 400


@pytest.mark.parametrize(
    ("query", "where", "message"),
    [
        ("client=other", "/client", "Unknown parameter 'client'"),
        ("stauts=sent", "/stauts", "did you mean 'status'?"),
        ("number=1&number=2", "/number", "appears twice"),
        ("status=lost", "/status", "one of held, ready"),
        ("currency=eur", "/currency", "did you mean EUR?"),
        ("created_from=2026-01-01", "/created_from", "use a time such as"),
        ("created_from=2026-01-01T00:00:00", "/created_from", "add Z or an offset"),
        ("due_to=2026-02-30", "/due_to", "no such date"),
        ("label=team", "/label", "write key:value"),
        ("label=te%22am:x", "/label", "write key:value"),
        ("number=%00", "/number", "may not contain a null character"),
    ],
)
def test_a_query_that_cannot_be_read_names_its_parameter(
    api: FlaskClient, query: str, where: str, message: str
) -> None:
    answer = api.get(f"{ROOT}?{query}")

    assert answer.status_code == 422
    [found] = answer.get_json()["errors"]
    assert found["pointer"] == where
    assert message in found["message"]
