"""UN/CEFACT Cross Industry Invoice D16B in the binding of EN 16931 (CEN/TS 16931-3-3)."""

import re
from typing import Final

from lxml import etree

from invoices import values
from invoices.documents import sums
from invoices.documents.reader import NO_AMOUNT, NO_DATE, Reader, Reading
from invoices.values import NewInvoice, Syntax

INVOICE: Final = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
NAMESPACES: Final = {
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "rsm": INVOICE,
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}

_DOCUMENT: Final = "rsm:ExchangedDocument"
_TRADE: Final = "rsm:SupplyChainTradeTransaction"
_LINE: Final = f"{_TRADE}/ram:IncludedSupplyChainTradeLineItem"
_AGREEMENT: Final = f"{_TRADE}/ram:ApplicableHeaderTradeAgreement"
_SETTLEMENT: Final = f"{_TRADE}/ram:ApplicableHeaderTradeSettlement"
_TOTAL: Final = f"{_SETTLEMENT}/ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:"
_SELLER: Final = f"{_AGREEMENT}/ram:SellerTradeParty"
_BUYER: Final = f"{_AGREEMENT}/ram:BuyerTradeParty"
_CUSTOMIZATION: Final = (
    "rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"
)
_ISSUE_DATE: Final = f"{_DOCUMENT}/ram:IssueDateTime/udt:DateTimeString"
_DUE_DATE: Final = (
    f"{_SETTLEMENT}/ram:SpecifiedTradePaymentTerms/ram:DueDateDateTime/udt:DateTimeString"
)
_IDS: Final = (
    "ram:ID",
    "ram:GlobalID",
    "ram:SpecifiedLegalOrganization/ram:ID",
    "ram:SpecifiedTaxRegistration/ram:ID",
)
_EMAILS: Final = (
    "ram:URIUniversalCommunication/ram:URIID",
    "ram:DefinedTradeContact/ram:EmailURIUniversalCommunication/ram:URIID",
)
_ADDRESS: Final = (
    "ram:LineOne",
    "ram:LineTwo",
    "ram:LineThree",
    "ram:PostcodeCode",
    "ram:CityName",
    "ram:CountrySubDivisionName",
    "ram:CountryID",
)
_PATHS: Final = sums.Paths(
    line_amounts=(
        f"{_LINE}/ram:SpecifiedLineTradeSettlement"
        "/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
    ),
    line_total=f"{_TOTAL}LineTotalAmount",
    allowances=f"{_TOTAL}AllowanceTotalAmount",
    charges=f"{_TOTAL}ChargeTotalAmount",
    tax_exclusive=f"{_TOTAL}TaxBasisTotalAmount",
    tax=f"{_TOTAL}TaxTotalAmount",
    tax_inclusive=f"{_TOTAL}GrandTotalAmount",
    prepaid=f"{_TOTAL}TotalPrepaidAmount",
    rounding=f"{_TOTAL}RoundingAmount",
    payable=f"{_TOTAL}DuePayableAmount",
    taxable_parts=f"{_SETTLEMENT}/ram:ApplicableTradeTax/ram:BasisAmount",
    tax_parts=f"{_SETTLEMENT}/ram:ApplicableTradeTax/ram:CalculatedAmount",
)
# UNTDID 2379, code 102: CCYYMMDD, the only form EN 16931 admits.
_DATE_FORMAT: Final = "102"
DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")


def read(root: etree._Element, body: bytes) -> Reading:
    """Read a CrossIndustryInvoice."""
    reader = Reader(root, "rsm:CrossIndustryInvoice", NAMESPACES)
    currency = reader.currency(f"{_SETTLEMENT}/ram:InvoiceCurrencyCode")
    customization_id = reader.text(_CUSTOMIZATION, values.CUSTOMIZATION_LENGTH)
    totals = sums.read_totals(reader, _PATHS, currency)
    remarks = sums.note_broken_sums(reader, totals, _PATHS, customization_id)
    _note_date_formats(reader)
    reference = f"{_AGREEMENT}/ram:BuyerReference"
    invoice = NewInvoice(
        number=reader.required(f"{_DOCUMENT}/ram:ID", values.NUMBER_LENGTH, "BR-02"),
        issue_date=reader.day(_ISSUE_DATE, DATE, "BR-03") or NO_DATE,
        type_code=reader.type_code(f"{_DOCUMENT}/ram:TypeCode"),
        currency=currency,
        due_date=reader.day(_DUE_DATE, DATE),
        buyer_reference=reader.text(reference, values.BUYER_REFERENCE_LENGTH),
        payable_amount=reader.storable(_PATHS.payable, totals.payable) or NO_AMOUNT,
        tax_amount=reader.storable(_PATHS.tax, totals.tax),
        seller_name=reader.required(f"{_SELLER}/ram:Name", values.NAME_LENGTH, "BR-06"),
        seller_id=reader.first(_below(_SELLER, _IDS), values.ID_LENGTH),
        seller_email=reader.email(_below(_SELLER, _EMAILS)),
        buyer_name=reader.required(f"{_BUYER}/ram:Name", values.NAME_LENGTH, "BR-07"),
        buyer_id=reader.first(_below(_BUYER, _IDS), values.ID_LENGTH),
        buyer_email=reader.email(_below(_BUYER, _EMAILS)),
        buyer_address=reader.address(f"{_BUYER}/ram:PostalTradeAddress", _ADDRESS),
        line_count=reader.count_lines(_LINE),
        syntax=Syntax.CII,
        customization_id=customization_id,
        media_type="application/xml",
        body=body,
    )
    return Reading(invoice, reader.findings, remarks)


def _note_date_formats(reader: Reader) -> None:
    """Refuse other forms of date: eight digits may also be DDMMCCYY."""
    for path in (_ISSUE_DATE, _DUE_DATE):
        for node in reader.all(path):
            stated = node.get("format", _DATE_FORMAT)
            if stated != _DATE_FORMAT:
                message = f"DateTimeString has format {stated[:16]}: use {_DATE_FORMAT}, YYYYMMDD"
                reader.note(path, "date", message)


def _below(party: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{party}/{path}" for path in paths)
