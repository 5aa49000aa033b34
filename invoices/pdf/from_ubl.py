"""UBL 2.1 Invoice and CreditNote for print (CEN/TS 16931-3-2)."""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from invoices.documents.ubl import DATE, NAMESPACES
from invoices.pdf.paper import (
    Account,
    Address,
    Adjustment,
    Attachment,
    Delivery,
    Line,
    Paper,
    Party,
    Payment,
    Period,
    Tax,
    TaxPart,
    Totals,
)
from invoices.pdf.parts import Part, by_currency, once

_SEPA: Final = "SEPA"  # the scheme of BT-90, which stands among the identifiers of a party
# UNTDID 1001: what an additional document is when it is no supporting document (BG-24).
_OTHERS: Final = {"130": "invoiced_object", "50": "project"}
_REFERENCES: Final = (
    ("buyer_reference", "cbc:BuyerReference"),
    ("purchase_order", "cac:OrderReference/cbc:ID"),
    ("sales_order", "cac:OrderReference/cbc:SalesOrderID"),
    ("contract", "cac:ContractDocumentReference/cbc:ID"),
    ("project", "cac:ProjectReference/cbc:ID"),
    ("despatch_advice", "cac:DespatchDocumentReference/cbc:ID"),
    ("receiving_advice", "cac:ReceiptDocumentReference/cbc:ID"),
    ("tender", "cac:OriginatorDocumentReference/cbc:ID"),
    ("accounting_reference", "cbc:AccountingCost"),
)
_LINE_REFERENCES: Final = (
    ("sellers_item", "cac:Item/cac:SellersItemIdentification/cbc:ID"),
    ("buyers_item", "cac:Item/cac:BuyersItemIdentification/cbc:ID"),
    ("standard_item", "cac:Item/cac:StandardItemIdentification/cbc:ID"),
    ("order_line", "cac:OrderLineReference/cbc:LineID"),
    ("invoiced_object", "cac:DocumentReference/cbc:ID"),
    ("accounting_reference", "cbc:AccountingCost"),
)
_CLASSES: Final = "cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode"


def read(root: etree._Element) -> Paper:
    """Read an Invoice or a CreditNote."""
    kind = etree.QName(root).localname
    is_credit_note = kind == "CreditNote"
    whole = Part.whole(root, NAMESPACES)
    currency = whole.text("cbc:DocumentCurrencyCode")
    due = "cac:PaymentMeans/cbc:PaymentDueDate" if is_credit_note else "cbc:DueDate"
    return Paper(
        number=whole.text("cbc:ID"),
        type_code=whole.text(f"cbc:{kind}TypeCode"),
        is_credit_note=is_credit_note,
        currency=currency,
        tax_currency=whole.text("cbc:TaxCurrencyCode"),
        issue_date=whole.day("cbc:IssueDate", DATE),
        due_date=whole.day(due, DATE),
        tax_point=whole.day("cbc:TaxPointDate", DATE),
        period=_period(whole),
        references=tuple(_references(whole)),
        preceding=tuple(
            (part.text("cbc:ID"), part.day("cbc:IssueDate", DATE))
            for part in whole.all("cac:BillingReference/cac:InvoiceDocumentReference")
        ),
        seller=_party(whole.first("cac:AccountingSupplierParty/cac:Party")),
        buyer=_party(whole.first("cac:AccountingCustomerParty/cac:Party")),
        payee=_party_or_none(whole.first("cac:PayeeParty")),
        representative=_party_or_none(whole.first("cac:TaxRepresentativeParty")),
        delivery=_delivery(whole.first("cac:Delivery")),
        lines=tuple(_lines(whole, f"cac:{kind}Line", 0)),
        adjustments=tuple(_adjustments(whole)),
        taxes=tuple(_taxes(whole)),
        totals=_totals(whole, currency),
        payment=_payment(whole),
        notes=whole.paragraphs("cbc:Note"),
        attachments=tuple(_attachments(whole)),
    )


def _references(whole: Part) -> Iterator[tuple[str, str]]:
    for label, path in _REFERENCES:
        for text in whole.texts(path):
            yield label, text
    for part in whole.all("cac:AdditionalDocumentReference"):
        code = _kind_of(part)
        if code in _OTHERS:
            yield _OTHERS[code], part.text("cbc:ID")


def _kind_of(reference: Part) -> str:
    return reference.text("cbc:DocumentTypeCode")


def _attachments(whole: Part) -> Iterator[Attachment]:
    for part in whole.all("cac:AdditionalDocumentReference"):
        if _kind_of(part) not in _OTHERS:
            yield Attachment(
                id=part.text("cbc:ID"),
                description=part.text("cbc:DocumentDescription"),
                file_name=part.first("cac:Attachment/cbc:EmbeddedDocumentBinaryObject").get(
                    "filename"
                ),
                location=part.text("cac:Attachment/cac:ExternalReference/cbc:URI"),
            )


def _party_or_none(part: Part) -> Party | None:
    return _party(part) if part else None


def _party(part: Part) -> Party:
    legal = part.first("cac:PartyLegalEntity")
    trading_name = part.text("cac:PartyName/cbc:Name")
    name = legal.text("cbc:RegistrationName") or trading_name
    ids = part.identifiers("cac:PartyIdentification/cbc:ID")
    taxes = part.all("cac:PartyTaxScheme")
    return Party(
        name=name,
        trading_name="" if trading_name == name else trading_name,
        address=_address(part.first("cac:PostalAddress")),
        ids=tuple(one for one in ids if one.scheme != _SEPA),
        legal_id=legal.identifier("cbc:CompanyID"),
        vat_id=_tax_number(taxes, is_vat=True),
        tax_id=_tax_number(taxes, is_vat=False),
        electronic_address=part.identifier("cbc:EndpointID"),
        contact=part.text("cac:Contact/cbc:Name"),
        phone=part.text("cac:Contact/cbc:Telephone"),
        email=part.text("cac:Contact/cbc:ElectronicMail"),
        legal_information=legal.text("cbc:CompanyLegalForm"),
    )


def _tax_number(schemes: list[Part], *, is_vat: bool) -> str:
    """Return BT-31 or BT-32; without a scheme a number is taken for that of VAT."""
    for scheme in schemes:
        if (scheme.text("cac:TaxScheme/cbc:ID") in {"VAT", ""}) == is_vat:
            return scheme.text("cbc:CompanyID")
    return ""


def _address(part: Part) -> Address:
    return Address(
        lines=part.texts("cbc:StreetName", "cbc:AdditionalStreetName", "cac:AddressLine/cbc:Line"),
        postal_code=part.text("cbc:PostalZone"),
        city=part.text("cbc:CityName"),
        subdivision=part.text("cbc:CountrySubentity"),
        country=part.text("cac:Country/cbc:IdentificationCode"),
    )


def _delivery(part: Part) -> Delivery:
    place = part.first("cac:DeliveryLocation")
    return Delivery(
        name=part.text("cac:DeliveryParty/cac:PartyName/cbc:Name"),
        location=place.identifier("cbc:ID"),
        day=part.day("cbc:ActualDeliveryDate", DATE),
        address=_address(place.first("cac:Address")),
    )


def _period(part: Part) -> Period:
    period = part.first("cac:InvoicePeriod")
    return Period(start=period.day("cbc:StartDate", DATE), end=period.day("cbc:EndDate", DATE))


def _lines(part: Part, path: str, level: int) -> Iterator[Line]:
    """Read the lines, each followed by its parts, which an extension of XRechnung knows."""
    for line in part.all(path):
        yield _line(line, level)
        yield from _lines(line, "cac:SubInvoiceLine", level + 1)


def _line(line: Part, level: int) -> Line:
    item, price = line.first("cac:Item"), line.first("cac:Price")
    quantity = line.first("cbc:InvoicedQuantity") or line.first("cbc:CreditedQuantity")
    return Line(
        id=line.text("cbc:ID"),
        name=item.text("cbc:Name"),
        description="\n".join(item.paragraphs("cbc:Description")),
        notes=line.paragraphs("cbc:Note"),
        quantity=quantity.own_figure(),
        unit=quantity.get("unitCode"),
        price=price.figure("cbc:PriceAmount"),
        price_discount=price.figure("cac:AllowanceCharge/cbc:Amount"),
        gross_price=price.figure("cac:AllowanceCharge/cbc:BaseAmount"),
        base_quantity=price.figure("cbc:BaseQuantity"),
        base_unit=price.first("cbc:BaseQuantity").get("unitCode"),
        tax=_tax(item.first("cac:ClassifiedTaxCategory")),
        net_amount=line.figure("cbc:LineExtensionAmount"),
        adjustments=tuple(_adjustments(line)),
        period=_period(line),
        references=(
            *((label, text) for label, path in _LINE_REFERENCES for text in line.texts(path)),
            *(("classification", _with_list(part)) for part in line.all(_CLASSES)),
        ),
        attributes=tuple(
            (part.text("cbc:Name"), part.text("cbc:Value"))
            for part in item.all("cac:AdditionalItemProperty")
        ),
        origin=item.text("cac:OriginCountry/cbc:IdentificationCode"),
        level=level,
    )


def _with_list(part: Part) -> str:
    return " ".join(filter(None, (part.get("listID"), part.own_text())))


def _tax(part: Part) -> Tax:
    return Tax(category=part.text("cbc:ID"), rate=part.figure("cbc:Percent"))


def _adjustments(part: Part) -> Iterator[Adjustment]:
    for one in part.all("cac:AllowanceCharge"):
        reason = one.text("cbc:AllowanceChargeReason")
        yield Adjustment(
            is_charge=one.text("cbc:ChargeIndicator") in {"true", "1"},
            amount=one.figure("cbc:Amount"),
            base=one.figure("cbc:BaseAmount"),
            percent=one.figure("cbc:MultiplierFactorNumeric"),
            reason=reason or one.text("cbc:AllowanceChargeReasonCode"),
            tax=_tax(one.first("cac:TaxCategory")),
        )


def _taxes(whole: Part) -> Iterator[TaxPart]:
    for part in whole.all("cac:TaxTotal/cac:TaxSubtotal"):
        category = part.first("cac:TaxCategory")
        yield TaxPart(
            tax=_tax(category),
            base=part.figure("cbc:TaxableAmount"),
            amount=part.figure("cbc:TaxAmount"),
            exemption=" ".join(
                category.texts("cbc:TaxExemptionReason", "cbc:TaxExemptionReasonCode")
            ),
        )


def _totals(whole: Part, currency: str) -> Totals:
    total = whole.first("cac:LegalMonetaryTotal")
    taxes = whole.all("cac:TaxTotal/cbc:TaxAmount")
    own, other = by_currency(taxes, currency)
    return Totals(
        lines=total.figure("cbc:LineExtensionAmount"),
        allowances=total.figure("cbc:AllowanceTotalAmount"),
        charges=total.figure("cbc:ChargeTotalAmount"),
        tax_exclusive=total.figure("cbc:TaxExclusiveAmount"),
        tax=own.own_figure(),
        tax_in_tax_currency=other.own_figure(),
        tax_inclusive=total.figure("cbc:TaxInclusiveAmount"),
        prepaid=total.figure("cbc:PrepaidAmount"),
        rounding=total.figure("cbc:PayableRoundingAmount"),
        payable=total.figure("cbc:PayableAmount"),
    )


def _payment(whole: Part) -> Payment:
    ways = whole.all("cac:PaymentMeans")
    seller = "cac:AccountingSupplierParty/cac:Party/cac:PartyIdentification/cbc:ID"
    payee = "cac:PayeeParty/cac:PartyIdentification/cbc:ID"
    ids = (*whole.identifiers(seller), *whole.identifiers(payee))
    mandates = [mandate for way in ways for mandate in way.all("cac:PaymentMandate")]
    codes = (way.first("cbc:PaymentMeansCode") for way in ways)
    return Payment(
        means=once((code.own_text(), code.get("name")) for code in codes),
        references=once(text for way in ways for text in way.texts("cbc:PaymentID")),
        accounts=tuple(
            _account(part) for way in ways for part in way.all("cac:PayeeFinancialAccount")
        ),
        cards=tuple(_card(part) for way in ways for part in way.all("cac:CardAccount")),
        mandate=next((one.text("cbc:ID") for one in mandates), ""),
        creditor=next((one.text for one in ids if one.scheme == _SEPA), ""),
        debited_account=next(
            (one.text("cac:PayerFinancialAccount/cbc:ID") for one in mandates), ""
        ),
        terms=whole.paragraphs("cac:PaymentTerms/cbc:Note"),
    )


def _account(part: Part) -> Account:
    return Account(
        number=part.text("cbc:ID"),
        name=part.text("cbc:Name"),
        bank=part.text("cac:FinancialInstitutionBranch/cbc:ID"),
    )


def _card(part: Part) -> str:
    paths = ("cbc:NetworkID", "cbc:PrimaryAccountNumberID", "cbc:HolderName")
    return " ".join(part.texts(*paths))
