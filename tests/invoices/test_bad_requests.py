"""Bad requests to the invoice API, by their number in the list of bad inputs (A01 to A55)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from werkzeug.test import TestResponse

from core.db import database, reading
from invoices.models import Invoice
from tests.support.factories import invoice_json

ROOT = "/api/v1/invoices"
JSON = "application/json"

UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "A01": (b"", 400, "The request has no body"),
    "A02": (b"{a:1}", 400, "Not valid JSON: line 1 column 2"),
    "A04 array": (b"[]", 400, "Expected an object"),
    "A04 null": (b"null", 400, "Expected an object"),
    "A04 number": (b"5", 400, "Expected an object"),
    "A06": (b'{"amount":1,"amount":2}', 400, "Key 'amount' appears twice"),
    "A07": (b"[" * 2000 + b"]" * 2000, 400, "Nested too deeply"),
    "A09": (b"x" * (20 * 1024 * 1024), 413, "Limit is 10 MB"),
    "A10": (b'{"number":"\xff"}', 400, "Body is not UTF-8"),
    "A11": ('{"number":"1"}'.encode("utf-16"), 400, "Send UTF-8"),
}


def post(api: FlaskClient, body: bytes, **headers: str) -> TestResponse:
    return api.post(ROOT, data=body, content_type=JSON, headers=headers)


def with_number(name: str, digits: str) -> bytes:
    """Write an invoice with a bare number where it has a text."""
    return json.dumps(invoice_json(**{name: "@"})).replace('"@"', digits).encode()


def stored() -> int:
    with reading() as connection:
        return connection.scalar(select(func.count()).select_from(Invoice)) or 0


@pytest.mark.parametrize("number", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused(api: FlaskClient, number: str) -> None:
    body, status, detail = UNREADABLE[number]

    answer = post(api, body)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert detail in answer.get_json()["detail"]


def test_a03_another_media_type_is_refused(api: FlaskClient) -> None:
    answer = api.post(ROOT, data=b"x", content_type="text/plain")

    assert answer.status_code == 415
    assert answer.get_json()["detail"] == "Send application/json or application/xml"


@pytest.mark.parametrize("digits", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a05_what_is_no_number_names_its_field(api: FlaskClient, digits: str) -> None:
    answer = post(api, with_number("payable_amount", digits))

    assert answer.status_code == 400
    [found] = answer.get_json()["errors"]
    assert found["pointer"] == "/payable_amount"
    assert "not a number" in found["message"]


def test_a08_an_endless_integer_names_its_field(api: FlaskClient) -> None:
    answer = post(api, with_number("payable_amount", "9" * 5000))

    assert answer.status_code == 400
    assert answer.get_json()["errors"][0]["pointer"] == "/payable_amount"


def test_a12_a_byte_order_mark_does_no_harm(api: FlaskClient) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(invoice_json()).encode()

    answer = post(api, body)

    assert answer.status_code == 202
    assert api.get(answer.headers["Location"]).status_code == 200


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "A13": ({"number": "a\0b"}, "/number", "may not contain a null character"),
    "A14": ({"number": "\ud800"}, "/number", "not valid text"),
    "A17": ({"ammount": "1"}, "/ammount", "Unknown field 'ammount'"),
    "A18 status": ({"status": "sent"}, "/status", "set by the server"),
    "A18 id": ({"id": "1"}, "/id", "set by the server"),
    "A18 created_at": ({"created_at": "1"}, "/created_at", "set by the server"),
    "A18 client": ({"client": "1"}, "/client", "set by the server"),
    "A19": ({"payable_amount": 0.30000000000000004}, "/payable_amount", "send amounts as text"),
    "A20 comma": ({"payable_amount": "119,00"}, "/payable_amount", "use digits and a dot"),
    "A20 decimals": ({"payable_amount": "119.005"}, "/payable_amount", "at most 2 decimals"),
    "A20 underscore": ({"payable_amount": "1_19.00"}, "/payable_amount", "use digits and a dot"),
    "A20 arabic": ({"payable_amount": "١١٩"}, "/payable_amount", "use digits and a dot"),
    "A22": ({"payable_amount": "1" * 30}, "/payable_amount", "at most 12 digits before the dot"),
    "A23": ({"currency": "JPY", "payable_amount": "1.5"}, "/payable_amount", "JPY"),
    "A24 case": ({"currency": "eur"}, "/currency", "did you mean EUR?"),
    "A24 none": ({"currency": "XXX"}, "/currency", "not an ISO 4217 code"),
    "A25": ({"issue_date": "2026-02-30"}, "/issue_date", "no such date"),
    "A26 basic": ({"issue_date": "20261122"}, "/issue_date", "use YYYY-MM-DD"),
    "A26 week": ({"issue_date": "2026-W47-7"}, "/issue_date", "use YYYY-MM-DD"),
    "A28": ({"issue_date": "9999-01-01"}, "/issue_date", "outside 1990-2100"),
    "A29": ({"send_at": "2026-11-22T10:00:00"}, "/send_at", "add Z or an offset"),
    "A30 short": ({"delivery": {"to": "a@b\r\nBcc: x"}}, "/delivery/to", ""),
    "A30 long": ({"buyer": {"name": "x", "email": "a" * 320 + "@b.example"}}, "/buyer/email", ""),
    "A31 long": ({"number": "1" * 300}, "/number", "1 to 64 characters"),
    "A31 empty": ({"number": ""}, "/number", "1 to 64 characters"),
    "A31 spaces": ({"number": "   "}, "/number", "1 to 64 characters"),
}


@pytest.mark.parametrize("number", REFUSED)
def test_an_invoice_that_breaks_a_rule_names_its_field(api: FlaskClient, number: str) -> None:
    changes, where, message = REFUSED[number]

    answer = post(api, json.dumps(invoice_json(**changes)).encode())

    assert answer.status_code == 422, answer.text
    assert any(
        found["pointer"] == where and message in found["message"]
        for found in answer.get_json()["errors"]
    ), answer.text
    assert stored() == 0


def test_a16_all_missing_fields_are_named_at_once(api: FlaskClient) -> None:
    answer = post(api, b"{}")

    assert answer.status_code == 422
    named = {found["pointer"] for found in answer.get_json()["errors"]}
    assert named >= {"/number", "/issue_date", "/currency", "/payable_amount", "/seller", "/buyer"}


def test_a27_a_due_date_before_the_issue_date_names_both(api: FlaskClient) -> None:
    body = invoice_json(issue_date="2026-11-20", due_date="2026-11-19")

    answer = post(api, json.dumps(body).encode())

    assert answer.status_code == 422
    [found] = answer.get_json()["errors"]
    assert found["pointer"] == "/due_date"
    assert found["message"] == "due_date 2026-11-19 is before issue_date 2026-11-20"


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a b\x7f"])
def test_a35_an_idempotency_key_is_visible_ascii(api: FlaskClient, key: str) -> None:
    body = json.dumps(invoice_json()).encode()

    answer = post(api, body, **{"Idempotency-Key": key})

    assert answer.status_code == 400
    assert stored() == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "PATCH"])
def test_a43_another_method_is_told_which_there_are(api: FlaskClient, method: str) -> None:
    answer = api.open(ROOT, method=method)

    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_a49_a_forwarded_host_is_not_believed(api: FlaskClient) -> None:
    for number in ("1", "2"):
        post(api, json.dumps(invoice_json(number=number)).encode())
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}

    answer = api.get(f"{ROOT}?limit=1", headers={**forged, "Host": "other.example"})

    assert answer.headers["Link"].startswith("<http://127.0.0.1:8000/api/v1/invoices?")


# A55: the disk is full


@pytest.fixture
def full_disk(app: Flask) -> Iterator[None]:
    """Let the SQLite file grow by no more than a few pages."""
    engine = database().engine

    def limit(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_count")
        [pages] = cursor.fetchone() or (0,)
        cursor.execute(f"PRAGMA max_page_count = {pages + 8}")
        cursor.close()

    event.listen(engine, "connect", limit)
    engine.dispose()
    yield
    event.remove(engine, "connect", limit)
    engine.dispose()


def test_a55_on_a_full_disk_nothing_is_half_stored(api: FlaskClient, full_disk: None) -> None:
    accepted: list[str] = []
    answers: list[TestResponse] = []
    for number in range(60):
        labels = {"padding": "x" * 200}
        body = invoice_json(number=str(number), labels=labels, buyer_reference="y" * 200)
        answer = post(api, json.dumps(body).encode())
        if answer.status_code == 202:
            accepted.append(answer.get_json()["id"])
        else:
            answers.append(answer)

    assert answers
    assert {answer.status_code for answer in answers} == {507}
    assert answers[0].headers["Retry-After"] == "5"
    assert answers[0].get_json()["type"] == "urn:kuvert:problem:storage-full"
    assert stored() == len(accepted)
    for invoice_id in accepted:
        assert api.get(f"{ROOT}/{invoice_id}/document").status_code == 200
    with reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
