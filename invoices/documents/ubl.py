"""UBL 2.1 Invoice and CreditNote in the binding of EN 16931 (CEN/TS 16931-3-2)."""

import re
from datetime import date
from typing import Final

from lxml import etree

from invoices import values
from invoices.documents import sums
from invoices.documents.reader import NO_AMOUNT, NO_DATE, Reader, Reading
from invoices.values import NewInvoice, Syntax

INVOICE: Final = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
CREDIT_NOTE: Final = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"
NAMESPACES: Final = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}

_SELLER: Final = "cac:AccountingSupplierParty/cac:Party"
_BUYER: Final = "cac:AccountingCustomerParty/cac:Party"
_NAME: Final = "cac:PartyLegalEntity/cbc:RegistrationName"
_TRADING_NAME: Final = "cac:PartyName/cbc:Name"
_IDS: Final = (
    "cac:PartyIdentification/cbc:ID",
    "cac:PartyLegalEntity/cbc:CompanyID",
    "cac:PartyTaxScheme/cbc:CompanyID",
)
_EMAILS: Final = ("cbc:EndpointID", "cac:Contact/cbc:ElectronicMail")
_ADDRESS: Final = (
    "cbc:StreetName",
    "cbc:AdditionalStreetName",
    "cac:AddressLine/cbc:Line",
    "cbc:PostalZone",
    "cbc:CityName",
    "cbc:CountrySubentity",
    "cac:Country/cbc:IdentificationCode",
)
_TOTAL: Final = "cac:LegalMonetaryTotal/cbc:"
# xs:date, which may end in a zone; the day is the seller's either way.
DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")


def read(root: etree._Element, body: bytes) -> Reading:
    """Read an Invoice or a CreditNote."""
    kind = etree.QName(root).localname
    reader = Reader(root, f"ubl:{kind}", NAMESPACES)
    currency = reader.currency("cbc:DocumentCurrencyCode")
    customization_id = reader.text("cbc:CustomizationID", values.CUSTOMIZATION_LENGTH)
    paths = _PATHS[kind]
    totals = sums.read_totals(reader, paths, currency)
    remarks = sums.note_broken_sums(reader, totals, paths, customization_id)
    invoice = NewInvoice(
        number=reader.required("cbc:ID", values.NUMBER_LENGTH, "BR-02"),
        issue_date=reader.day("cbc:IssueDate", DATE, "BR-03") or NO_DATE,
        type_code=reader.type_code(f"cbc:{kind}TypeCode"),
        currency=currency,
        due_date=_due_date(reader, kind),
        buyer_reference=reader.text("cbc:BuyerReference", values.BUYER_REFERENCE_LENGTH),
        payable_amount=reader.storable(paths.payable, totals.payable) or NO_AMOUNT,
        tax_amount=reader.storable(paths.tax, totals.tax),
        seller_name=_name(reader, _SELLER, "BR-06"),
        seller_id=reader.first(_below(_SELLER, _IDS), values.ID_LENGTH),
        seller_email=reader.email(_below(_SELLER, _EMAILS)),
        buyer_name=_name(reader, _BUYER, "BR-07"),
        buyer_id=reader.first(_below(_BUYER, _IDS), values.ID_LENGTH),
        buyer_email=reader.email(_below(_BUYER, _EMAILS)),
        buyer_address=reader.address(f"{_BUYER}/cac:PostalAddress", _ADDRESS),
        line_count=reader.count_lines(f"cac:{kind}Line"),
        syntax=Syntax.UBL,
        customization_id=customization_id,
        media_type="application/xml",
        body=body,
    )
    return Reading(invoice, reader.findings, remarks)


def _name(reader: Reader, party: str, rule: str) -> str:
    """Return the registered name, else the trading name, which is all some documents have."""
    registered = reader.text(f"{party}/{_NAME}", values.NAME_LENGTH)
    trading = registered or reader.text(f"{party}/{_TRADING_NAME}", values.NAME_LENGTH)
    return trading or reader.required(f"{party}/{_NAME}", values.NAME_LENGTH, rule)


def _due_date(reader: Reader, kind: str) -> date | None:
    """Return BT-9, which a credit note keeps among its means of payment."""
    path = "cbc:DueDate" if kind == "Invoice" else "cac:PaymentMeans/cbc:PaymentDueDate"
    return reader.day(path, DATE)


def _below(party: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{party}/{path}" for path in paths)


def _paths(kind: str) -> sums.Paths:
    subtotal = "cac:TaxTotal/cac:TaxSubtotal/cbc:"
    return sums.Paths(
        line_amounts=f"cac:{kind}Line/cbc:LineExtensionAmount",
        line_total=f"{_TOTAL}LineExtensionAmount",
        allowances=f"{_TOTAL}AllowanceTotalAmount",
        charges=f"{_TOTAL}ChargeTotalAmount",
        tax_exclusive=f"{_TOTAL}TaxExclusiveAmount",
        tax="cac:TaxTotal/cbc:TaxAmount",
        tax_inclusive=f"{_TOTAL}TaxInclusiveAmount",
        prepaid=f"{_TOTAL}PrepaidAmount",
        rounding=f"{_TOTAL}PayableRoundingAmount",
        payable=f"{_TOTAL}PayableAmount",
        taxable_parts=f"{subtotal}TaxableAmount",
        tax_parts=f"{subtotal}TaxAmount",
    )


_PATHS: Final = {kind: _paths(kind) for kind in ("Invoice", "CreditNote")}
