"""What staff and billing systems may do to an invoice that is already here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update

from core.bell import ring_after_commit
from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, Finding, GoneError, InputError, NotFoundError
from core.ids import new_id
from core.queues import TaskName
from invoices.models import Delivery, Document, Invoice, Origin, Provider
from invoices.services.changes import Move, apply, lock_invoices
from status.models import Cause, Status

INVOICES = Invoice.__table__
DELIVERIES = Delivery.__table__
PROVIDERS = Provider.__table__
DOCUMENTS = Document.__table__

MAY_CANCEL = frozenset({Status.HELD, Status.READY, Status.RETRY_WAIT})
MAY_HOLD = frozenset({Status.READY, Status.RETRY_WAIT})
MAY_RELEASE = frozenset({Status.HELD})
MAY_RECONCILE = frozenset({Status.UNKNOWN})
MAY_RESEND = frozenset(
    {Status.UNKNOWN, Status.FAILED, Status.UNDELIVERABLE, Status.SENT, Status.DELIVERED}
)
NEEDS_CONSENT = frozenset({Status.SENT, Status.DELIVERED})
"""Sending these again reaches somebody twice; the caller must say that this is meant."""

WENT_OUT = (Status.DELIVERED, Status.SENT, Status.UNKNOWN)
"""A delivery at one of these has, or may have, arrived; the first tells most."""

RECONCILED = frozenset(
    {Status.SENT, Status.DELIVERED, Status.UNDELIVERABLE, Status.RETRY_WAIT, Status.FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants something done, and why. `source_id` None: staff, who may act on any source's.

    `check_version` is given the invoice's sequence under its lock, and raises when the caller has
    seen another.
    """

    reason: str
    actor: str
    cause: Cause
    source_id: UUID | None = None
    check_version: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a delivery goes."""

    provider_id: UUID | None
    recipient: str | None


@dataclass(frozen=True, slots=True)
class _Locked:
    """An invoice, its current delivery and all of them, the oldest first; all are locked."""

    invoice: Row[Any]
    delivery: Row[Any]
    deliveries: Sequence[Row[Any]]


def cancel(connection: Connection, invoice_id: UUID, order: Order) -> str:
    """Take an invoice out before it goes; a sent one cannot be called back.

    Of one that was sent before, and was to be sent again, the resend alone is cancelled: the
    invoice is again what had become of it, for that is what the buyer has. Returns the status.
    """
    locked = _lock(connection, invoice_id, order, "cancelled", MAY_CANCEL)
    _set(connection, locked, {"state": Status.CANCELLED, "due_at": None, "lease_token": None})
    earlier = _what_went_out(locked)
    if earlier is None:
        return _move(connection, locked, Status.CANCELLED, order)
    connection.execute(
        update(INVOICES)
        .where(INVOICES.c.id == locked.invoice.id)
        .values(current_delivery_id=earlier.id)
    )
    return _move(connection, locked, earlier.state, order, delivery_id=earlier.id)


def _what_went_out(locked: _Locked) -> Row[Any] | None:
    """Return the earlier delivery that the buyer has, or may have; None when nothing went out."""
    earlier = [row for row in locked.deliveries if row.id != locked.delivery.id]
    went_out = [row for row in reversed(earlier) if row.state in WENT_OUT]
    return min(went_out, key=lambda row: WENT_OUT.index(row.state), default=None)


def hold(connection: Connection, invoice_id: UUID, order: Order) -> str:
    """Keep an invoice back until it is released."""
    locked = _lock(connection, invoice_id, order, "held", MAY_HOLD)
    changed = {"state": Status.HELD, "due_at": None, "lease_token": None, "reason": order.reason}
    _set(connection, locked, changed)
    return _move(connection, locked, Status.HELD, order)


def release(
    connection: Connection,
    invoice_id: UUID,
    order: Order,
    *,
    provider: str | None = None,
    to: str | None = None,
) -> str:
    """Let a held invoice go, at its `send_at` or at once; elsewhere where that is given.

    A dispatch key names one hand-over to one address: what has been tried before and shall now
    go elsewhere gets a new one, or the provider would take it for a repeat and send nothing.

    Raises:
        InputError: it has no provider and none is given, or that provider is unknown.
    """
    locked = _lock(connection, invoice_id, order, "released", MAY_RELEASE)
    provider_id = _provider(connection, provider) or locked.delivery.provider_id
    if provider_id is None:
        raise InputError.at("/provider", "provider", "the invoice has no provider; name one")
    old = locked.delivery
    place = _Place(provider_id, to or old.recipient)
    if old.attempt_count and place != _Place(old.provider_id, old.recipient):
        _set(connection, locked, {"state": Status.CANCELLED, "due_at": None, "lease_token": None})
        _send_anew(connection, locked, order, Origin.FALLBACK, place)
        return str(Status.READY)
    changed = {
        "state": Status.READY,
        "due_at": max(utcnow(), old.send_at) if old.send_at else utcnow(),
        "provider_id": place.provider_id,
        "recipient": place.recipient,
        "reason": order.reason,
    }
    _set(connection, locked, changed)
    return _move(connection, locked, Status.READY, order)


def resend(
    connection: Connection,
    invoice_id: UUID,
    order: Order,
    *,
    provider: str | None = None,
    to: str | None = None,
    confirm: bool = False,
) -> UUID:
    """Make a new delivery of the same bytes, with a dispatch key of its own; return it.

    Raises:
        ConflictError: the invoice is still on its way, or was sent and `confirm` is not given.
        GoneError: retention has removed the document; there is nothing to send.
    """
    locked = _lock(connection, invoice_id, order, "sent again", MAY_RESEND)
    if locked.invoice.status in NEEDS_CONSENT and not confirm:
        detail = f"the invoice is {locked.invoice.status}; confirm that it shall go out twice"
        raise ConflictError(detail, findings=[Finding("/confirm", "consent", detail)])
    old = locked.delivery
    place = _Place(_provider(connection, provider) or old.provider_id, to or old.recipient)
    return _send_anew(connection, locked, order, Origin.RESEND, place)


def reconcile(connection: Connection, invoice_id: UUID, order: Order, status: str) -> str:
    """Decide an unknown outcome by what somebody has found out.

    `retry_wait` sends the same delivery again with the same dispatch key.
    """
    if status not in RECONCILED:
        known = ", ".join(sorted(RECONCILED))
        raise InputError.at("/status", "status", f"must be one of {known}")
    locked = _lock(connection, invoice_id, order, "reconciled", MAY_RECONCILE)
    due_at = utcnow() if status == Status.RETRY_WAIT else None
    _set(connection, locked, {"state": status, "due_at": due_at, "reason": order.reason})
    return _move(connection, locked, status, order)


def _lock(
    connection: Connection, invoice_id: UUID, order: Order, verb: str, allowed: frozenset[Status]
) -> _Locked:
    """Lock delivery and invoice, in the order in which dispatch does, and check the state."""
    handle = database()
    deliveries = handle.lock(connection, DELIVERIES, DELIVERIES.c.invoice_id == invoice_id)
    invoice = lock_invoices(connection, [invoice_id]).get(invoice_id)
    if invoice is None or (order.source_id is not None and invoice.source_id != order.source_id):
        raise NotFoundError("There is nothing with this id")
    if order.check_version is not None:
        order.check_version(invoice.status_sequence)
    if invoice.status not in allowed:
        states = ", ".join(sorted(allowed))
        raise ConflictError(
            f"the invoice is {invoice.status} and cannot be {verb}; only one that is {states} can"
        )
    for delivery in deliveries:
        if delivery.id == invoice.current_delivery_id:
            return _Locked(invoice, delivery, deliveries)
    # While we waited for the locks a resend made another delivery, which we could not see.
    raise ConflictError("the invoice was sent again just now; look at it and decide anew")


def _set(connection: Connection, locked: _Locked, changed: dict[str, Any]) -> None:
    if changed.get("due_at"):
        ring_after_commit(TaskName.GET_ACTIVE_INVOICES)
    connection.execute(
        update(DELIVERIES).where(DELIVERIES.c.id == locked.delivery.id).values(changed)
    )


def _move(
    connection: Connection,
    locked: _Locked,
    to: str,
    order: Order,
    *,
    delivery_id: UUID | None = None,
) -> str:
    move = Move(
        invoice_id=locked.invoice.id,
        to=to,
        cause=order.cause,
        delivery_id=delivery_id or locked.delivery.id,
        actor=order.actor,
        note=order.reason,
    )
    apply(connection, {locked.invoice.id: locked.invoice}, [move])
    return to


def _provider(connection: Connection, code: str | None) -> UUID | None:
    """Return the id of a provider by its code; None when none is named."""
    if code is None:
        return None
    found = connection.scalar(select(PROVIDERS.c.id).where(PROVIDERS.c.code == code))
    if found is None:
        raise InputError.at("/provider", "provider", f"there is no provider '{code}'")
    return UUID(str(found))


def _send_anew(
    connection: Connection, locked: _Locked, order: Order, origin: Origin, place: _Place
) -> UUID:
    """Make a second delivery of the same document the invoice's current one; return its id."""
    _check_document(connection, locked.delivery.document_id)
    delivery_id, now, mine = new_id(), utcnow(), locked.invoice.id
    delivery = {
        "id": delivery_id,
        "invoice_id": mine,
        "document_id": locked.delivery.document_id,
        "provider_id": place.provider_id,
        "recipient": place.recipient,
        "origin": str(origin),
        "reason": order.reason,
        "state": str(Status.READY),
        "due_at": now,
        "send_at": None,
        "lease_token": None,
        "attempt_count": 0,
        "provider_reference": None,
        "created_at": now,
    }
    database().insert_many(connection, DELIVERIES, [delivery])
    connection.execute(
        update(INVOICES).where(INVOICES.c.id == mine).values(current_delivery_id=delivery_id)
    )
    _move(connection, locked, Status.READY, order, delivery_id=delivery_id)
    ring_after_commit(TaskName.GET_ACTIVE_INVOICES)
    return delivery_id


def _check_document(connection: Connection, document_id: UUID) -> None:
    """Refuse to send what is not there any more; retention empties it under the same locks."""
    gone = select(DOCUMENTS.c.purged_at).where(DOCUMENTS.c.id == document_id)
    purged_at = connection.scalar(gone)
    if purged_at is not None:
        detail = f"the document was removed by retention on {purged_at:%Y-%m-%d}"
        raise GoneError(
            f"{detail}: there is nothing to send; hand the invoice in under a new number"
        )


STATES: Mapping[str, frozenset[Status]] = {
    "cancel": MAY_CANCEL,
    "hold": MAY_HOLD,
    "release": MAY_RELEASE,
    "resend": MAY_RESEND,
    "reconcile": MAY_RECONCILE,
}
"""From where each verb is allowed."""

VERBS: dict[str, Callable[..., object]] = {
    "cancel": cancel,
    "hold": hold,
    "release": release,
    "resend": resend,
    "reconcile": reconcile,
}
"""The verbs by their names in the API and on the command line."""
