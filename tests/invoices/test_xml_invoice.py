"""Invoices written in UBL and CII, field by field: rows X11, X13 to X17, X21 and X26, X27."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from invoices.documents import read_xml_invoice
from invoices.values import NewInvoice, Syntax
from tests.invoices.xml_samples import (
    UBL_INVOICE,
    a_cii,
    a_ubl,
    changed,
    findings,
    rules,
    the_finding,
)

TOTAL = "/ubl:Invoice/cac:LegalMonetaryTotal/cbc:"


def test_a_credit_note_is_due_among_its_means_of_payment() -> None:
    invoice = read_xml_invoice(a_ubl("CreditNote").encode())

    assert (invoice.type_code, invoice.line_count) == ("381", 2)
    assert invoice.due_date == date(2026, 12, 24)


@pytest.mark.parametrize(
    ("root", "name"),
    [
        ('<p:FatturaElettronica xmlns:p="http://ivaservizi"/>', "FatturaElettronica"),
        ("<html><body/></html>", "html"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
        (f'<Order xmlns="{UBL_INVOICE.replace("Invoice", "Order")}"/>', "Order"),
    ],
)
def test_another_root_is_named(root: str, name: str) -> None:
    assert the_finding(root.encode()).message == (
        f"root {name} is not an invoice format Kuvert reads (UBL Invoice/CreditNote, CII)"
    )


@pytest.mark.parametrize(
    ("body", "namespace"),
    [
        (changed(a_ubl(), "xsd:Invoice-2", "xsd:Invoice-1"), "xsd:Invoice-1"),
        (changed(a_cii(), "CrossIndustryInvoice:100", "CrossIndustryInvoice:13"), "Invoice:13"),
        (b"<Invoice/>", "(none)"),
    ],
)
def test_another_version_names_its_namespace(body: bytes, namespace: str) -> None:
    finding = the_finding(body)

    assert f"{namespace} is not one Kuvert reads" in finding.message


@pytest.mark.parametrize(
    ("element", "rule"),
    [
        ("<cbc:ID>U-1</cbc:ID>", "BR-02"),
        ("<cbc:IssueDate>2026-11-22</cbc:IssueDate>", "BR-03"),
        ("<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>", "BR-04"),
        ("<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>", "BR-05"),
        ('<cbc:PayableAmount currencyID="EUR">177.50</cbc:PayableAmount>', "BR-15"),
    ],
)
@pytest.mark.parametrize("is_empty", [False, True])
def test_what_is_missing_is_named_by_its_rule(element: str, rule: str, is_empty: bool) -> None:
    name = element[1:].partition(">")[0].partition(" ")[0]

    found = findings(changed(a_ubl(), element, f"<{name}> </{name}>" if is_empty else ""))

    assert {finding.rule for finding in found} <= {rule, "amount"}
    assert all(finding.is_xpath and name in finding.where for finding in found)


@pytest.mark.parametrize(
    ("start", "end", "rule"),
    [
        ("<cac:AccountingSupplierParty>", "</cac:AccountingSupplierParty>", "BR-06"),
        ("<cac:AccountingCustomerParty>", "</cac:AccountingCustomerParty>", "BR-07"),
    ],
)
def test_a_missing_party_is_named(start: str, end: str, rule: str) -> None:
    before, _, rest = a_ubl().partition(start)

    assert rules((before + rest.partition(end)[2]).encode()) == [rule]


@pytest.mark.parametrize(
    ("old", "rule"),
    [
        ("<ram:ID>C-1</ram:ID>", "BR-02"),
        ('<udt:DateTimeString format="102">20261122</udt:DateTimeString>', "BR-03"),
        ("<ram:TypeCode>380</ram:TypeCode>", "BR-04"),
        ("<ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>", "BR-05"),
        ("<ram:Name>Seller GmbH</ram:Name>", "BR-06"),
        ("<ram:Name>Büyer AB</ram:Name>", "BR-07"),
        ("<ram:DuePayableAmount>177.50</ram:DuePayableAmount>", "BR-15"),
    ],
)
def test_what_is_missing_in_cii_is_named_too(old: str, rule: str) -> None:
    assert rules(changed(a_cii(), old, "")) == [rule]


def test_everything_missing_is_said_at_once() -> None:
    found = rules(f'<Invoice xmlns="{UBL_INVOICE}"/>'.encode())

    assert found == ["BR-05", "BR-15", "BR-02", "BR-03", "BR-04", "BR-06", "BR-07", "BR-16"]


def test_a_trading_name_will_do() -> None:
    start, _, rest = a_ubl().partition("<cac:PartyLegalEntity>")
    body = start + rest.partition("</cac:PartyLegalEntity>")[2]

    assert read_xml_invoice(body.encode()).seller_name == "Trading name"


def test_an_invoice_has_a_line() -> None:
    document = a_ubl()
    body = document[: document.index("<cac:InvoiceLine>")] + "</Invoice>"

    assert "BR-16" in rules(body.encode())


@pytest.mark.parametrize(
    ("document", "element"),
    [
        (a_ubl(), "<cbc:ID>U-1</cbc:ID>"),
        (a_ubl(), "<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>"),
        (a_ubl(), '<cbc:PayableAmount currencyID="EUR">177.50</cbc:PayableAmount>'),
        (a_cii(), "<ram:DuePayableAmount>177.50</ram:DuePayableAmount>"),
        (a_cii(), "<ram:ID>C-1</ram:ID>"),
    ],
)
def test_a_single_element_appears_once(document: str, element: str) -> None:
    finding = the_finding(changed(document, element, element * 2))

    assert finding.message.endswith("appears twice")


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2026-02-30", "IssueDate: no such date"),
        ("20261122", "IssueDate '20261122' is not a date"),
        ("0999-01-01", "IssueDate: outside 1990-2100"),
        ("2026-11-22T00:00:00", "IssueDate '2026-11-22T00:00:00' is not a date"),
    ],
)
def test_a_ubl_date_is_a_day_of_the_calendar(day: str, message: str) -> None:
    assert the_finding(changed(a_ubl(), ">2026-11-22<", f">{day}<")).message == message


@pytest.mark.parametrize("day", ["2026-11-22Z", "2026-11-22+01:00", " 2026-11-22\n"])
def test_a_ubl_date_may_have_a_zone(day: str) -> None:
    invoice = read_xml_invoice(changed(a_ubl(), ">2026-11-22<", f">{day}<"))

    assert invoice.issue_date == date(2026, 11, 22)


@pytest.mark.parametrize(
    "text", ['format="102">2026-11-22<', 'format="4">22112026<', 'format="203">202611220000<']
)
def test_a_cii_date_has_format_102(text: str) -> None:
    assert "date" in rules(changed(a_cii(), 'format="102">20261122<', text))


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("Büyer AB", "B" * 10_240, "cbc:RegistrationName"),
        ("U-1", "1" * 65, "cbc:ID"),
        ("PO 7", "P" * 201, "cbc:BuyerReference"),
        ("Way 1", "W" * 1_001, "cac:PostalAddress"),
    ],
)
def test_a_text_that_is_too_long_is_refused(old: str, new: str, where: str) -> None:
    finding = the_finding(changed(a_ubl(), old, new))

    assert finding.rule == "length"
    assert finding.where.endswith(where)


def test_markup_in_a_name_is_only_text() -> None:
    body = changed(a_ubl(), "Büyer AB", "&lt;script&gt;alert(1)&lt;/script&gt; \u202e")

    assert read_xml_invoice(body).buyer_name == "<script>alert(1)</script> \u202e"


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (">EUR</cbc:Document", ">eur</cbc:Document", "BR-CL-04"),
        (">380<", ">999<", "BR-CL-01"),
        ("U-1", "U\x7f1", "text"),
    ],
)
def test_codes_and_text_are_checked(old: str, new: str, rule: str) -> None:
    assert rule in rules(changed(a_ubl(), old, new))


def test_an_address_that_takes_no_mail_is_left_out() -> None:
    body = changed(a_ubl(), "buyer@example.com", "Buyer electronic address")

    assert read_xml_invoice(body).buyer_email is None


def test_a_stylesheet_is_ignored() -> None:
    assert not findings(f'<?xml-stylesheet href="x.xsl"?>{a_ubl()}'.encode())


def test_a_ubl_invoice_is_read_field_by_field() -> None:
    body = a_ubl().encode()
    send_at = datetime(2026, 11, 23, tzinfo=UTC)

    invoice = read_xml_invoice(
        body,
        provider_code="sandbox",
        recipient="deliver@sandbox.example",
        external_id="erp-9",
        send_at=send_at,
        labels={"team": "north"},
    )

    assert invoice == NewInvoice(
        number="U-1",
        issue_date=date(2026, 11, 22),
        type_code="380",
        currency="EUR",
        due_date=date(2026, 12, 22),
        buyer_reference="PO 7",
        payable_amount=Decimal("177.50"),
        tax_amount=Decimal("37.50"),
        seller_name="Seller GmbH",
        seller_id="S-1",
        seller_email="seller@example.com",
        buyer_name="Büyer AB",
        buyer_id="SE123",
        buyer_email="buyer@example.com",
        buyer_address="Way 1\n12345\nTown\nSE",
        line_count=2,
        syntax=Syntax.UBL,
        customization_id="urn:cen.eu:en16931:2017",
        provider_code="sandbox",
        recipient="deliver@sandbox.example",
        external_id="erp-9",
        send_at=send_at,
        labels={"team": "north"},
        media_type="application/xml",
        body=body,
    )


def test_a_cii_invoice_is_read_field_by_field() -> None:
    body = a_cii().encode()

    assert read_xml_invoice(body) == NewInvoice(
        number="C-1",
        issue_date=date(2026, 11, 22),
        type_code="380",
        currency="EUR",
        due_date=date(2026, 12, 22),
        buyer_reference="PO 7",
        payable_amount=Decimal("177.50"),
        tax_amount=Decimal("37.50"),
        seller_name="Seller GmbH",
        seller_id="400",
        buyer_name="Büyer AB",
        buyer_id="B-1",
        buyer_email="buyer@example.com",
        buyer_address="Way 1\n12345\nSE",
        line_count=2,
        syntax=Syntax.CII,
        customization_id="urn:cen.eu:en16931:2017",
        media_type="application/xml",
        body=body,
    )
