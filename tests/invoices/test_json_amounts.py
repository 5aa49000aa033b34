"""Amounts of invoices written in JSON, and how they add up: rows A19 to A24."""

import re
from decimal import Decimal

import pytest

from core.errors import Finding
from invoices.schemas import JsonInvoice
from tests.invoices.json_samples import (
    a_line,
    an_invoice,
    findings,
    in_one_line,
    read,
    rules,
    the_finding,
)


@pytest.mark.parametrize("amount", [0.1, 125.0, 1e5])
def test_money_may_not_be_a_json_float(amount: float) -> None:
    finding = the_finding(an_invoice(payable_amount=amount))

    assert finding.message == 'send amounts as text, e.g. "12.30"'


def test_money_may_not_be_a_json_integer_either() -> None:
    assert the_finding(an_invoice(tax_amount=25)).rule == "amount"


def test_quantities_prices_and_rates_may_be_integers() -> None:
    assert read(an_invoice(lines=[a_line(quantity=2, unit_price=50, tax_rate=25)])).line_count == 1


@pytest.mark.parametrize("name", ["quantity", "unit_price", "tax_rate"])
@pytest.mark.parametrize("value", [1.5, True, "1,5", "1e3", " 2", "1_0", "٢", "", [], 10**13])
def test_other_numbers_are_asked_for_as_text(name: str, value: object) -> None:
    finding = the_finding(an_invoice(lines=[a_line(**{name: value})]))

    assert finding.where == f"/lines/0/{name}"
    assert finding.message == 'send a number as text, e.g. "1.5", with digits and a dot'


@pytest.mark.parametrize(
    "amount", ["1,50", "12.345", "1_000", "١٢", " 12.00", "12.", ".5", "1e3", "+1", "", "12\n"]
)
def test_an_amount_is_digits_and_a_dot(amount: str) -> None:
    finding = the_finding(an_invoice(payable_amount=amount))

    assert finding.where == "/payable_amount"
    assert finding.message == "use digits and a dot, at most 2 decimals for EUR"


def test_an_amount_has_at_most_twelve_digits_before_the_dot() -> None:
    assert the_finding(an_invoice(payable_amount="1" * 30)).message == (
        "at most 12 digits before the dot"
    )
    assert read(in_one_line("EUR", "9" * 12 + ".99")).payable_amount == Decimal("999999999999.99")


def test_minus_nothing_is_stored_as_nothing() -> None:
    invoice = read(in_one_line("EUR", "-0.00"))

    assert str(invoice.payable_amount) == "0.00"


def test_a_negative_amount_is_owed_by_the_seller() -> None:
    assert read(in_one_line("EUR", "-12.3")).payable_amount == Decimal("-12.30")


@pytest.mark.parametrize(
    ("currency", "fine", "too_fine"),
    [
        ("JPY", "12", "1.5"),
        ("EUR", "1.23", "1.234"),
        ("KWD", "1.234", "1.2345"),
        ("RSD", "0.01", "0.001"),
    ],
)
def test_decimals_follow_the_currency(currency: str, fine: str, too_fine: str) -> None:
    assert read(in_one_line(currency, fine)).payable_amount == Decimal(fine)
    assert {finding.rule for finding in findings(in_one_line(currency, too_fine))} == {"decimals"}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("eur", "not an ISO 4217 code: did you mean EUR?"),
        ("EURO", "not an ISO 4217 code: did you mean EUR?"),
        (" EUR", "not an ISO 4217 code: did you mean EUR?"),
        ("XXX", "not an ISO 4217 code that anything is paid in, such as EUR"),
        ("", "not an ISO 4217 code that anything is paid in, such as EUR"),
    ],
)
def test_a_currency_is_an_iso_code(code: str, message: str) -> None:
    assert the_finding(an_invoice(currency=code)).message == message


def test_an_invoice_has_a_line() -> None:
    assert the_finding(an_invoice(lines=[])).rule == "BR-16"


def test_a_line_is_quantity_times_price() -> None:
    lines = [a_line(net_amount="90.00")]

    found = findings(an_invoice(lines=lines, payable_amount="112.50", tax_amount="22.50"))

    assert found == [
        Finding(
            "/lines/0/net_amount",
            "PEPPOL-EN16931-R120",
            "net_amount is 90.00, quantity 2 times unit_price 50.00 is 100.00",
        )
    ]


@pytest.mark.parametrize(("net", "holds"), [("0.12", True), ("0.13", True), ("0.14", False)])
def test_a_tie_may_be_rounded_either_way(net: str, holds: bool) -> None:
    line = a_line(quantity="0.25", unit_price="0.5", net_amount=net, tax_rate=None)
    invoice = an_invoice(lines=[line], tax_amount=None, payable_amount=net)

    assert holds is (not rules(invoice))


def test_the_total_is_lines_and_tax_with_both_numbers() -> None:
    finding = the_finding(an_invoice(payable_amount="125.01"))

    assert finding.rule == "BR-CO-15"
    assert finding.message == "payable_amount is 125.01, the lines and tax_amount give 125.00"


def test_the_tax_follows_the_rates() -> None:
    finding = the_finding(an_invoice(tax_amount="25.02", payable_amount="125.02"))

    assert finding.rule == "BR-CO-17"
    assert finding.message == "tax_amount is 25.02, the lines and their rates give 25.00"


def test_each_rate_may_be_rounded_by_one_unit() -> None:
    assert not rules(an_invoice(tax_amount="25.01", payable_amount="125.01"))


def test_rates_are_compared_only_where_every_line_has_one() -> None:
    lines = [a_line(), a_line(tax_rate=None)]

    assert not rules(an_invoice(lines=lines, tax_amount="1.00", payable_amount="201.00"))


def test_equal_rates_are_one_group() -> None:
    lines = [a_line(tax_rate="25"), a_line(tax_rate="25.00"), a_line(tax_rate=25)]

    off_by_two = an_invoice(lines=lines, tax_amount="75.02", payable_amount="375.02")

    assert rules(off_by_two) == {"BR-CO-17"}


def test_the_schema_shows_money_as_text_with_a_pattern() -> None:
    schema = JsonInvoice.model_json_schema()
    money = schema["properties"]["payable_amount"]

    assert money["type"] == "string"
    assert re.fullmatch(money["pattern"], "-12.30")
    assert not re.fullmatch(money["pattern"], "1,50")
    assert schema["additionalProperties"] is False
