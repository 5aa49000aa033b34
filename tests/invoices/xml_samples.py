"""XML invoices for tests: small, complete and right in their sums."""

from core.errors import Finding, InputError
from invoices.documents import read_xml_invoice

UBL_INVOICE = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
UBL_CREDIT_NOTE = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"
CII_INVOICE = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"


def a_ubl(kind: str = "Invoice") -> str:
    """A UBL invoice over two lines: 150.00 plus 37.50 tax, 10.00 of it prepaid."""
    return f"""<{kind} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{kind}-2"
  xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
  xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>
  <cbc:ID>U-1</cbc:ID>
  <cbc:IssueDate>2026-11-22</cbc:IssueDate>
  {"<cbc:DueDate>2026-12-22</cbc:DueDate>" if kind == "Invoice" else ""}
  <cbc:{kind}TypeCode>{"380" if kind == "Invoice" else "381"}</cbc:{kind}TypeCode>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cbc:BuyerReference>PO 7</cbc:BuyerReference>
  <cac:AccountingSupplierParty><cac:Party>
    <cbc:EndpointID schemeID="EM">seller@example.com</cbc:EndpointID>
    <cac:PartyIdentification><cbc:ID schemeID="SEPA">DE98ZZZ</cbc:ID></cac:PartyIdentification>
    <cac:PartyIdentification><cbc:ID>S-1</cbc:ID></cac:PartyIdentification>
    <cac:PartyName><cbc:Name>Trading name</cbc:Name></cac:PartyName>
    <cac:PartyLegalEntity><cbc:RegistrationName>Seller
      GmbH</cbc:RegistrationName></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingSupplierParty>
  <cac:AccountingCustomerParty><cac:Party>
    <cbc:EndpointID schemeID="0088">7300010000001</cbc:EndpointID>
    <cac:PostalAddress><cbc:StreetName>Way 1</cbc:StreetName><cbc:CityName>Town</cbc:CityName>
      <cbc:PostalZone>12345</cbc:PostalZone>
      <cac:Country><cbc:IdentificationCode>SE</cbc:IdentificationCode></cac:Country>
    </cac:PostalAddress>
    <cac:PartyTaxScheme><cbc:CompanyID>SE123</cbc:CompanyID></cac:PartyTaxScheme>
    <cac:PartyLegalEntity>
      <cbc:RegistrationName>Büyer AB</cbc:RegistrationName></cac:PartyLegalEntity>
    <cac:Contact><cbc:ElectronicMail>buyer@example.com</cbc:ElectronicMail></cac:Contact>
  </cac:Party></cac:AccountingCustomerParty>
  <cac:PaymentMeans><cbc:PaymentDueDate>2026-12-24</cbc:PaymentDueDate></cac:PaymentMeans>
  <cac:TaxTotal><cbc:TaxAmount currencyID="EUR">37.50</cbc:TaxAmount>
    <cac:TaxSubtotal><cbc:TaxableAmount currencyID="EUR">150.00</cbc:TaxableAmount>
      <cbc:TaxAmount currencyID="EUR">37.50</cbc:TaxAmount></cac:TaxSubtotal></cac:TaxTotal>
  <cac:TaxTotal><cbc:TaxAmount currencyID="SEK">412.50</cbc:TaxAmount></cac:TaxTotal>
  <cac:LegalMonetaryTotal>
    <cbc:LineExtensionAmount currencyID="EUR">150.00</cbc:LineExtensionAmount>
    <cbc:TaxExclusiveAmount currencyID="EUR">150.00</cbc:TaxExclusiveAmount>
    <cbc:TaxInclusiveAmount currencyID="EUR">187.50</cbc:TaxInclusiveAmount>
    <cbc:PrepaidAmount currencyID="EUR">10.00</cbc:PrepaidAmount>
    <cbc:PayableAmount currencyID="EUR">177.50</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>
  <cac:{kind}Line>
    <cbc:LineExtensionAmount currencyID="EUR">100</cbc:LineExtensionAmount></cac:{kind}Line>
  <cac:{kind}Line>
    <cbc:LineExtensionAmount currencyID="EUR">50</cbc:LineExtensionAmount></cac:{kind}Line>
</{kind}>"""


def a_cii() -> str:
    """A CII invoice with the same amounts; the currency is left out where CII allows it."""
    line = """<ram:IncludedSupplyChainTradeLineItem><ram:SpecifiedLineTradeSettlement>
      <ram:SpecifiedTradeSettlementLineMonetarySummation>
        <ram:LineTotalAmount>75</ram:LineTotalAmount>
      </ram:SpecifiedTradeSettlementLineMonetarySummation>
    </ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>"""
    return f"""<rsm:CrossIndustryInvoice xmlns:rsm="{CII_INVOICE}"
  xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
  xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
  <rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter>
    <ram:ID>urn:cen.eu:en16931:2017</ram:ID>
  </ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
  <rsm:ExchangedDocument><ram:ID>C-1</ram:ID><ram:TypeCode>380</ram:TypeCode>
    <ram:IssueDateTime>
      <udt:DateTimeString format="102">20261122</udt:DateTimeString></ram:IssueDateTime>
  </rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>{line}{line}
    <ram:ApplicableHeaderTradeAgreement><ram:BuyerReference>PO 7</ram:BuyerReference>
      <ram:SellerTradeParty><ram:GlobalID schemeID="0088">400</ram:GlobalID>
        <ram:Name>Seller GmbH</ram:Name></ram:SellerTradeParty>
      <ram:BuyerTradeParty><ram:ID>B-1</ram:ID><ram:Name>Büyer AB</ram:Name>
        <ram:PostalTradeAddress>
          <ram:PostcodeCode>12345</ram:PostcodeCode><ram:LineOne>Way 1</ram:LineOne>
          <ram:CountryID>SE</ram:CountryID></ram:PostalTradeAddress>
        <ram:URIUniversalCommunication><ram:URIID schemeID="EM">buyer@example.com</ram:URIID>
        </ram:URIUniversalCommunication></ram:BuyerTradeParty>
    </ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
      <ram:ApplicableTradeTax><ram:CalculatedAmount>37.50</ram:CalculatedAmount>
        <ram:BasisAmount>150.00</ram:BasisAmount></ram:ApplicableTradeTax>
      <ram:SpecifiedTradePaymentTerms><ram:DueDateDateTime>
        <udt:DateTimeString format="102">20261222</udt:DateTimeString></ram:DueDateDateTime>
      </ram:SpecifiedTradePaymentTerms>
      <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
        <ram:LineTotalAmount>150.00</ram:LineTotalAmount>
        <ram:TaxBasisTotalAmount>150.00</ram:TaxBasisTotalAmount>
        <ram:TaxTotalAmount currencyID="EUR">37.50</ram:TaxTotalAmount>
        <ram:TaxTotalAmount currencyID="SEK">412.50</ram:TaxTotalAmount>
        <ram:GrandTotalAmount>187.50</ram:GrandTotalAmount>
        <ram:TotalPrepaidAmount>10.00</ram:TotalPrepaidAmount>
        <ram:DuePayableAmount>177.50</ram:DuePayableAmount>
      </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    </ram:ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>"""


def changed(document: str, old: str, new: str) -> bytes:
    """Replace one place of a sample; the test is wrong when it is not there once."""
    assert document.count(old) == 1, old
    return document.replace(old, new).encode()


def findings(body: bytes) -> list[Finding]:
    """Return what is wrong with a document; empty when it is accepted."""
    try:
        read_xml_invoice(body)
    except InputError as error:
        return list(error.findings)
    return []


def rules(body: bytes) -> list[str]:
    """Return the rules a document breaks."""
    return [finding.rule for finding in findings(body)]


def the_finding(body: bytes) -> Finding:
    """Return what is wrong where it is one thing."""
    found = findings(body)
    assert len(found) == 1, found
    return found[0]
