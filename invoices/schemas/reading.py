"""From the bytes of a request to a `NewInvoice`."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import ValidationError

from core import strict_json
from core.errors import UnreadableError
from invoices import currencies
from invoices.refusals import refusal
from invoices.schemas.explaining import findings_of
from invoices.schemas.json_invoice import DeliveryOptions, JsonInvoice, QueryOptions
from invoices.schemas.totals import check_dates, check_sums
from invoices.values import NewInvoice, Syntax


def read_json_invoice(body: bytes) -> NewInvoice:
    """Read and check an invoice written in JSON.

    Raises:
        UnreadableError: the body is no JSON object; see `core.strict_json.loads`.
        InputError: it breaks a rule; every broken rule is a finding.
    """
    return _new_invoice(check_json_invoice(body), body)


def check_json_invoice(body: bytes) -> JsonInvoice:
    """Check an invoice written in JSON and return it with all its lines.

    Raises:
        UnreadableError: the body is no JSON object; see `core.strict_json.loads`.
        InputError: it breaks a rule; every broken rule is a finding.
    """
    raw = strict_json.loads(body)
    if not isinstance(raw, dict):
        raise UnreadableError("Expected an object")
    try:
        invoice = JsonInvoice.model_validate(raw)
    except ValidationError as error:
        raise refusal(findings_of(error, raw, JsonInvoice)) from None
    broken = check_dates(invoice) + check_sums(invoice)
    if broken:
        raise refusal(broken)
    return invoice


def read_query_options(arguments: Mapping[str, str]) -> QueryOptions:
    """Read `provider`, `to`, `external_id` and `send_at`, the query string of an XML invoice.

    Raises:
        InputError: an unknown argument or one that breaks a rule; pointers are `/to` and so on.
    """
    raw: dict[str, object] = dict(arguments)
    try:
        return QueryOptions.model_validate(raw)
    except ValidationError as error:
        raise refusal(findings_of(error, raw, QueryOptions)) from None


def _new_invoice(invoice: JsonInvoice, body: bytes) -> NewInvoice:
    delivery = invoice.delivery or DeliveryOptions()
    unit = currencies.get(invoice.currency).minor_unit
    tax = invoice.tax_amount
    return NewInvoice(
        number=invoice.number,
        issue_date=invoice.issue_date,
        type_code=invoice.type_code,
        currency=invoice.currency,
        due_date=invoice.due_date,
        buyer_reference=invoice.buyer_reference,
        payable_amount=_amount(invoice.payable_amount, unit),
        tax_amount=None if tax is None else _amount(tax, unit),
        seller_name=invoice.seller.name,
        seller_id=invoice.seller.id,
        seller_email=invoice.seller.email,
        buyer_name=invoice.buyer.name,
        buyer_id=invoice.buyer.id,
        buyer_email=invoice.buyer.email,
        buyer_address=invoice.buyer.address,
        line_count=len(invoice.lines),
        syntax=Syntax.JSON,
        provider_code=delivery.provider,
        recipient=delivery.to,
        external_id=invoice.external_id,
        send_at=invoice.send_at,
        labels=invoice.labels,
        media_type="application/json",
        body=body,
    )


def _amount(text: str, unit: Decimal) -> Decimal:
    """Return the amount with the decimals of its currency; adding zero turns -0.00 into 0.00."""
    return Decimal(text).quantize(unit) + 0
