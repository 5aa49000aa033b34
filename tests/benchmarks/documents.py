"""The invoices that are sent: ten lines each, alike but for their numbers."""

import json
from collections.abc import Iterator
from itertools import count

LINES = 10

_numbers = count(1)


def document(run: str, *, send_at: str | None = None) -> bytes:
    """Return a new invoice of ten lines; `run` keeps its number apart from other runs."""
    body: dict[str, object] = {
        "number": f"{run}-{next(_numbers)}",
        "issue_date": "2026-11-20",
        "due_date": "2026-12-20",
        "currency": "EUR",
        "buyer_reference": "PO-4711",
        "seller": {"name": "Blau & Söhne", "id": "DE123456789", "email": "office@seller.example"},
        "buyer": {"name": "Grün AG", "id": "DE987654321", "email": "deliver@sandbox.example"},
        "lines": [_line(index) for index in range(LINES)],
        "tax_amount": "104.50",
        "payable_amount": "654.50",
        "labels": {"region": "north"},
    }
    if send_at:
        body["send_at"] = send_at
    return json.dumps(body, ensure_ascii=False).encode()


def documents(run: str, number: int) -> Iterator[bytes]:
    """Return that many new invoices."""
    return (document(run) for _ in range(number))


def _line(index: int) -> dict[str, str]:
    quantity = index + 1
    return {
        "description": f"Paper of kind {index}, 500 sheets",
        "quantity": str(quantity),
        "unit_price": "10.00",
        "net_amount": f"{quantity * 10}.00",
        "tax_rate": "19",
    }
