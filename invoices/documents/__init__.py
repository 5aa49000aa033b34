"""XML invoices: UBL 2.1 Invoice and CreditNote, UN/CEFACT Cross Industry Invoice."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from lxml import etree

from core.errors import Finding, InputError
from invoices.documents import cii, safe_xml, ubl
from invoices.documents.reader import Reading
from invoices.refusals import refusal
from invoices.values import NewInvoice

_READERS: Final[Mapping[str, Callable[[etree._Element, bytes], Reading]]] = {
    f"{{{ubl.INVOICE}}}Invoice": ubl.read,
    f"{{{ubl.CREDIT_NOTE}}}CreditNote": ubl.read,
    f"{{{cii.INVOICE}}}CrossIndustryInvoice": cii.read,
}


def read_xml_invoice(
    body: bytes,
    *,
    provider_code: str | None = None,
    recipient: str | None = None,
    external_id: str | None = None,
    send_at: datetime | None = None,
    labels: Mapping[str, str] | None = None,
) -> NewInvoice:
    """Read and check an invoice written in XML; the rest is what the request says about it.

    Raises:
        UnreadableError: there is no body.
        InputError: not safe, not well formed, no invoice, or it breaks a rule; every broken
            rule is a finding.
    """
    reading = _read(body)
    if reading.findings:
        raise refusal(reading.findings)
    return replace(
        reading.invoice,
        provider_code=provider_code,
        recipient=recipient,
        external_id=external_id,
        send_at=send_at,
        labels=labels or {},
    )


def check_xml_totals(body: bytes) -> list[Finding]:
    """Return what is remarkable about an invoice that `read_xml_invoice` accepts.

    These are sums that do not hold, but not certainly enough to refuse the invoice.
    """
    return _read(body).remarks


def parse_xml_invoice(body: bytes) -> etree._Element:
    """Return the root of an invoice in XML, which may break any rule of its kind.

    Raises:
        UnreadableError: there is no body.
        InputError: not safe, not well formed or no invoice.
    """
    root = safe_xml.parse(body)
    if root.tag not in _READERS:
        raise _not_an_invoice(root)
    return root


def _read(body: bytes) -> Reading:
    root = parse_xml_invoice(body)
    return _READERS[root.tag](root, body)


def _not_an_invoice(root: etree._Element) -> InputError:
    name = etree.QName(root)
    expected = [tag for tag in _READERS if etree.QName(tag).localname == name.localname]
    if expected:
        message = (
            f"namespace {name.namespace or '(none)'} is not one Kuvert reads: "
            f"{name.localname} must be in {etree.QName(expected[0]).namespace}"
        )
    else:
        message = (
            f"root {name.localname} is not an invoice format Kuvert reads "
            "(UBL Invoice/CreditNote, CII)"
        )
    finding = Finding(f"/{name.localname}", "format", message, is_xpath=True)
    return InputError(message, findings=[finding])
