"""Kuvert's own JSON invoice for print. What it does not state, but what follows, is worked out."""

from collections import defaultdict
from decimal import Decimal

from invoices import currencies, values
from invoices.pdf.paper import (
    Address,
    Identifier,
    Line,
    Paper,
    Party,
    Tax,
    TaxPart,
    Totals,
)
from invoices.schemas import JsonInvoice, json_invoice


def read(invoice: JsonInvoice) -> Paper:
    """Turn a checked JSON invoice into one for print."""
    reference = invoice.buyer_reference
    return Paper(
        number=invoice.number,
        type_code=invoice.type_code,
        is_credit_note=invoice.type_code in values.CREDIT_NOTE_CODES,
        currency=invoice.currency,
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        references=(("buyer_reference", reference),) if reference else (),
        seller=_party(invoice.seller, None),
        buyer=_party(invoice.buyer, invoice.buyer.address),
        lines=tuple(_line(number, line) for number, line in enumerate(invoice.lines, 1)),
        taxes=_taxes(invoice),
        totals=_totals(invoice),
    )


def _party(party: json_invoice.Seller | json_invoice.Buyer, address: str | None) -> Party:
    return Party(
        name=party.name,
        ids=(Identifier(party.id),) if party.id else (),
        email=party.email or "",
        address=Address(lines=tuple((address or "").splitlines())),
    )


def _line(number: int, line: json_invoice.Line) -> Line:
    name, _, more = line.description.partition("\n")
    return Line(
        id=str(number),
        name=name,
        description=more,
        quantity=Decimal(line.quantity),
        price=Decimal(line.unit_price),
        net_amount=Decimal(line.net_amount),
        tax=Tax(rate=_rate(line)),
    )


def _rate(line: json_invoice.Line) -> Decimal | None:
    return None if line.tax_rate is None else Decimal(line.tax_rate)


def _totals(invoice: JsonInvoice) -> Totals:
    """Return the totals: intake has seen that lines and tax are what is to be paid."""
    lines = sum((Decimal(line.net_amount) for line in invoice.lines), start=Decimal(0))
    payable = Decimal(invoice.payable_amount)
    return Totals(
        lines=lines,
        tax_exclusive=lines,
        tax=None if invoice.tax_amount is None else Decimal(invoice.tax_amount),
        tax_inclusive=payable,
        payable=payable,
    )


def _taxes(invoice: JsonInvoice) -> tuple[TaxPart, ...]:
    """Return the amounts by rate; the tax of each only where together they are what is stated."""
    bases: dict[Decimal, Decimal] = defaultdict(Decimal)
    for line in invoice.lines:
        rate = _rate(line)
        if rate is not None:
            bases[rate.normalize()] += Decimal(line.net_amount)
    unit = currencies.get(invoice.currency).minor_unit
    taxes = {rate: (base * rate / 100).quantize(unit) for rate, base in bases.items()}
    stated = Decimal(invoice.tax_amount or 0)
    is_right = sum(taxes.values()) == stated
    return tuple(
        TaxPart(tax=Tax(rate=rate), base=bases[rate], amount=taxes[rate] if is_right else None)
        for rate in sorted(bases, reverse=True)
    )
