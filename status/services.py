"""Writing the status history, and the pushes that each event makes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, exists, select

from core.bell import ring_after_commit
from core.clock import rfc3339, utcnow
from core.db import database
from core.ids import new_id
from core.queues import TaskName
from status import lines
from status.models import (
    Cause,
    Push,
    PushState,
    Status,
    StatusEvent,
    Subscription,
    SubscriptionState,
)

EVENTS = StatusEvent.__table__
PUSHES = Push.__table__
SUBSCRIPTIONS = Subscription.__table__

SILENT = frozenset({Status.SENDING, Status.RETRY_WAIT})
"""Steps on the way that subscribers are not told of."""

EVENT_TYPES = (
    *(f"invoice.{status}" for status in Status if status not in SILENT),
    "subscription.disabled",
    "webhook.test",
)
"""What a subscription may ask for."""


# Built once: it runs with every change that subscribers may hear of.
_SUBSCRIPTIONS_OF: Select[Any] = select(
    SUBSCRIPTIONS.c.id, SUBSCRIPTIONS.c.event_types, SUBSCRIPTIONS.c.state
).where(
    SUBSCRIPTIONS.c.source_id == bindparam("source_id"),
    SUBSCRIPTIONS.c.state != SubscriptionState.DELETED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One fact about one invoice, as it goes into the history.

    `sequence` is the invoice's new one. Where `to_status` equals `from_status` nothing changed
    and nobody is told.
    """

    invoice_id: UUID
    source_id: UUID
    number: str
    external_id: str | None
    sequence: int
    from_status: str | None
    to_status: str
    cause: Cause
    delivery_id: UUID | None = None
    actor: str | None = None
    note: str | None = None
    occurred_at: datetime | None = None

    @property
    def is_told(self) -> bool:
        """True when subscribers hear of it."""
        return self.to_status != self.from_status and self.to_status not in SILENT


def record(connection: Connection, changes: Sequence[Change]) -> None:
    """Append one event per change and, in the same transaction, its pushes.

    One statement for all events and one for all pushes; nothing is made where nobody listens.
    """
    if not changes:
        return
    now = utcnow()
    events = [event_row(change, now) for change in changes]
    database().insert_many(connection, EVENTS, events)
    lines.say(changes)
    tell(connection, changes, events)


def tell(
    connection: Connection, changes: Sequence[Change], events: Sequence[dict[str, Any]]
) -> None:
    """Make the pushes of events that are written in the same transaction."""
    told = [
        (change, event) for change, event in zip(changes, events, strict=True) if change.is_told
    ]
    if told:
        _make_pushes(connection, told, utcnow())


def event_row(change: Change, now: datetime) -> dict[str, Any]:
    """Return the row of an event in `EVENTS`; whoever writes it must `tell` and `say` it too."""
    return {
        "id": new_id(),
        "invoice_id": change.invoice_id,
        "source_id": change.source_id,
        "sequence": change.sequence,
        "from_status": change.from_status,
        "to_status": str(change.to_status),
        "cause": str(change.cause),
        "delivery_id": change.delivery_id,
        "actor": change.actor,
        "note": change.note[:2000] if change.note else None,
        "occurred_at": change.occurred_at or now,
        "recorded_at": now,
    }


def _make_pushes(
    connection: Connection, told: Iterable[tuple[Change, dict[str, Any]]], now: datetime
) -> None:
    """Write a push for each event and each subscription of its source that wants it."""
    told = list(told)
    listeners = _listeners(connection, {change.source_id for change, _ in told})
    rows = [
        _push_row(listener, change, event, now)
        for change, event in told
        for listener in listeners.get(change.source_id, ())
        if wants(listener.event_types, f"invoice.{change.to_status}")
    ]
    if rows:
        database().insert_many(connection, PUSHES, rows)
        ring_after_commit(TaskName.GET_DUE_STATUSES)


def _listeners(connection: Connection, source_ids: set[UUID]) -> dict[UUID, list[Row[Any]]]:
    """Return the subscriptions of the sources, those that are paused or disabled too.

    One look per source: a batch has one, or a few.
    """
    return {
        source_id: list(connection.execute(_SUBSCRIPTIONS_OF, {"source_id": source_id}))
        for source_id in source_ids
    }


def is_heard(source_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the condition that a source has subscriptions, for a query that runs anyway."""
    mine = and_(
        SUBSCRIPTIONS.c.source_id == source_id, SUBSCRIPTIONS.c.state != SubscriptionState.DELETED
    )
    return exists(select(SUBSCRIPTIONS.c.id).where(mine))


def wants(event_types: Sequence[str], event_type: str) -> bool:
    """Return whether a subscription with these types hears of `event_type`; none means all."""
    return not event_types or event_type in event_types


def _push_row(
    listener: Row[Any], change: Change, event: dict[str, Any], now: datetime
) -> dict[str, Any]:
    event_type = f"invoice.{change.to_status}"
    data = {
        "invoice_id": str(change.invoice_id),
        "number": change.number,
        "external_id": change.external_id,
        "status": str(change.to_status),
        "previous_status": change.from_status,
        "sequence": change.sequence,
        "occurred_at": rfc3339(event["occurred_at"]),
        "detail": event["note"],
    }
    return new_push(listener, event["id"], event_type, data, now=now)


def new_push(
    listener: Row[Any],
    event_id: UUID,
    event_type: str,
    data: dict[str, Any],
    *,
    now: datetime,
    replay: int = 0,
) -> dict[str, Any]:
    """Return the row of a push; parked when its subscription is not active."""
    is_active = listener.state == SubscriptionState.ACTIVE
    payload = {"type": event_type, "timestamp": rfc3339(now), "data": data}
    return {
        "id": new_id(),
        "subscription_id": listener.id,
        "event_id": event_id,
        "replay": replay,
        "event_type": event_type,
        "payload": json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
        "state": str(PushState.PENDING if is_active else PushState.PARKED),
        "due_at": now,
        "lease_token": None,
        "attempt_count": 0,
        "created_at": now,
        "finished_at": None,
    }
