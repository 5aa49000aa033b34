"""Amounts of XML invoices and how they add up: rows X18 to X20, X22, X23 and X28."""

from decimal import Decimal

import pytest

from core.errors import InputError
from invoices.documents import check_xml_totals, read_xml_invoice
from tests.invoices.xml_samples import (
    a_cii,
    a_ubl,
    changed,
    findings,
    rules,
    the_finding,
)

LESS_AND_PLUS = "the line total less allowances plus charges"
TOTAL = "/ubl:Invoice/cac:LegalMonetaryTotal/cbc:"


def test_two_totals_are_two_payable_amounts() -> None:
    start, opening, rest = a_ubl().partition("<cac:LegalMonetaryTotal>")
    total, closing, end = rest.partition("</cac:LegalMonetaryTotal>")
    block = opening + total + closing

    assert f"{TOTAL}PayableAmount" in [
        f.where for f in findings((start + block * 2 + end).encode())
    ]


@pytest.mark.parametrize(
    "amount", ["1.250,00", "1e3", "1E3", "NaN", "INF", "", "1 250", "٢", "1_0", "--1", ".", "0x1"]
)
def test_an_amount_that_is_none_names_its_element(amount: str) -> None:
    finding = the_finding(changed(a_ubl(), ">177.50<", f">{amount}<"))

    assert finding.where == f"{TOTAL}PayableAmount"
    assert finding.message == f"PayableAmount '{amount}' is not an amount: use digits and a dot"


@pytest.mark.parametrize(
    "amount",
    [
        " 177.50 ",
        "\n177.5\t",
        "+177.5",
        "0177.500000",
        "17<!-- 9 -->7.50",
        "<![CDATA[177]]>.50",
        "<?x 5?>177.<!-- . -->5",
        "&#49;77.50",
    ],
)
def test_an_amount_may_be_written_in_many_ways(amount: str) -> None:
    assert read_xml_invoice(changed(a_ubl(), "177.50", amount)).payable_amount == Decimal("177.5")


def test_an_amount_holds_no_elements() -> None:
    body = changed(a_ubl(), "177.50", "177.50<cbc:Note>000</cbc:Note>")

    assert the_finding(body).message == "PayableAmount may not contain elements"


def test_a_payable_amount_is_in_the_documents_currency() -> None:
    body = changed(
        a_ubl(), 'PayableAmount currencyID="EUR">177.50', 'PayableAmount currencyID="USD">177.50'
    )

    assert the_finding(body).message == "the amount due is in USD, the document in EUR"


def test_a_negative_amount_is_owed_by_the_seller() -> None:
    body = changed(a_ubl(), ">10.00<", ">217.50<").replace(b">177.50<", b">-30.00<")

    assert read_xml_invoice(body).payable_amount == Decimal("-30.00")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("177.50", "1" * 13, "PayableAmount: at most 12 digits before the dot"),
        ("177.50", "177.50001", "PayableAmount: at most 4 decimals"),
    ],
)
def test_an_amount_fits_its_column(old: str, new: str, message: str) -> None:
    assert message in [finding.message for finding in findings(changed(a_ubl(), old, new))]


@pytest.mark.parametrize(
    ("old", "new", "rule", "message"),
    [
        (
            'cbc:LineExtensionAmount currencyID="EUR">100<',
            'cbc:LineExtensionAmount currencyID="EUR">99<',
            "BR-CO-10",
            "LineExtensionAmount is 150.00, but the sum of the lines is 149",
        ),
        (
            "<cbc:PrepaidAmount",
            '<cbc:ChargeTotalAmount currencyID="EUR">5</cbc:ChargeTotalAmount><cbc:PrepaidAmount',
            "BR-CO-13",
            f"TaxExclusiveAmount is 150.00, but {LESS_AND_PLUS} is 155.00",
        ),
        (
            "37.50</cbc:TaxAmount></cac:TaxSubtotal>",
            "37.40</cbc:TaxAmount></cac:TaxSubtotal>",
            "BR-CO-14",
            "TaxAmount is 37.50, but the sum of the tax breakdown is 37.40",
        ),
        (
            ">177.50<",
            ">177.51<",
            "BR-CO-16",
            "PayableAmount is 177.51, but the total with tax less prepaid plus rounding is 177.50",
        ),
    ],
)
def test_a_wrong_sum_gives_both_numbers(old: str, new: str, rule: str, message: str) -> None:
    finding = the_finding(changed(a_ubl(), old, new))

    assert (finding.rule, finding.message) == (rule, message)


def test_the_total_with_tax_gives_both_numbers() -> None:
    body = changed(a_ubl(), ">187.50<", ">188.50<").replace(b">177.50<", b">178.50<")

    finding = the_finding(body)

    assert finding.rule == "BR-CO-15"
    assert finding.message == (
        "TaxInclusiveAmount is 188.50, but the total without tax plus the tax is 187.50"
    )


def test_the_sums_of_cii_are_checked_too() -> None:
    assert rules(changed(a_cii(), ">177.50<", ">177.40<")) == ["BR-CO-16"]
    assert "BR-CO-15" in rules(changed(a_cii(), ">187.50<", ">187.40<"))


def test_tax_in_another_currency_alone_is_refused() -> None:
    own = '<ram:TaxTotalAmount currencyID="EUR">37.50</ram:TaxTotalAmount>'

    found = findings(changed(a_cii(), own, ""))

    assert "no tax total in EUR, the document's currency" in [f.message for f in found]
    assert {finding.rule for finding in found} == {"BR-CO-15"}


def test_tax_in_the_documents_currency_appears_once() -> None:
    own = '<ram:TaxTotalAmount currencyID="EUR">37.50</ram:TaxTotalAmount>'

    assert the_finding(changed(a_cii(), own, own * 2)).message == (
        "the tax total in EUR appears twice"
    )


def test_no_tax_total_at_all_is_no_tax() -> None:
    document = a_cii()
    start, rest = document.split("<ram:TaxTotalAmount", 1)
    end = rest[rest.index("<ram:GrandTotalAmount>") :]
    body = f"{start}{end}".replace("187.50", "150.00").replace("177.50", "140.00")

    assert read_xml_invoice(body.encode()).tax_amount is None


def test_lines_and_breakdown_against_the_header_are_only_remarked() -> None:
    body = (
        a_ubl()
        .replace(">100<", ">1000<")
        .replace(">50<", ">500<")
        .replace('TaxableAmount currencyID="EUR">150.00', 'TaxableAmount currencyID="EUR">1500.00')
        .encode()
    )

    assert not findings(body)
    assert [finding.rule for finding in check_xml_totals(body)] == ["BR-CO-10"]


def test_an_extension_may_sum_differently() -> None:
    extended = a_ubl().replace("en16931:2017<", "en16931:2017#conformant#urn:x:extended<")
    body = changed(extended, ">177.50<", ">170.00<")

    assert not findings(body)
    assert [finding.rule for finding in check_xml_totals(body)] == ["BR-CO-16"]


def test_an_invoice_that_adds_up_has_no_remarks() -> None:
    assert check_xml_totals(a_ubl().encode()) == check_xml_totals(a_cii().encode()) == []


def test_findings_are_capped_at_a_hundred() -> None:
    line = '<cac:InvoiceLine><cbc:LineExtensionAmount currencyID="EUR">x</cbc:LineExtensionAmount>'
    body = a_ubl().replace("</Invoice>", f"{line}</cac:InvoiceLine>" * 300 + "</Invoice>")

    with pytest.raises(InputError) as caught:
        read_xml_invoice(body.encode())

    assert len(caught.value.findings) == 100
    assert caught.value.detail.startswith("300 rules are broken")
