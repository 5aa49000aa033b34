"""Typed rows to the JSON that billing systems read."""

from typing import Any

from sqlalchemy import Row

from core.clock import rfc3339
from status.models import PushState


def event(row: Row[Any]) -> dict[str, object]:
    """Return one event; where `previous_status` is `status` it changed nothing."""
    return {
        "id": str(row.id),
        "type": f"invoice.{row.to_status}",
        "invoice_id": str(row.invoice_id),
        "sequence": row.sequence,
        "status": row.to_status,
        "previous_status": row.from_status,
        "cause": row.cause,
        "delivery_id": str(row.delivery_id) if row.delivery_id else None,
        "detail": row.note,
        "occurred_at": rfc3339(row.occurred_at),
        "recorded_at": rfc3339(row.recorded_at),
    }


def subscription(row: Row[Any]) -> dict[str, object]:
    """Return one subscription, without its secrets; no `event_types` mean all."""
    return {
        "id": str(row.id),
        "url": row.url,
        "event_types": row.event_types,
        "state": row.state,
        "state_reason": row.state_reason,
        "old_secret_until": rfc3339(row.old_secret_until) if row.old_secret_until else None,
        "version": row.version,
        "created_at": rfc3339(row.created_at),
    }


def push(row: Row[Any]) -> dict[str, object]:
    """Return one push; `due_at` null: it will not be tried again as things stand."""
    waits = row.due_at is not None and row.state == PushState.PENDING
    return {
        "id": str(row.id),
        "event_id": str(row.event_id),
        "type": row.event_type,
        "replay": row.replay,
        "state": row.state,
        "due_at": rfc3339(row.due_at) if waits else None,
        "attempt_count": row.attempt_count,
        "created_at": rfc3339(row.created_at),
        "finished_at": rfc3339(row.finished_at) if row.finished_at else None,
    }
