"""The sample invoices: complete, right in their sums, new in every run."""

import json
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

import pytest
from lxml import etree

from invoices.readers import read
from invoices.samples import FOLDER, Sample, samples
from invoices.sandbox.faults import Fault, fault_for

UBL = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
CII = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
ALL = samples("run7")
JSON = [sample for sample in ALL if sample.media_type == "application/json"]
XML = [sample for sample in ALL if sample.media_type == "application/xml"]


def name_of(sample: Sample) -> str:
    return sample.name


def number_of(sample: Sample) -> str:
    if sample in JSON:
        return str(json.loads(sample.document)["number"])
    root = etree.fromstring(sample.document)
    return root.findtext(f"{UBL}ID") or root[1].findtext(f"{CII}ID") or ""


def amount(root: etree._Element, name: str) -> Decimal:
    text = root.findtext(f".//{name}")
    assert text is not None, name
    return Decimal(text)


def amounts(root: etree._Element, name: str) -> list[Decimal]:
    return [Decimal(found.text or "") for found in root.iter(name)]


def to_minor(value: Decimal, currency: str) -> Decimal:
    return value.quantize(Decimal(1 if currency == "JPY" else "0.01"), ROUND_HALF_UP)


def test_there_is_one_for_each_turn_worth_seeing() -> None:
    shown = {fault_for(sample.recipient) for sample in ALL}

    assert shown == set(Fault) - {Fault.ERROR, Fault.FORGED}


def test_every_file_is_a_sample() -> None:
    assert {sample.name for sample in ALL} == {path.name for path in FOLDER.iterdir()}


def test_numbers_carry_the_run() -> None:
    numbers = [number_of(sample) for sample in ALL]

    assert all(number.startswith("run7-") for number in numbers)
    assert len(set(numbers)) == len(ALL)


def test_the_run_changes_nothing_but_the_number() -> None:
    for one, other in zip(samples("a"), samples("b"), strict=True):
        assert one.document.replace(b"a-10", b"b-10", 1) == other.document


@pytest.mark.parametrize("run", ["", "-a", "a b", "a<b", 'a"', "ä", "a" * 41, "a\n"])
def test_a_run_that_fits_in_no_number_is_refused(run: str) -> None:
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        samples(run)


@pytest.mark.parametrize("sample", ALL, ids=name_of)
def test_intake_accepts_it(sample: Sample) -> None:
    options = {} if sample in JSON else {"to": sample.recipient}

    invoice = read(sample.document, sample.media_type, options)

    assert invoice.number == number_of(sample)
    assert invoice.recipient == sample.recipient


@pytest.mark.parametrize("sample", JSON, ids=name_of)
def test_json_lines_multiply(sample: Sample) -> None:
    invoice = json.loads(sample.document)

    for line in invoice["lines"]:
        product = Decimal(line["quantity"]) * Decimal(line["unit_price"])
        assert Decimal(line["net_amount"]) == to_minor(product, invoice["currency"])


@pytest.mark.parametrize("sample", JSON, ids=name_of)
def test_json_totals_follow_from_the_lines(sample: Sample) -> None:
    invoice = json.loads(sample.document)
    net_by_rate: dict[Decimal, Decimal] = defaultdict(Decimal)
    for line in invoice["lines"]:
        net_by_rate[Decimal(line["tax_rate"])] += Decimal(line["net_amount"])

    tax = sum(to_minor(net * rate / 100, invoice["currency"]) for rate, net in net_by_rate.items())

    assert Decimal(invoice["tax_amount"]) == tax
    assert Decimal(invoice["payable_amount"]) == sum(net_by_rate.values()) + tax


@pytest.mark.parametrize("sample", JSON, ids=name_of)
def test_json_names_its_recipient(sample: Sample) -> None:
    assert json.loads(sample.document)["delivery"] == {"to": sample.recipient}


@pytest.mark.parametrize("sample", JSON, ids=name_of)
def test_json_is_due_after_its_issue(sample: Sample) -> None:
    invoice = json.loads(sample.document)

    assert invoice["issue_date"] < invoice["due_date"]


@pytest.mark.parametrize("sample", XML, ids=name_of)
def test_xml_is_en_16931(sample: Sample) -> None:
    assert b">urn:cen.eu:en16931:2017<" in sample.document
    assert etree.fromstring(sample.document).tag.endswith(
        ("}Invoice", "}CreditNote", "}CrossIndustryInvoice")
    )


@pytest.mark.parametrize("sample", XML[:2], ids=name_of)
def test_ubl_totals_follow_from_the_lines(sample: Sample) -> None:
    root = etree.fromstring(sample.document)
    total, *lines = amounts(root, f"{UBL}LineExtensionAmount")
    tax, *taxes = amounts(root, f"{UBL}TaxAmount")

    assert total == sum(lines) == sum(amounts(root, f"{UBL}TaxableAmount"))
    assert tax == sum(taxes)
    assert amount(root, f"{UBL}PayableAmount") == total + tax


def test_cii_totals_follow_from_the_lines() -> None:
    root = etree.fromstring(XML[2].document)
    *lines, total = amounts(root, f"{CII}LineTotalAmount")
    tax = amount(root, f"{CII}TaxTotalAmount")

    assert total == sum(lines) == sum(amounts(root, f"{CII}BasisAmount"))
    assert tax == sum(amounts(root, f"{CII}CalculatedAmount"))
    assert amount(root, f"{CII}DuePayableAmount") == total + tax
