"""Whether the amounts of a JSON invoice agree with each other.

What is tolerated: a line may differ from quantity times price by half a minor unit (any way to
round a tie), the tax by one minor unit for each rate (rounded per line or per group). The sum of
it all must be exact.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from core.errors import Finding
from invoices import currencies
from invoices.schemas.json_invoice import InvoiceDates, InvoiceSums, Line


def check_dates(dates: InvoiceDates) -> list[Finding]:
    """Return a finding when the invoice is due before it is issued."""
    if dates.due_date is None or dates.due_date >= dates.issue_date:
        return []
    message = f"due_date {dates.due_date} is before issue_date {dates.issue_date}"
    return [Finding("/due_date", "due-date", message)]


def check_sums(sums: InvoiceSums) -> list[Finding]:
    """Return every disagreement between lines, tax and total (BR-CO-15, BR-CO-17, BT-131)."""
    currency = currencies.get(sums.currency)
    return _too_fine(sums, currency) or [
        *_lines_off(sums.lines, currency),
        *_tax_off(sums, currency),
        *_total_off(sums),
    ]


def amount_form(currency: currencies.Currency | None) -> str:
    """Say how an amount is written, in this currency when it is known."""
    if currency is None:
        return "use digits and a dot"
    if currency.decimals == 0:
        return f"use digits, no decimals for {currency.code}"
    return f"use digits and a dot, at most {currency.decimals} decimals for {currency.code}"


def _too_fine(sums: InvoiceSums, currency: currencies.Currency) -> list[Finding]:
    """Find amounts with more decimals than the currency has."""
    named = [("/tax_amount", sums.tax_amount or ""), ("/payable_amount", sums.payable_amount)]
    named += [(f"/lines/{i}/net_amount", line.net_amount) for i, line in enumerate(sums.lines)]
    return [
        Finding(where, "decimals", amount_form(currency))
        for where, text in named
        if len(text.partition(".")[2]) > currency.decimals
    ]


def _lines_off(lines: Sequence[Line], currency: currencies.Currency) -> list[Finding]:
    """Find lines whose net amount is not quantity times price (BT-131)."""
    tolerated = currency.minor_unit / 2
    findings = []
    for index, line in enumerate(lines):
        product = Decimal(line.quantity) * Decimal(line.unit_price)
        if abs(Decimal(line.net_amount) - product) > tolerated:
            message = (
                f"net_amount is {line.net_amount}, "
                f"quantity {line.quantity} times unit_price {line.unit_price} is {product:f}"
            )
            where = f"/lines/{index}/net_amount"
            findings.append(Finding(where, "PEPPOL-EN16931-R120", message))
    return findings


def _tax_off(sums: InvoiceSums, currency: currencies.Currency) -> list[Finding]:
    """Compare the tax with the rates, where every line states one (BR-CO-17)."""
    taxable: defaultdict[Decimal, Decimal] = defaultdict(Decimal)
    for line in sums.lines:
        if line.tax_rate is None:
            return []
        taxable[Decimal(line.tax_rate)] += Decimal(line.net_amount)
    unit = currency.minor_unit
    expected = sum(
        ((base * rate / 100).quantize(unit, ROUND_HALF_UP) for rate, base in taxable.items()),
        start=Decimal(0),
    )
    stated = Decimal(sums.tax_amount or 0)
    if abs(expected - stated) <= unit * len(taxable):
        return []
    message = f"tax_amount is {stated}, the lines and their rates give {expected}"
    return [Finding("/tax_amount", "BR-CO-17", message)]


def _total_off(sums: InvoiceSums) -> list[Finding]:
    """Compare the payable amount with lines and tax (BR-CO-15)."""
    expected = sum((Decimal(line.net_amount) for line in sums.lines), start=Decimal(0))
    expected += Decimal(sums.tax_amount or 0)
    stated = Decimal(sums.payable_amount)
    if stated == expected:
        return []
    message = f"payable_amount is {stated}, the lines and tax_amount give {expected}"
    return [Finding("/payable_amount", "BR-CO-15", message)]
