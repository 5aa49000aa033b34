"""XML invoices of other people: each is read, or refused, as its authors say."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from lxml import etree

from invoices.documents import read_xml_invoice
from tests.invoices.xml_samples import (
    rules,
    the_finding,
)
from tests.support.data import shared_data

READ_HERE = {"Invoice", "CreditNote", "CrossIndustryInvoice"}
CHECKED = {
    *("BR-02", "BR-03", "BR-04", "BR-05", "BR-06", "BR-07", "BR-15", "BR-16", "BR-CL-01"),
    *("BR-CL-04", "BR-CO-10", "BR-CO-13", "BR-CO-14", "BR-CO-15", "BR-CO-16"),
}


def expected_rows() -> Iterator[tuple[Path, dict[str, str]]]:
    data = shared_data()
    with (data / "invoices" / "expected.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            yield data / row["file"], row


def test_every_real_invoice_is_read_as_expected() -> None:
    rows = [(path, row) for path, row in expected_rows() if row["root"] in READ_HERE]
    assert len(rows) > 100

    for path, row in rows:
        invoice = read_xml_invoice(path.read_bytes())
        tax = row["tax_total"]
        assert invoice.payable_amount == Decimal(row["payable_amount"]), path
        assert invoice.tax_amount == (Decimal(tax) if tax else None), path
        assert {
            "invoice_id": invoice.number,
            "issue_date": str(invoice.issue_date),
            "type_code": invoice.type_code,
            "currency": invoice.currency,
            "line_count": str(invoice.line_count),
            "supplier": invoice.seller_name,
            "customer": invoice.buyer_name,
            "customization_id": invoice.customization_id or "",
            "due_date": str(invoice.due_date or ""),
        }.items() <= row.items(), path


def test_every_other_real_file_is_refused() -> None:
    rows = [(path, row) for path, row in expected_rows() if row["root"] not in READ_HERE]
    assert rows

    for path, row in rows:
        finding = the_finding(path.read_bytes())
        is_whole = row["parses"] == "yes"
        beginning = f"root {row['root']} is not" if is_whole else "line "
        assert finding.message.startswith(beginning), path


def test_the_rules_hold_and_break_as_their_authors_say() -> None:
    data = shared_data()
    judged = 0

    with (data / "invoices" / "rules.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            held, broken = set(row["success"].split()), set(row["error"].split())
            if CHECKED & (held | broken):
                found = set(rules(_fragment(data / row["file"], int(row["case"]))))
                assert not found & held, row
                assert broken & CHECKED <= found, row
                judged += 1

    assert judged > 30


def _fragment(path: Path, case: int) -> bytes:
    """Return the invoice inside the test set's case, which counts from one."""
    tests = etree.parse(path).getroot().findall("{*}test")
    document = next(node for node in tests[case - 1].iterchildren("{*}*") if _is_read(node))
    return etree.tostring(document)


def _is_read(node: etree._Element) -> bool:
    return etree.QName(node).localname in READ_HERE
