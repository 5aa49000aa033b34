"""Typed rows to the JSON that billing systems read."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from core.clock import rfc3339
from invoices import currencies
from invoices.services.totals import Week
from invoices.values import Syntax

MONEY_OF_LINE = "net_amount"


def money(amount: Decimal, currency: str) -> str:
    """Write an amount with the decimals that its currency has (ISO 4217 minor units)."""
    known = currencies.find(currency)
    return f"{amount + 0:.{known.decimals if known else 2}f}"  # + 0 takes the sign off a zero


def listed_invoice(row: Row[Any]) -> dict[str, object]:
    """Return an invoice as lists show it: its header, without lines."""
    header = {
        "number": row.number,
        "issue_date": row.issue_date.isoformat(),
        "type_code": row.type_code,
        "currency": row.currency,
        "due_date": row.due_date.isoformat() if row.due_date else None,
        "buyer_reference": row.buyer_reference,
        "seller": _known(name=row.seller_name, id=row.seller_id, email=row.seller_email),
        "buyer": _known(
            name=row.buyer_name, id=row.buyer_id, email=row.buyer_email, address=row.buyer_address
        ),
        **_amounts(row),
        "external_id": row.external_id,
        "labels": row.labels or None,
    }
    return _known(**header) | _ours(row)


def invoice(row: Row[Any], document: bytes) -> dict[str, object]:
    """Return one invoice as it was written, and what has become of it.

    One that came as JSON shows the members of its document; one that came as XML, or whose
    document was removed by retention, shows what was read from it.
    """
    if row.purged_at is not None:
        return listed_invoice(row) | {"document_removed_at": rfc3339(row.purged_at)}
    if row.syntax != Syntax.JSON:
        return listed_invoice(row)
    written: dict[str, Any] = json.loads(document.decode("utf-8-sig"))
    amounts = {name: text for name, text in _amounts(row).items() if text is not None}
    lines = [_line(line, row.currency) for line in written.get("lines", ())]
    return written | {"type_code": row.type_code, **amounts, "lines": lines} | _ours(row)


def standing(row: Row[Any]) -> dict[str, object]:
    """Return where an invoice stands, as the answer to an action."""
    return {
        "id": str(row.id),
        "number": row.number,
        "status": row.status,
        "sequence": row.status_sequence,
        "delivery_id": str(row.current_delivery_id) if row.current_delivery_id else None,
    }


def suppression(row: Row[Any]) -> dict[str, object]:
    """Return an address to which nothing goes for now."""
    return {
        "id": str(row.id),
        "address": row.address,
        "verdict": "by_hand" if row.suppressed_by else "hard" if row.is_hard else "soft",
        "reason": row.reason,
        "suppressed_at": rfc3339(row.suppressed_at),
        "expires_at": rfc3339(row.expires_at) if row.expires_at else None,
    }


def report_mail(row: Row[Any]) -> dict[str, object]:
    """Return the mail of a week's report, and what became of it."""
    return {
        "id": str(row.id),
        "week": row.week,
        "to": ", ".join(row.recipients),
        "state": row.state,
        "detail": row.detail,
        "asked_by": row.asked_by,
        "attempt_count": row.attempt_count,
        "next_try_at": rfc3339(row.due_at) if row.state == "waiting" else None,
        "created_at": rfc3339(row.created_at),
        "finished_at": rfc3339(row.finished_at) if row.finished_at else None,
    }


def delivery(row: Row[Any]) -> dict[str, object]:
    """Return one delivery; its id is the dispatch key that the provider sees."""
    return {
        "id": str(row.id),
        "provider": row.provider,
        "to": row.recipient,
        "origin": row.origin,
        "reason": row.reason,
        "state": row.state,
        "due_at": rfc3339(row.due_at) if row.due_at else None,
        "attempt_count": row.attempt_count,
        "provider_reference": row.provider_reference,
        "created_at": rfc3339(row.created_at),
    }


def attempt(row: Row[Any]) -> dict[str, object]:
    """Return one attempt; `outcome` null: it is under way."""
    return {
        "id": str(row.id),
        "delivery_id": str(row.delivery_id),
        "number": row.number,
        "started_at": rfc3339(row.started_at),
        "finished_at": rfc3339(row.finished_at) if row.finished_at else None,
        "outcome": row.outcome,
        "http_status": row.http_status,
        "provider_reference": row.provider_reference,
        "response": row.response,
    }


def totals(week: Week, rows: Iterable[Mapping[str, Any]], *, is_final: bool) -> dict[str, Any]:
    """Return the totals of a week; `to` is not part of it any more."""
    names = ("source", "currency", "status", "invoice_count")
    return {
        "week": week.name,
        "from": rfc3339(week.start),
        "to": rfc3339(week.end),
        "is_final": is_final,
        "totals": [
            {name: row[name] for name in names}
            | {name: money(row[name], row["currency"]) for name in ("payable_amount", "tax_amount")}
            for row in rows
        ],
    }


def _amounts(row: Row[Any]) -> dict[str, str | None]:
    tax = row.tax_amount
    return {
        "tax_amount": money(tax, row.currency) if tax is not None else None,
        "payable_amount": money(row.payable_amount, row.currency),
    }


def _line(line: Mapping[str, Any], currency: str) -> dict[str, Any]:
    amount = line.get(MONEY_OF_LINE)
    return {**line, MONEY_OF_LINE: money(Decimal(amount), currency)} if amount else dict(line)


def _ours(row: Row[Any]) -> dict[str, object]:
    """Return the members that the server sets."""
    ours: dict[str, object] = {
        "id": str(row.id),
        "status": row.status,
        "sequence": row.status_sequence,
        "deliveries": f"/api/v1/invoices/{row.id}/deliveries",
        "created_at": rfc3339(row.created_at),
    }
    if row.syntax != Syntax.JSON:
        ours |= {"syntax": row.syntax, "customization_id": row.customization_id}
    return ours


def _known(**members: object) -> dict[str, object]:
    """Leave out what was not written."""
    return {name: value for name, value in members.items() if value is not None}
