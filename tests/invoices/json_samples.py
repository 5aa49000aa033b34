"""JSON invoices for tests, and short ways to read them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import Finding, InputError
from invoices.schemas import read_json_invoice
from invoices.values import NewInvoice

Json = dict[str, Any]


def a_line(**changes: object) -> Json:
    line = {
        "description": "Consulting",
        "quantity": "2",
        "unit_price": "50.00",
        "net_amount": "100.00",
        "tax_rate": "25",
    }
    return {**line, **changes}


def an_invoice(**changes: object) -> Json:
    invoice = {
        "number": "2026-0001",
        "issue_date": "2026-11-22",
        "currency": "EUR",
        "seller": {"name": "Seller GmbH"},
        "buyer": {"name": "Buyer AB"},
        "lines": [a_line()],
        "tax_amount": "25.00",
        "payable_amount": "125.00",
    }
    return {**invoice, **changes}


def in_one_line(currency: str, amount: object) -> Json:
    """An invoice over one untaxed line of `amount`."""
    line = {"description": "x", "quantity": "1", "unit_price": amount, "net_amount": amount}
    return an_invoice(currency=currency, lines=[line], tax_amount=None, payable_amount=amount)


def read(invoice: Mapping[str, object]) -> NewInvoice:
    return read_json_invoice(json.dumps(invoice).encode())


def findings(invoice: Mapping[str, object]) -> list[Finding]:
    with pytest.raises(InputError) as caught:
        read(invoice)
    return list(caught.value.findings)


def the_finding(invoice: Mapping[str, object]) -> Finding:
    found = findings(invoice)
    assert len(found) == 1, found
    return found[0]


def rules(invoice: Mapping[str, object]) -> set[str]:
    """Return the rules an invoice breaks."""
    try:
        read(invoice)
    except InputError as error:
        return {finding.rule for finding in error.findings}
    return set()
