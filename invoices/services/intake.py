"""Taking invoices in: each is stored whole, once, and is due for delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, bindparam, or_, select

from core.bell import ring_after_commit
from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, Finding, InputError, KuvertError
from core.ids import new_id
from core.queues import TaskName
from invoices import currencies
from invoices.models import (
    ChannelName,
    Delivery,
    Document,
    Environment,
    Invoice,
    Origin,
    Provider,
    Source,
)
from invoices.searching import search_text
from invoices.values import NewInvoice
from status import lines
from status import services as history
from status.models import Cause, Status

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
DELIVERIES = Delivery.__table__
PROVIDERS = Provider.__table__
SOURCES = Source.__table__


NO_PROVIDER = "no provider: name one in the invoice or set one for its source"
"""Why an invoice that nobody is to deliver is held."""

HERE_AS = "is already here as "
"""Stands before the id of the invoice that has a number or external id already."""


class TakenError(ConflictError):
    """The number or the external id belongs to another document: that of the invoice `there`."""

    def __init__(self, detail: str, *, findings: Sequence[Finding], there: UUID) -> None:
        super().__init__(detail, findings=findings)
        self.there = there


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to an invoice; `is_new` False: the same document was accepted before."""

    id: UUID
    number: str
    status: str
    delivery_id: UUID | None
    is_new: bool

    def to_json(self) -> dict[str, str | None]:
        """Return the members of the API's answer."""
        delivery_id = str(self.delivery_id) if self.delivery_id else None
        return {
            "id": str(self.id),
            "number": self.number,
            "status": self.status,
            "delivery_id": delivery_id,
        }


@dataclass(frozen=True, slots=True)
class _Parcel:
    """The rows of one invoice before they are written; `is_heard`: somebody may listen."""

    invoice: dict[str, Any]
    document: dict[str, Any]
    delivery: dict[str, Any]
    note: str | None
    is_heard: bool


def accept(connection: Connection, source_id: UUID, environment: str, new: NewInvoice) -> Accepted:
    """Take one invoice.

    Raises:
        InputError: the provider is unknown or not open to this key.
        ConflictError: the number or the external id belongs to another document.
    """
    [result] = accept_many(connection, source_id, environment, [new])
    if isinstance(result, KuvertError):
        raise result
    return result


def accept_many(
    connection: Connection, source_id: UUID, environment: str, news: Sequence[NewInvoice]
) -> list[Accepted | KuvertError]:
    """Take invoices of one source, each all or nothing; answers in the order of `news`.

    Six statements for many invoices, fewer for one: header rows that break no unique rule go
    in, the rest is compared with what is there.
    """
    routes = _routes(connection, source_id, news)
    results: dict[int, Accepted | KuvertError] = {}
    parcels: dict[int, _Parcel] = {}
    now = utcnow()
    for index, new in enumerate(news):
        try:
            provider = _provider_for(new, routes, environment)
        except InputError as error:
            results[index] = error
        else:
            parcels[index] = _pack(source_id, new, provider, now)
    _store(connection, news, parcels, results)
    return [results[index] for index in range(len(news))]


def _store(
    connection: Connection,
    news: Sequence[NewInvoice],
    parcels: Mapping[int, _Parcel],
    results: dict[int, Accepted | KuvertError],
) -> None:
    """Write the parcels that are new and answer for all of them."""
    fresh = _write(connection, parcels)
    if any(parcel.delivery["due_at"] for parcel in fresh.values()):
        ring_after_commit(TaskName.GET_ACTIVE_INVOICES)
    for index, parcel in fresh.items():
        results[index] = _accepted(parcel)
    for index, parcel in parcels.items():
        if index not in fresh:
            results[index] = _compare(connection, news[index], parcel)


def _write(connection: Connection, parcels: Mapping[int, _Parcel]) -> Mapping[int, _Parcel]:
    """Write the parcels that break no unique rule, with their first events; return those."""
    if not parcels:
        return parcels
    if len(parcels) == 1:
        [parcel] = parcels.values()
        return parcels if _write_one(connection, parcel) else {}
    handle = database()
    # In one order, so that two batches with the same invoices cannot lock each other out.
    rows = sorted((parcel.invoice for parcel in parcels.values()), key=_unique_name)
    inserted = handle.insert_new(connection, INVOICES, rows)
    fresh = {index: item for index, item in parcels.items() if item.invoice["id"] in inserted}
    handle.insert_many(connection, DOCUMENTS, [parcel.document for parcel in fresh.values()])
    handle.insert_many(connection, DELIVERIES, [parcel.delivery for parcel in fresh.values()])
    history.record(connection, [_first_event(parcel) for parcel in fresh.values()])
    return fresh


def _unique_name(invoice: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells an invoice apart from the others of its source."""
    names = ("seller_key", "number", "type_code", "issue_year")
    return tuple(invoice[name] for name in names)


def _write_one(connection: Connection, parcel: _Parcel) -> bool:
    """Write one parcel in one statement where the engine can; False when it is there already."""
    change = _first_event(parcel)
    event = history.event_row(change, parcel.invoice["created_at"])
    family = (
        (DOCUMENTS, parcel.document),
        (DELIVERIES, parcel.delivery),
        (history.EVENTS, event),
    )
    is_new = database().insert_family(connection, INVOICES, parcel.invoice, family)
    if is_new:
        lines.say([change])
    if is_new and parcel.is_heard:
        history.tell(connection, [change], [event])
    return is_new


# ---- where an invoice goes

_OWN = select(SOURCES.c.provider_id).where(SOURCES.c.id == bindparam("source_id")).scalar_subquery()
# Built once: it runs with every invoice.
_ROUTES: Select[Any] = select(
    PROVIDERS.c.id,
    PROVIDERS.c.code,
    PROVIDERS.c.channel,
    (PROVIDERS.c.id == _OWN).label("is_own"),
    history.is_heard(bindparam("source_id")).label("is_heard"),
).where(or_(PROVIDERS.c.id == _OWN, PROVIDERS.c.code.in_(bindparam("codes", expanding=True))))


def _routes(
    connection: Connection, source_id: UUID, news: Sequence[NewInvoice]
) -> dict[str | None, Row[Any]]:
    """Return the providers that are named, by code, and the source's own under None."""
    codes = sorted({new.provider_code for new in news if new.provider_code})
    routes: dict[str | None, Row[Any]] = {}
    for row in connection.execute(_ROUTES, {"source_id": source_id, "codes": codes}):
        routes[row.code] = row
        if row.is_own:
            routes[None] = row
    return routes


def _provider_for(
    new: NewInvoice, routes: Mapping[str | None, Row[Any]], environment: str
) -> Row[Any] | None:
    """Return the provider's row; None when neither the invoice nor its source names one."""
    provider = routes.get(new.provider_code)
    if provider is None and new.provider_code:
        message = f"there is no provider '{new.provider_code}'"
        raise InputError.at("/delivery/provider", "provider", message)
    is_test = environment == Environment.TEST
    if provider is not None and is_test and provider.channel != ChannelName.SANDBOX:
        message = f"a test key may only use the sandbox, and '{provider.code}' is not"
        raise InputError.at("/delivery/provider", "test-key", message)
    return provider


# ---- rows


def _pack(source_id: UUID, new: NewInvoice, provider: Row[Any] | None, now: datetime) -> _Parcel:
    """Build the rows of one invoice."""
    note = NO_PROVIDER if provider is None else None
    status = Status.HELD if note else Status.READY
    invoice_id, document_id, delivery_id = new_id(), new_id(), new_id()
    invoice = _invoice_row(source_id, new, now) | {
        "id": invoice_id,
        "status": str(status),
        "current_delivery_id": delivery_id,
    }
    document = {
        "id": document_id,
        "invoice_id": invoice_id,
        "role": "original",
        "media_type": new.media_type,
        "size": len(new.body),
        "sha256": sha256(new.body).hexdigest(),
        "body": new.body,
        "search_text": search_text(new.number, new.external_id, new.buyer_name),
    }
    delivery = {
        "id": delivery_id,
        "invoice_id": invoice_id,
        "document_id": document_id,
        "provider_id": provider.id if provider else None,
        "recipient": new.recipient or new.buyer_email,
        "origin": str(Origin.FIRST),
        "reason": note,
        "state": str(status),
        "due_at": None if note else max(now, new.send_at or now),
        "send_at": new.send_at,
        "lease_token": None,
        "attempt_count": 0,
        "provider_reference": None,
        "created_at": now,
    }
    return _Parcel(invoice, document, delivery, note, provider is None or provider.is_heard)


def _invoice_row(source_id: UUID, new: NewInvoice, now: datetime) -> dict[str, Any]:
    return {
        "source_id": source_id,
        "number": new.number,
        "issue_date": new.issue_date,
        "issue_year": new.issue_date.year,
        "type_code": new.type_code,
        "currency": new.currency,
        "due_date": new.due_date,
        "buyer_reference": new.buyer_reference,
        "seller_key": seller_key(new.seller_name),
        "seller_name": new.seller_name,
        "seller_id": new.seller_id,
        "seller_email": new.seller_email,
        "buyer_name": new.buyer_name,
        "buyer_id": new.buyer_id,
        "buyer_email": new.buyer_email,
        "buyer_address": new.buyer_address,
        "payable_amount": new.payable_amount,
        "tax_amount": new.tax_amount,
        "line_count": new.line_count,
        "syntax": str(new.syntax),
        "customization_id": new.customization_id,
        "external_id": new.external_id,
        "labels": dict(new.labels),
        "status_sequence": 1,
        "created_at": now,
    }


def seller_key(name: str) -> str:
    """Return the seller's name without case and spacing, as invoices are told apart by it."""
    return "".join(name.casefold().split())[:300]


def _first_event(parcel: _Parcel) -> history.Change:
    invoice = parcel.invoice
    return history.Change(
        invoice_id=invoice["id"],
        source_id=invoice["source_id"],
        number=invoice["number"],
        external_id=invoice["external_id"],
        sequence=1,
        from_status=None,
        to_status=invoice["status"],
        cause=Cause.INTAKE,
        delivery_id=parcel.delivery["id"],
        note=parcel.note,
        occurred_at=invoice["created_at"],
    )


def _accepted(parcel: _Parcel) -> Accepted:
    invoice = parcel.invoice
    return Accepted(
        invoice["id"], invoice["number"], invoice["status"], parcel.delivery["id"], is_new=True
    )


# ---- what is there already

COMPARED = {
    "number": "number",
    "issue_date": "issue date",
    "type_code": "type",
    "seller_name": "seller",
    "currency": "currency",
    "payable_amount": "payable amount",
    "tax_amount": "tax amount",
    "due_date": "due date",
    "buyer_name": "buyer",
    "line_count": "number of lines",
    "external_id": "external id",
}


def _compare(connection: Connection, new: NewInvoice, parcel: _Parcel) -> Accepted | KuvertError:
    """Answer for an invoice whose number or external id is taken."""
    columns = INVOICES.c
    mine = parcel.invoice
    same_number = (
        (columns.seller_key == mine["seller_key"])
        & (columns.number == mine["number"])
        & (columns.type_code == mine["type_code"])
        & (columns.issue_year == mine["issue_year"])
    )
    same = same_number
    if new.external_id is not None:
        same = or_(same_number, columns.external_id == new.external_id)
    there = connection.execute(
        select(INVOICES, DOCUMENTS.c.sha256)
        .join(DOCUMENTS, (DOCUMENTS.c.invoice_id == columns.id) & (DOCUMENTS.c.role == "original"))
        .where(columns.source_id == mine["source_id"], same)
        .order_by(columns.id)
    ).first()
    if there is None:
        return ConflictError(
            "the same invoice is being taken in right now", headers={"Retry-After": "1"}
        )
    if there.sha256 == parcel.document["sha256"]:
        return Accepted(
            there.id, there.number, there.status, there.current_delivery_id, is_new=False
        )
    return _conflict(there, mine)


def _conflict(there: Row[Any], mine: Mapping[str, Any]) -> TakenError:
    """Name what differs between the invoice that is there and the one that came."""
    findings = [
        Finding(f"/{name}", "differs", f"{label}: {_shown(was, there)} is there, {is_now} came")
        for name, label in COMPARED.items()
        if (was := getattr(there, name)) != (is_now := mine[name])
    ]
    what = ", ".join(COMPARED[finding.where[1:]] for finding in findings) or "the document's bytes"
    detail = f"invoice {there.number} {HERE_AS}{there.id} with another document: differs in {what}"
    return TakenError(detail, findings=findings, there=there.id)


def _shown(value: object, invoice: Row[Any]) -> object:
    """Write a stored amount with the decimals of its currency, as it came."""
    if not isinstance(value, Decimal):
        return value
    return value.quantize(currencies.get(invoice.currency).minor_unit)
