"""Checking what billing systems send, with Django's own forms."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import RegexValidator

PARTY_FIELDS = ("name", "id", "email")


class LineForm(forms.Form):
    """One line."""

    description = forms.CharField(max_length=1000)
    quantity = forms.DecimalField(max_digits=24, decimal_places=10)
    unit_price = forms.DecimalField(max_digits=24, decimal_places=10)
    net_amount = forms.DecimalField(max_digits=18, decimal_places=4)
    tax_rate = forms.DecimalField(max_digits=7, decimal_places=4, required=False)


class InvoiceForm(forms.Form):
    """The head of an invoice."""

    number = forms.CharField(max_length=64)
    issue_date = forms.DateField(input_formats=["%Y-%m-%d"])
    due_date = forms.DateField(input_formats=["%Y-%m-%d"], required=False)
    currency = forms.CharField(validators=[RegexValidator("^[A-Z]{3}$")])
    buyer_reference = forms.CharField(max_length=200, required=False)
    seller_name = forms.CharField(max_length=300)
    seller_id = forms.CharField(max_length=120, required=False)
    seller_email = forms.EmailField(required=False)
    buyer_name = forms.CharField(max_length=300)
    buyer_id = forms.CharField(max_length=120, required=False)
    buyer_email = forms.EmailField(required=False)
    payable_amount = forms.DecimalField(max_digits=18, decimal_places=4)
    tax_amount = forms.DecimalField(max_digits=18, decimal_places=4, required=False)


class RefusedError(Exception):
    """The invoice breaks a rule; the argument says which."""


def read_invoice(data: dict[str, Any]) -> dict[str, Any]:
    """Return the checked head of an invoice, its labels and the number of its lines.

    Raises:
        RefusedError: with the errors of the forms.
    """
    flat = {**data}
    for party in ("seller", "buyer"):
        found = data.get(party) or {}
        flat |= {f"{party}_{name}": found.get(name) for name in PARTY_FIELDS}
    form = InvoiceForm(flat)
    lines = [LineForm(line) for line in data.get("lines") or []]
    if not form.is_valid() or not lines or not all(line.is_valid() for line in lines):
        raise RefusedError({"invoice": form.errors, "lines": [line.errors for line in lines]})
    check_total(form, lines)
    return {**form.cleaned_data, "labels": data.get("labels", {}), "line_count": len(lines)}


def check_total(form: forms.Form, lines: list[LineForm]) -> None:
    """Refuse a total that is not the sum of the lines and the tax."""
    net = sum((line.cleaned_data["net_amount"] for line in lines), Decimal(0))
    if net + (form.cleaned_data["tax_amount"] or 0) != form.cleaned_data["payable_amount"]:
        raise RefusedError({"payable_amount": "is not the sum of the lines and the tax"})
