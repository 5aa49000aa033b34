"""Invoices written in JSON, field by field: rows A04, A05, A13 to A18 and A24 to A31."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from core.errors import Finding, InputError, UnreadableError
from invoices.schemas import read_json_invoice, read_query_options
from invoices.values import NewInvoice, Syntax
from tests.invoices.json_samples import (
    Json,
    a_line,
    an_invoice,
    findings,
    read,
    rules,
    the_finding,
)
from tests.support.data import shared_data


def test_a_full_invoice_is_read_field_by_field() -> None:
    body = json.dumps(
        an_invoice(
            type_code="384",
            due_date="2026-12-22",
            buyer_reference="PO 7",
            seller={"name": "Seller GmbH", "id": "DE1", "email": "seller@example.com"},
            buyer={"name": "Büyer", "id": "B1", "email": "b@example.com", "address": "A 1\nB"},
            delivery={"provider": "sandbox", "to": "deliver@sandbox.example"},
            external_id="erp-9",
            send_at="2026-11-23T08:30:00.5+02:00",
            labels={"team": "north", "a.b_c-1": ""},
        ),
        indent=1,
    ).encode()

    invoice = read_json_invoice(body)

    assert invoice == NewInvoice(
        number="2026-0001",
        issue_date=date(2026, 11, 22),
        type_code="384",
        currency="EUR",
        due_date=date(2026, 12, 22),
        buyer_reference="PO 7",
        payable_amount=Decimal("125.00"),
        tax_amount=Decimal("25.00"),
        seller_name="Seller GmbH",
        seller_id="DE1",
        seller_email="seller@example.com",
        buyer_name="Büyer",
        buyer_id="B1",
        buyer_email="b@example.com",
        buyer_address="A 1\nB",
        line_count=1,
        syntax=Syntax.JSON,
        provider_code="sandbox",
        recipient="deliver@sandbox.example",
        external_id="erp-9",
        send_at=datetime(2026, 11, 23, 6, 30, 0, 500_000, tzinfo=UTC),
        labels={"team": "north", "a.b_c-1": ""},
        media_type="application/json",
        body=body,
    )


def test_what_is_optional_may_be_left_out() -> None:
    invoice = read(an_invoice())

    assert invoice.type_code == "380"
    assert (invoice.due_date, invoice.recipient, invoice.send_at) == (None, None, None)
    assert invoice.labels == {}


@pytest.mark.parametrize("top", ["[]", "null", "12", '"text"', "true"])
def test_only_an_object_is_an_invoice(top: str) -> None:
    with pytest.raises(UnreadableError, match="Expected an object"):
        read_json_invoice(top.encode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_no_number_names_its_field(number: str) -> None:
    with pytest.raises(UnreadableError, match=r"^/payable_amount: not a number"):
        read_json_invoice(f'{{"payable_amount": {number}}}'.encode())


def test_every_missing_field_is_named_at_once() -> None:
    missing = findings({"buyer": {}, "lines": [{}]})

    assert {finding.rule for finding in missing} == {"required"}
    assert {finding.where for finding in missing} == {
        "/number",
        "/issue_date",
        "/currency",
        "/seller",
        "/buyer/name",
        "/payable_amount",
        "/lines/0/description",
        "/lines/0/quantity",
        "/lines/0/unit_price",
        "/lines/0/net_amount",
    }


@pytest.mark.parametrize(
    ("invoice", "where", "message"),
    [
        (
            an_invoice(payable_ammount="1"),
            "/payable_ammount",
            "Unknown field 'payable_ammount' (did you mean 'payable_amount'?)",
        ),
        (an_invoice(qwxz=1), "/qwxz", "Unknown field 'qwxz'"),
        (
            an_invoice(seller={"name": "x", "e-mail": "a"}),
            "/seller/e-mail",
            "Unknown field 'e-mail' (did you mean 'email'?)",
        ),
        (
            an_invoice(lines=[a_line(netamount="1")]),
            "/lines/0/netamount",
            "Unknown field 'netamount' (did you mean 'net_amount'?)",
        ),
        (an_invoice(**{"a/b~": 1}), "/a~1b~0", "Unknown field 'a/b~'"),
    ],
)
def test_an_unknown_field_is_named(invoice: Json, where: str, message: str) -> None:
    finding = the_finding(invoice)

    assert finding == Finding(where, "unknown-field", message)


@pytest.mark.parametrize("name", ["id", "status", "sequence", "created_at", "client", "source"])
def test_what_the_server_sets_cannot_be_sent(name: str) -> None:
    assert the_finding(an_invoice(**{name: "x"})).message == "set by the server"


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2026-02-30", "no such date"),
        ("20261122", "use YYYY-MM-DD"),
        ("2026-W47-7", "use YYYY-MM-DD"),
        ("2026-11-22T00:00:00Z", "use YYYY-MM-DD"),
        ("٢٠٢٦-11-22", "use YYYY-MM-DD"),
        ("22.11.2026", "use YYYY-MM-DD"),
        (20261122, "use YYYY-MM-DD"),
        ("9999-01-01", "outside 1990-2100"),
        ("0001-01-01", "outside 1990-2100"),
        ("1989-12-31", "outside 1990-2100"),
    ],
)
def test_a_date_is_a_day_of_the_calendar(day: object, message: str) -> None:
    assert the_finding(an_invoice(issue_date=day)).message == message


def test_due_before_issued_names_both() -> None:
    finding = the_finding(an_invoice(due_date="2026-11-21"))

    assert finding.message == "due_date 2026-11-21 is before issue_date 2026-11-22"


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("2026-11-22T08:30:00", "add Z or an offset"),
        ("2026-11-22", "use a time such as 2026-11-22T08:30:00Z"),
        ("2026-02-30T08:30:00Z", "no such time"),
        ("2026-11-22T24:30:00Z", "no such time"),
        ("2026-11-22T08:30:00+99:00", "no such time"),
        ("0001-01-01T00:00:00+14:00", "outside 1990-2100"),
        (1_795_000_000, "use a time such as 2026-11-22T08:30:00Z"),
    ],
)
def test_a_time_has_a_zone(time: object, message: str) -> None:
    assert the_finding(an_invoice(send_at=time)).message == message


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "a@b.example\r\nBcc: x@y.example",
        "a" * 308 + "@example.com",
        "a b@example.com",
        "a@@example.com",
        "@example.com",
        "a@-x.example",
        "a@example..com",
        ".a@example.com",
        "a@example.com\0",
        "a@exämple.com",
        "<a@example.com>",
        "",
    ],
)
@pytest.mark.parametrize("where", ["/delivery/to", "/buyer/email", "/seller/email"])
def test_an_address_must_take_mail(where: str, address: str) -> None:
    part, name = where[1:].split("/")
    rest = {} if part == "delivery" else {"name": "x"}

    assert the_finding(an_invoice(**{part: {**rest, name: address}})).where == where


@pytest.mark.parametrize("recipient", ["o'neil+tag@mail.example.com", "0192:991825827"])
def test_a_recipient_may_be_in_another_network(recipient: str) -> None:
    assert read(an_invoice(delivery={"to": recipient})).recipient == recipient


@pytest.mark.parametrize("number", ["", "   ", "x" * 65, "x" * 300])
def test_a_number_has_1_to_64_characters(number: str) -> None:
    finding = the_finding(an_invoice(number=number))

    assert finding == Finding("/number", "length", "1 to 64 characters")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\0b", "may not contain a null character"),
        ("a\r\nBcc: x", "may not contain control characters"),
        ("\x1b[2J", "may not contain control characters"),
        ("\ud800", "not valid text"),
        (12, "expected text"),
        (1.5, "expected text"),
    ],
)
@pytest.mark.parametrize(
    "where", ["/number", "/seller/name", "/buyer/id", "/buyer_reference", "/external_id"]
)
def test_text_is_clean(where: str, text: object, message: str) -> None:
    invoice = an_invoice()
    *parts, name = where[1:].split("/")
    (invoice[parts[0]] if parts else invoice)[name] = text

    finding = the_finding(invoice)

    assert (finding.where, finding.message) == (where, message)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"\ud800": 1}, ""),
        ({"labels": {"x\udfff": "1"}}, "/labels"),
        ({"seller": {"name": "x", "\ud800": 1}}, "/seller"),
    ],
)
def test_a_name_of_a_field_is_text_too(changes: Json, where: str) -> None:
    found = findings(an_invoice(**changes))

    assert [finding.message for finding in found if finding.where.startswith(where)]
    assert all(str(finding.to_json()).encode() for finding in found)


@pytest.mark.parametrize(
    ("labels", "where"),
    [
        ({"Team": "x"}, "/labels/Team"),
        ({"a b": "x"}, "/labels/a b"),
        ({"k" * 61: "x"}, "/labels/" + "k" * 60),
        ({"": "x"}, "/labels/"),
        ({"a": "x" * 201}, "/labels/a"),
        ({"a": "x\ny"}, "/labels/a"),
        ({"a": 1}, "/labels/a"),
        ({f"k{n}": "x" for n in range(21)}, "/labels"),
        ([], "/labels"),
    ],
)
def test_labels_are_short_and_few(labels: object, where: str) -> None:
    assert the_finding(an_invoice(labels=labels)).where == where


@pytest.mark.parametrize("code", ["999", "", "380 "])
def test_a_type_is_one_of_en_16931(code: str) -> None:
    assert the_finding(an_invoice(type_code=code)).rule == "BR-CL-01"


def test_everything_is_said_at_once() -> None:
    invoice = an_invoice(
        number="",
        due_date="2026-01-01",
        payable_amount="99.00",
        seller={"name": 5, "mail": "x"},
        status="sent",
    )

    found = findings(invoice)

    assert {finding.where for finding in found} == {
        "/number",
        "/due_date",
        "/payable_amount",
        "/seller/name",
        "/seller/mail",
        "/status",
    }


def test_the_detail_counts_and_names_the_first() -> None:
    with pytest.raises(InputError) as caught:
        read(an_invoice(number="", issue_date="x"))

    assert caught.value.detail == "2 rules are broken; the first at /issue_date: use YYYY-MM-DD"


def test_at_most_a_hundred_findings_are_returned() -> None:
    assert len(findings(an_invoice(lines=[{}] * 500))) == 100


def test_a_flood_of_findings_is_only_counted() -> None:
    flood = {f"k{number}": 1 for number in range(999)}

    finding = the_finding(an_invoice(lines=[flood] * 30))

    assert finding == Finding("", "too-many", "30,090 rules are broken: too many to list")


def test_ten_thousand_lines_are_the_most() -> None:
    assert the_finding(an_invoice(lines=[a_line()] * 10_001)).message == "at most 10,000 entries"


def test_query_options_are_read_like_the_fields() -> None:
    asked = {"provider": "sandbox", "to": "a@b.example", "send_at": "2026-11-22T08:00:00Z"}

    options = read_query_options(asked)

    assert (options.provider, options.to, options.external_id) == ("sandbox", "a@b.example", None)
    assert options.send_at == datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"to": "a@b"}, "/to"),
        ({"provider": "no spaces"}, "/provider"),
        ({"send_at": "2026-11-22T08:00:00"}, "/send_at"),
        ({"external_id": ""}, "/external_id"),
        ({"recipient": "a@b.example"}, "/recipient"),
    ],
)
def test_query_options_are_refused_like_the_fields(asked: Mapping[str, str], where: str) -> None:
    with pytest.raises(InputError) as caught:
        read_query_options(asked)

    assert [finding.where for finding in caught.value.findings] == [where]


def test_naughty_text_is_read_or_refused() -> None:
    lines = (shared_data() / "strings" / "naughty.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert texts

    for text in texts:
        for place in ("number", "external_id", "currency", "issue_date", "payable_amount", text):
            rules(an_invoice(**{place: text}))
        rules(an_invoice(buyer={"name": text, "email": text}, labels={text: text}))
