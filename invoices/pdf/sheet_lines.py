"""The lines of the sheet, and how an allowance or a charge is told."""

from collections.abc import Iterator
from decimal import Decimal

from invoices.pdf.forms import Forms, narrow
from invoices.pdf.paper import Adjustment, Figure, Line, Paper, Tax


def lines_of(paper: Paper, forms: Forms) -> list[dict[str, str | int | list[str]]]:
    """Return the lines: figures for the columns, and all the rest below the name."""
    return [_line(line, paper.currency, forms) for line in paper.lines]


def _line(line: Line, currency: str, forms: Forms) -> dict[str, str | int | list[str]]:
    return {
        "id": narrow(line.id),
        "name": line.name,
        "description": line.description,
        "details": [*_details(line, forms), *_money_details(line, currency, forms)],
        "quantity": narrow(forms.quantity(line.quantity, line.unit)),
        "price": narrow(forms.amount(line.price, currency)),
        "per": _base(line, forms),
        "vat": _vat(line.tax, forms),
        "amount": narrow(forms.amount(line.net_amount, currency)),
        "level": line.level,
    }


def _base(line: Line, forms: Forms) -> str:
    """Say for how many the price is (BT-149), where it is not for one of what is counted."""
    if line.base_quantity is None:
        return ""
    if line.base_quantity == 1 and line.base_unit in {"", line.unit}:
        return ""
    quantity = forms.quantity(line.base_quantity, line.base_unit or line.unit)
    return narrow(f"{forms.label('per')} {quantity}")


def _vat(tax: Tax, forms: Forms) -> str:
    """Return the rate, and the category where it is not the usual one."""
    category = "" if tax.category == "S" else tax.category
    return " ".join(filter(None, (forms.percent(tax.rate), category)))


def _details(line: Line, forms: Forms) -> Iterator[str]:
    """Yield notes and period one by one, and what only identifies together."""
    yield from line.notes
    yield from filter(None, (forms.period(line.period),))
    identifying = [f"{forms.label(key)}: {text}" for key, text in line.references]
    identifying += [f"{name}: {text}" for name, text in line.attributes]
    if line.origin:
        identifying.append(f"{forms.label('origin')}: {forms.country(line.origin)}")
    yield from filter(None, ("; ".join(identifying),))


def _money_details(line: Line, currency: str, forms: Forms) -> Iterator[str]:
    """Tell the discount within the price (BT-147), and allowances and charges beside it."""
    if _counts(line.price_discount):
        discount = forms.amount(line.price_discount, currency)
        text = f"{forms.label('price_discount')} {discount}"
        gross = forms.amount(line.gross_price, currency)
        yield f"{forms.label('gross_price')} {gross}, {text}" if gross else text
    for one in line.adjustments:
        text, amount = adjusting(one, currency, forms)
        yield f"{text}: {amount}"


def _counts(figure: Figure | None) -> bool:
    return figure is not None and figure != 0


def adjusting(one: Adjustment, currency: str, forms: Forms) -> tuple[str, str]:
    """Say what an allowance or a charge is, and its amount as it changes the total."""
    kind = forms.label("charge" if one.is_charge else "allowance")
    text = f"{kind}: {one.reason}" if one.reason else kind
    percent, base = forms.percent(one.percent), forms.amount(one.base, currency)
    share = " ".join(filter(None, (percent, base and f"{forms.label('share_of')} {base}")))
    amount = one.amount
    if isinstance(amount, Decimal) and not one.is_charge and amount:
        # Unary minus would round to 28 digits.
        amount = amount.copy_negate()
    return (f"{text} ({share})" if share else text), forms.amount(amount, currency)
