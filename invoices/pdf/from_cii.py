"""UN/CEFACT Cross Industry Invoice for print (CEN/TS 16931-3-3)."""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from invoices import values
from invoices.documents import cii
from invoices.documents.cii import DATE
from invoices.pdf.paper import (
    Account,
    Address,
    Adjustment,
    Attachment,
    Day,
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

_NAMESPACES: Final = cii.NAMESPACES | {
    "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"
}
# UNTDID 1001: what an additional document is when it is no supporting document (BG-24).
_OTHERS: Final = {"130": "invoiced_object", "50": "tender"}
_AGREED: Final = (
    ("buyer_reference", "ram:BuyerReference"),
    ("purchase_order", "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"),
    ("sales_order", "ram:SellerOrderReferencedDocument/ram:IssuerAssignedID"),
    ("contract", "ram:ContractReferencedDocument/ram:IssuerAssignedID"),
    ("project", "ram:SpecifiedProcuringProject/ram:ID"),
)
_DELIVERED: Final = (
    ("despatch_advice", "ram:DespatchAdviceReferencedDocument/ram:IssuerAssignedID"),
    ("receiving_advice", "ram:ReceivingAdviceReferencedDocument/ram:IssuerAssignedID"),
)
_ACCOUNTED: Final = ("accounting_reference", "ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID")
_PRODUCT: Final = (
    ("sellers_item", "ram:SellerAssignedID"),
    ("buyers_item", "ram:BuyerAssignedID"),
    ("standard_item", "ram:GlobalID"),
)
_DAY: Final = "/udt:DateTimeString"


def read(root: etree._Element) -> Paper:
    """Read a CrossIndustryInvoice."""
    whole = Part.whole(root, _NAMESPACES)
    document = whole.first("rsm:ExchangedDocument")
    trade = whole.first("rsm:SupplyChainTradeTransaction")
    agreed = trade.first("ram:ApplicableHeaderTradeAgreement")
    delivered = trade.first("ram:ApplicableHeaderTradeDelivery")
    settled = trade.first("ram:ApplicableHeaderTradeSettlement")
    type_code = document.text("ram:TypeCode")
    currency = settled.text("ram:InvoiceCurrencyCode")
    terms = "ram:SpecifiedTradePaymentTerms/ram:DueDateDateTime"
    return Paper(
        number=document.text("ram:ID"),
        type_code=type_code,
        is_credit_note=type_code in values.CREDIT_NOTE_CODES,
        currency=currency,
        tax_currency=settled.text("ram:TaxCurrencyCode"),
        issue_date=document.day(f"ram:IssueDateTime{_DAY}", DATE),
        due_date=settled.day(f"{terms}{_DAY}", DATE),
        tax_point=settled.day("ram:ApplicableTradeTax/ram:TaxPointDate/udt:DateString", DATE),
        period=_period(settled),
        references=tuple(_references(agreed, delivered, settled)),
        preceding=tuple(_preceding(settled)),
        seller=_party(agreed.first("ram:SellerTradeParty")),
        buyer=_party(agreed.first("ram:BuyerTradeParty")),
        payee=_party_or_none(settled.first("ram:PayeeTradeParty")),
        representative=_party_or_none(agreed.first("ram:SellerTaxRepresentativeTradeParty")),
        delivery=_delivery(delivered),
        lines=tuple(_line(part) for part in trade.all("ram:IncludedSupplyChainTradeLineItem")),
        adjustments=tuple(_adjustments(settled)),
        taxes=tuple(_taxes(settled)),
        totals=_totals(settled, currency),
        payment=_payment(settled),
        notes=document.paragraphs("ram:IncludedNote/ram:Content"),
        attachments=tuple(_attachments(agreed)),
    )


def _references(agreed: Part, delivered: Part, settled: Part) -> Iterator[tuple[str, str]]:
    for part, table in ((agreed, _AGREED), (delivered, _DELIVERED), (settled, (_ACCOUNTED,))):
        for label, path in table:
            for text in part.texts(path):
                yield label, text
    for part in agreed.all("ram:AdditionalReferencedDocument"):
        code = part.text("ram:TypeCode")
        if code in _OTHERS:
            yield _OTHERS[code], part.text("ram:IssuerAssignedID")


def _preceding(settled: Part) -> Iterator[tuple[str, Day | None]]:
    for part in settled.all("ram:InvoiceReferencedDocument"):
        day = part.day("ram:FormattedIssueDateTime/qdt:DateTimeString", DATE)
        yield part.text("ram:IssuerAssignedID"), day


def _attachments(agreed: Part) -> Iterator[Attachment]:
    for part in agreed.all("ram:AdditionalReferencedDocument"):
        if part.text("ram:TypeCode") not in _OTHERS:
            yield Attachment(
                id=part.text("ram:IssuerAssignedID"),
                description=part.text("ram:Name"),
                file_name=part.first("ram:AttachmentBinaryObject").get("filename"),
                location=part.text("ram:URIID"),
            )


def _party_or_none(part: Part) -> Party | None:
    return _party(part) if part else None


def _party(part: Part) -> Party:
    legal = part.first("ram:SpecifiedLegalOrganization")
    contact = part.first("ram:DefinedTradeContact")
    taxes = part.identifiers("ram:SpecifiedTaxRegistration/ram:ID")
    name, trading_name = part.text("ram:Name"), legal.text("ram:TradingBusinessName")
    return Party(
        name=name,
        trading_name="" if trading_name == name else trading_name,
        address=_address(part.first("ram:PostalTradeAddress")),
        ids=(*part.identifiers("ram:ID"), *part.identifiers("ram:GlobalID")),
        legal_id=legal.identifier("ram:ID"),
        vat_id=next((one.text for one in taxes if one.scheme != "FC"), ""),
        tax_id=next((one.text for one in taxes if one.scheme == "FC"), ""),
        electronic_address=part.identifier("ram:URIUniversalCommunication/ram:URIID"),
        contact=", ".join(contact.texts("ram:PersonName", "ram:DepartmentName")),
        phone=contact.text("ram:TelephoneUniversalCommunication/ram:CompleteNumber"),
        email=contact.text("ram:EmailURIUniversalCommunication/ram:URIID"),
        legal_information="\n".join(part.paragraphs("ram:Description")),
    )


def _address(part: Part) -> Address:
    return Address(
        lines=part.texts("ram:LineOne", "ram:LineTwo", "ram:LineThree"),
        postal_code=part.text("ram:PostcodeCode"),
        city=part.text("ram:CityName"),
        subdivision=part.text("ram:CountrySubDivisionName"),
        country=part.text("ram:CountryID"),
    )


def _delivery(part: Part) -> Delivery:
    place = part.first("ram:ShipToTradeParty")
    event = "ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime"
    return Delivery(
        name=place.text("ram:Name"),
        location=place.identifier("ram:GlobalID") or place.identifier("ram:ID"),
        day=part.day(f"{event}{_DAY}", DATE),
        address=_address(place.first("ram:PostalTradeAddress")),
    )


def _period(part: Part) -> Period:
    period = part.first("ram:BillingSpecifiedPeriod")
    return Period(
        start=period.day(f"ram:StartDateTime{_DAY}", DATE),
        end=period.day(f"ram:EndDateTime{_DAY}", DATE),
    )


def _line(line: Part) -> Line:
    document = line.first("ram:AssociatedDocumentLineDocument")
    product = line.first("ram:SpecifiedTradeProduct")
    agreed = line.first("ram:SpecifiedLineTradeAgreement")
    settled = line.first("ram:SpecifiedLineTradeSettlement")
    price = agreed.first("ram:NetPriceProductTradePrice")
    gross = agreed.first("ram:GrossPriceProductTradePrice")
    quantity = line.first("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity")
    base = price.first("ram:BasisQuantity") or gross.first("ram:BasisQuantity")
    summed = "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
    return Line(
        id=document.text("ram:LineID"),
        name=product.text("ram:Name"),
        description="\n".join(product.paragraphs("ram:Description")),
        notes=document.paragraphs("ram:IncludedNote/ram:Content"),
        quantity=quantity.own_figure(),
        unit=quantity.get("unitCode"),
        price=price.figure("ram:ChargeAmount"),
        price_discount=gross.figure("ram:AppliedTradeAllowanceCharge/ram:ActualAmount"),
        gross_price=gross.figure("ram:ChargeAmount"),
        base_quantity=base.own_figure(),
        base_unit=base.get("unitCode"),
        tax=_tax(settled.first("ram:ApplicableTradeTax")),
        net_amount=settled.figure(summed),
        adjustments=tuple(_adjustments(settled)),
        period=_period(settled),
        references=tuple(_line_references(product, agreed, settled)),
        attributes=tuple(
            (part.text("ram:Description"), part.text("ram:Value"))
            for part in product.all("ram:ApplicableProductCharacteristic")
        ),
        origin=product.text("ram:OriginTradeCountry/ram:ID"),
        level=1 if document.text("ram:ParentLineID") else 0,
    )


def _line_references(product: Part, agreed: Part, settled: Part) -> Iterator[tuple[str, str]]:
    for label, path in _PRODUCT:
        for text in product.texts(path):
            yield label, text
    for text in agreed.texts("ram:BuyerOrderReferencedDocument/ram:LineID"):
        yield "order_line", text
    for text in settled.texts("ram:AdditionalReferencedDocument/ram:IssuerAssignedID"):
        yield "invoiced_object", text
    for text in settled.texts(_ACCOUNTED[1]):
        yield _ACCOUNTED[0], text
    for part in product.all("ram:DesignatedProductClassification/ram:ClassCode"):
        yield "classification", " ".join(filter(None, (part.get("listID"), part.own_text())))


def _tax(part: Part) -> Tax:
    return Tax(
        category=part.text("ram:CategoryCode"), rate=part.figure("ram:RateApplicablePercent")
    )


def _adjustments(part: Part) -> Iterator[Adjustment]:
    for one in part.all("ram:SpecifiedTradeAllowanceCharge"):
        yield Adjustment(
            is_charge=one.text("ram:ChargeIndicator/udt:Indicator") in {"true", "1"},
            amount=one.figure("ram:ActualAmount"),
            base=one.figure("ram:BasisAmount"),
            percent=one.figure("ram:CalculationPercent"),
            reason=one.text("ram:Reason") or one.text("ram:ReasonCode"),
            tax=_tax(one.first("ram:CategoryTradeTax")),
        )


def _taxes(settled: Part) -> Iterator[TaxPart]:
    for part in settled.all("ram:ApplicableTradeTax"):
        yield TaxPart(
            tax=_tax(part),
            base=part.figure("ram:BasisAmount"),
            amount=part.figure("ram:CalculatedAmount"),
            exemption=" ".join(part.texts("ram:ExemptionReason", "ram:ExemptionReasonCode")),
        )


def _totals(settled: Part, currency: str) -> Totals:
    total = settled.first("ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    taxes = total.all("ram:TaxTotalAmount")
    own, other = by_currency(taxes, currency)
    return Totals(
        lines=total.figure("ram:LineTotalAmount"),
        allowances=total.figure("ram:AllowanceTotalAmount"),
        charges=total.figure("ram:ChargeTotalAmount"),
        tax_exclusive=total.figure("ram:TaxBasisTotalAmount"),
        tax=own.own_figure(),
        tax_in_tax_currency=other.own_figure(),
        tax_inclusive=total.figure("ram:GrandTotalAmount"),
        prepaid=total.figure("ram:TotalPrepaidAmount"),
        rounding=total.figure("ram:RoundingAmount"),
        payable=total.figure("ram:DuePayableAmount"),
    )


def _payment(settled: Part) -> Payment:
    ways = settled.all("ram:SpecifiedTradeSettlementPaymentMeans")
    card = "ram:ApplicableTradeSettlementFinancialCard"
    terms = settled.first("ram:SpecifiedTradePaymentTerms")
    debited = (way.text("ram:PayerPartyDebtorFinancialAccount/ram:IBANID") for way in ways)
    return Payment(
        means=once((way.text("ram:TypeCode"), way.text("ram:Information")) for way in ways),
        references=settled.texts("ram:PaymentReference"),
        accounts=tuple(
            _account(way) for way in ways if way.first("ram:PayeePartyCreditorFinancialAccount")
        ),
        cards=tuple(
            " ".join(way.texts(f"{card}/ram:ID", f"{card}/ram:CardholderName"))
            for way in ways
            if way.first(card)
        ),
        mandate=terms.text("ram:DirectDebitMandateID"),
        creditor=settled.text("ram:CreditorReferenceID"),
        debited_account=next(filter(None, debited), ""),
        terms=settled.paragraphs("ram:SpecifiedTradePaymentTerms/ram:Description"),
    )


def _account(way: Part) -> Account:
    account = way.first("ram:PayeePartyCreditorFinancialAccount")
    return Account(
        number=account.text("ram:IBANID") or account.text("ram:ProprietaryID"),
        name=account.text("ram:AccountName"),
        bank=way.text("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID"),
    )
