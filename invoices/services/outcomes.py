"""Recording how attempts ended: deliveries, attempts, invoices and providers in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, select, update

from core.clock import utcnow
from core.db import database
from invoices.channels import Envelope, Result
from invoices.models import Attempt, Delivery, Outcome, Provider
from invoices.services.changes import Move, apply, lock_invoices
from invoices.services.retries import BREAKER, next_try
from status.models import Cause, Status

DELIVERIES = Delivery.__table__
ATTEMPTS = Attempt.__table__
PROVIDERS = Provider.__table__

LOST_AT_ONCE = 500


def record(
    connection: Connection, provider_id: UUID, own: UUID, results: Sequence[tuple[Envelope, Result]]
) -> None:
    """Write how attempts ended, for the deliveries that still carry our token.

    A worker that was away longer than its lease finds another token: its word comes too late.
    """
    now = utcnow()
    by_id = {envelope.delivery_id: (envelope, result) for envelope, result in results}
    columns = DELIVERIES.c
    held = database().lock(
        connection,
        DELIVERIES,
        and_(database().among(columns.id, by_id), columns.lease_token == own),
    )
    uncertain = _uncertain(connection, held, by_id)
    ends = [_end(row, by_id[row.id][1], now, is_uncertain=row.id in uncertain) for row in held]
    database().update_many(connection, DELIVERIES, [end.row for end in ends])
    database().update_many(connection, ATTEMPTS, [_finished(*by_id[row.id], now) for row in held])
    _move_invoices(connection, ends)
    _judge_provider(connection, provider_id, [by_id[row.id][1] for row in held], now)


@dataclass(frozen=True, slots=True)
class _End:
    """What becomes of a delivery after an attempt."""

    invoice_id: UUID
    row: dict[str, Any]
    note: str


STATE_AFTER = {
    Outcome.ACCEPTED: Status.SENT,
    Outcome.REFUSED: Status.UNDELIVERABLE,
    Outcome.MISCONFIGURED: Status.HELD,
    Outcome.UNKNOWN: Status.UNKNOWN,
}


def _end(row: Row[Any], result: Result, now: datetime, *, is_uncertain: bool) -> _End:
    """Decide the delivery's next state.

    When the attempts are used up and one of them may have arrived, the outcome is not known:
    `failed` would be a guess.
    """
    due_at = None
    if result.outcome == Outcome.TEMPORARY:
        due_at = next_try(now, row.attempt_count, result.retry_after)
        used_up = Status.UNKNOWN if is_uncertain else Status.FAILED
        state = Status.RETRY_WAIT if due_at else used_up
    elif result.outcome == Outcome.HANDED_BACK:
        due_at, state = now, Status.RETRY_WAIT
    else:
        state = STATE_AFTER[result.outcome]
    changed = {
        "id": row.id,
        "state": str(state),
        "due_at": due_at,
        "lease_token": None,
        "provider_reference": result.reference or row.provider_reference,
    }
    return _End(row.invoice_id, changed, result.detail)


def _uncertain(
    connection: Connection, held: Sequence[Any], by_id: Mapping[UUID, tuple[Envelope, Result]]
) -> set[UUID]:
    """Return the deliveries of which an attempt may have arrived; looked up only at the end."""
    last = [
        row.id
        for row in held
        if by_id[row.id][1].outcome == Outcome.TEMPORARY
        and next_try(utcnow(), row.attempt_count, None) is None
    ]
    if not last:
        return set()
    statement = select(ATTEMPTS.c.delivery_id).where(
        database().among(ATTEMPTS.c.delivery_id, last),
        ATTEMPTS.c.may_have_arrived,
    )
    maybe_now = {item for item in last if by_id[item][1].may_have_arrived}
    return set(connection.scalars(statement)) | maybe_now


def _finished(envelope: Envelope, result: Result, now: datetime) -> dict[str, Any]:
    """Return the changed columns of an attempt."""
    return {
        "id": envelope.attempt_id,
        "finished_at": now,
        "outcome": str(result.outcome),
        "may_have_arrived": result.may_have_arrived,
        "http_status": result.http_status,
        "provider_reference": result.reference,
        "response": (result.response or result.detail)[:2000],
    }


def _move_invoices(connection: Connection, ends: Sequence[_End]) -> None:
    """Let each invoice follow its current delivery."""
    invoices = lock_invoices(connection, [end.invoice_id for end in ends])
    apply(
        connection,
        invoices,
        [
            Move(
                invoice_id=end.invoice_id,
                to=end.row["state"],
                cause=Cause.DISPATCH,
                delivery_id=end.row["id"],
                note=end.note,
            )
            for end in ends
            if invoices[end.invoice_id].current_delivery_id == end.row["id"]
        ],
    )


def _judge_provider(
    connection: Connection, provider_id: UUID, results: Sequence[Result], now: datetime
) -> None:
    """Count failures in a row, open or close the breaker, raise or clear the alarm.

    What was handed back unsent, or could not be made, says nothing of the provider.
    """
    results = [result for result in results if not _says_nothing(result)]
    if not results:
        return
    troubles = [result for result in results if result.is_provider_trouble]
    columns = PROVIDERS.c
    if len(troubles) < len(results):
        # Read before it is written, which is rare: what this transaction wrote holds shared
        # locks on the row (MySQL's foreign keys), and of two that want more, one must give way.
        if connection.scalar(select(columns.failures).where(columns.id == provider_id)):
            well: dict[str, Any] = {"failures": 0, "closed_until": None, "alarm": None}
            connection.execute(update(PROVIDERS).where(columns.id == provider_id).values(well))
        return
    failures = connection.scalar(
        select(columns.failures).where(columns.id == provider_id).with_for_update()
    )
    failures = (failures or 0) + len(troubles)
    pause = BREAKER.pause(failures)
    values: dict[str, Any] = {
        "failures": failures,
        "closed_until": now + pause if pause else None,
    }
    broken = [item for item in troubles if item.outcome == Outcome.MISCONFIGURED]
    if broken:
        values["alarm"] = broken[-1].detail[:500]
    connection.execute(update(PROVIDERS).where(columns.id == provider_id).values(values))


def _says_nothing(result: Result) -> bool:
    """Tell whether the provider was not asked."""
    return result.is_untried or result.outcome == Outcome.HANDED_BACK


def settle_lost(connection: Connection) -> None:
    """Decide the deliveries whose worker died while it was sending.

    Where the provider honours the dispatch key the same key is sent again; elsewhere the outcome
    cannot be known.
    """
    columns = DELIVERIES.c
    now = utcnow()
    statement: Select[Any] = (
        select(columns.id, columns.invoice_id, columns.attempt_count, PROVIDERS.c.is_idempotent)
        .join(PROVIDERS, PROVIDERS.c.id == columns.provider_id)
        .where(columns.state == Status.SENDING, columns.due_at <= now)
        .limit(LOST_AT_ONCE)
        .with_for_update(of=DELIVERIES, skip_locked=True)
    )
    lost = connection.execute(statement).all()
    if not lost:
        return
    ends = [_lost_end(row, now) for row in lost]
    database().update_many(connection, DELIVERIES, [end.row for end in ends])
    connection.execute(
        update(ATTEMPTS)
        .where(
            database().among(ATTEMPTS.c.delivery_id, [row.id for row in lost]),
            ATTEMPTS.c.finished_at.is_(None),
        )
        .values(finished_at=now, outcome=str(Outcome.LOST), may_have_arrived=True)
    )
    _move_invoices(connection, ends)


def _lost_end(row: Row[Any], now: datetime) -> _End:
    may_repeat = row.is_idempotent and next_try(now, row.attempt_count, None) is not None
    changed = {
        "id": row.id,
        "state": str(Status.RETRY_WAIT if may_repeat else Status.UNKNOWN),
        "due_at": now if may_repeat else None,
        "lease_token": None,
    }
    note = "the worker was lost while sending"
    return _End(
        row.invoice_id, changed, f"{note}; the same key is sent again" if may_repeat else note
    )
