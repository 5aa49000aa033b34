"""Invoices of other people: what the PDF says they come to is what they say themselves."""

import csv
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from tests.invoices.pdf.pages import of_xml, squeezed, whole_text
from tests.support.data import shared_data

# By the name of the element, which no other element of the summation shares.
LABELS = {
    "LineExtensionAmount": "Sum of lines",
    "AllowanceTotalAmount": "Allowances",
    "ChargeTotalAmount": "Charges",
    "TaxExclusiveAmount": "Total without VAT",
    "TaxInclusiveAmount": "Total with VAT",
    "PrepaidAmount": "Paid before",
    "PayableRoundingAmount": "Rounding",
    "PayableAmount": "Amount due",
    "LineTotalAmount": "Sum of lines",
    "TaxBasisTotalAmount": "Total without VAT",
    "GrandTotalAmount": "Total with VAT",
    "TotalPrepaidAmount": "Paid before",
    "RoundingAmount": "Rounding",
    "DuePayableAmount": "Amount due",
}
SUMMATIONS = {"LegalMonetaryTotal", "SpecifiedTradeSettlementHeaderMonetarySummation"}

# What machines alone need, and a project's name beside its number.
UNPRINTED = {
    "CustomizationID",
    "ProfileID",
    "GuidelineSpecifiedDocumentContextParameter",
    "BusinessProcessSpecifiedDocumentContextParameter",
    "AttachmentBinaryObject",
    "EmbeddedDocumentBinaryObject",
    "TaxScheme",
    "SpecifiedProcuringProject",
}
# Figures, days, truth values and short codes are written otherwise in print.
REWRITTEN = re.compile(r"-?[0-9.]+|[0-9]{4}-[0-9]{2}-[0-9]{2}|true|false|[A-Z]{2,3}")


def texts_of(body: bytes) -> Iterator[str]:
    """Go through all texts of a document that are words of somebody."""
    for node in etree.fromstring(body).iter("{*}*"):
        own = etree.QName(node).localname
        above = "" if (parent := node.getparent()) is None else etree.QName(parent).localname
        text = squeezed(node.text or "")
        if text and not REWRITTEN.fullmatch(text) and not UNPRINTED & {own, above}:
            yield text


def corpus() -> Iterator[tuple[Path, dict[str, str]]]:
    data = shared_data()
    with (data / "invoices" / "expected.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["root"] in {"Invoice", "CreditNote", "CrossIndustryInvoice"}:
                yield data / row["file"], row


def stated(body: bytes, row: dict[str, str]) -> dict[str, Decimal]:
    """Read the totals in another way than what is tested."""
    found: dict[str, Decimal] = {}
    for node in etree.fromstring(body).iter("{*}*"):
        parent = node.getparent()
        if parent is None or etree.QName(parent).localname not in SUMMATIONS:
            continue
        label = LABELS.get(etree.QName(node).localname)
        if label is not None and (node.text or "").strip():
            found[label] = Decimal((node.text or "").strip())
    if row["tax_total"]:
        found["VAT"] = Decimal(row["tax_total"])
    return found


def shown(text: str, label: str, currency: str) -> set[Decimal]:
    """Return the amounts that stand behind a label in the block of the totals."""
    figures = re.findall(rf"{label} (-?[0-9,]+(?:\.[0-9]+)?) {currency}", text)
    return {Decimal(figure.replace(",", "")) for figure in figures}


def compare(path: Path, row: dict[str, str]) -> None:
    body = path.read_bytes()
    text = whole_text(of_xml(body))

    for label, amount in stated(body, row).items():
        assert amount in shown(text, label, row["currency"]), (path, label, amount)
    assert [words for words in texts_of(body) if words not in squeezed(text)] == [], path


def test_some_real_invoices_are_printed_with_their_totals_and_all_their_words() -> None:
    rows = list(corpus())[::8]
    assert len(rows) > 10

    for path, row in rows:
        compare(path, row)


@pytest.mark.storm
def test_all_real_invoices_are_printed_with_their_totals_and_all_their_words() -> None:
    rows = list(corpus())
    assert len(rows) > 100

    for path, row in rows:
        compare(path, row)
