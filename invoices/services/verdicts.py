"""Applying what a provider or mailbox says has become of a delivery."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from core.db import database
from invoices.models import Delivery
from invoices.services.changes import Move, apply, lock_invoices
from status.models import Cause, Status

DELIVERIES = Delivery.__table__

RANK = {
    Status.SENT: 1,
    Status.DELIVERED: 2,
    Status.UNDELIVERABLE: 3,
}
"""A verdict applies only where it ranks higher than what is there; the others rank 0."""

VERDICTS = (Status.SENT, Status.DELIVERED, Status.UNDELIVERABLE)
"""What a verdict may say."""


class Effect(StrEnum):
    """What became of a verdict. `early`: the hand-over is not recorded yet; look again soon."""

    APPLIED = "applied"
    IGNORED = "ignored"
    EARLY = "early"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One word about one delivery. `key` names it in the answer.

    `is_note`: what is said is worth a line in the history, whether or not it changes the status.
    """

    key: UUID
    delivery_id: UUID
    status: Status
    occurred_at: datetime | None
    note: str
    is_note: bool = False


def apply_verdicts(connection: Connection, verdicts: Sequence[Verdict]) -> dict[UUID, Effect]:
    """Apply verdicts in their order; each leaves one row in the history, unless it is early.

    Late and repeated ones change nothing and say so in the history.
    """
    effects: dict[UUID, Effect] = {}
    for some in _rounds(verdicts):
        effects |= _apply_round(connection, some)
    return effects


def _rounds(verdicts: Iterable[Verdict]) -> Iterator[list[Verdict]]:
    """Split into rounds with at most one verdict per delivery, keeping the order of each."""
    rounds: list[dict[UUID, Verdict]] = []
    for verdict in verdicts:
        free = next((one for one in rounds if verdict.delivery_id not in one), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[verdict.delivery_id] = verdict
    return (list(one.values()) for one in rounds)


def _apply_round(connection: Connection, verdicts: Sequence[Verdict]) -> dict[UUID, Effect]:
    handle = database()
    wanted = handle.among(DELIVERIES.c.id, [verdict.delivery_id for verdict in verdicts])
    deliveries = {row.id: row for row in handle.lock(connection, DELIVERIES, wanted)}
    invoices = lock_invoices(connection, [row.invoice_id for row in deliveries.values()])
    effects = {
        verdict.key: _effect(deliveries[verdict.delivery_id], verdict) for verdict in verdicts
    }
    ready = [verdict for verdict in verdicts if effects[verdict.key] != Effect.EARLY]
    applied = [verdict for verdict in ready if effects[verdict.key] == Effect.APPLIED]
    rows = [_new_state(verdict) for verdict in applied]
    handle.update_many(connection, DELIVERIES, rows)
    for move_set in _by_invoice(_moves(ready, deliveries, invoices, effects)):
        apply(connection, lock_invoices(connection, list(move_set)), list(move_set.values()))
    return effects


def _effect(delivery: Row[Any], verdict: Verdict) -> Effect:
    """Decide by rank; while the hand-over is under way its own outcome comes first.

    Of a delivery that was never begun nobody can know: taken at its word, such a verdict would
    keep the invoice from ever being sent, and one that was cancelled then stays so. One that was
    cancelled after an attempt may have arrived all the same; what its provider says is the truth.
    """
    # One that is unknown without an attempt had its attempt after the backup that was restored.
    is_unbegun = delivery.attempt_count == 0 and delivery.state != Status.UNKNOWN
    if is_unbegun and delivery.state == Status.CANCELLED:
        return Effect.IGNORED
    if delivery.state == Status.SENDING or is_unbegun:
        return Effect.EARLY
    is_higher = RANK[verdict.status] > RANK.get(Status(delivery.state), 0)
    return Effect.APPLIED if is_higher else Effect.IGNORED


def _new_state(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.delivery_id,
        "state": str(verdict.status),
        "due_at": None,
        "lease_token": None,
    }


def _moves(
    verdicts: Iterable[Verdict],
    deliveries: dict[UUID, Row[Any]],
    invoices: dict[UUID, Row[Any]],
    effects: dict[UUID, Effect],
) -> Iterator[Move]:
    """Let an invoice follow its current delivery; any other verdict is a fact for the history."""
    for verdict in verdicts:
        delivery = deliveries[verdict.delivery_id]
        is_current = invoices[delivery.invoice_id].current_delivery_id == delivery.id
        follows = is_current and effects[verdict.key] == Effect.APPLIED
        yield Move(
            invoice_id=delivery.invoice_id,
            to=verdict.status if follows else None,
            cause=Cause.CALLBACK,
            delivery_id=delivery.id,
            note=verdict.note
            if follows
            else _ignored_note(verdict, delivery, is_current=is_current),
            occurred_at=verdict.occurred_at,
        )


def _ignored_note(verdict: Verdict, delivery: Row[Any], *, is_current: bool) -> str:
    """Say why the invoice stays as it is."""
    if verdict.is_note and is_current:
        return verdict.note
    if not is_current:
        return f"{verdict.status} for an earlier delivery: {verdict.note}"
    again = "repeated" if verdict.status == delivery.state else f"late, it is {delivery.state}"
    return f"ignored ({again}): {verdict.note}"


def _by_invoice(moves: Iterable[Move]) -> list[dict[UUID, Move]]:
    """Split moves so that each set has at most one per invoice (two deliveries of one invoice)."""
    sets: list[dict[UUID, Move]] = []
    for move in moves:
        free = next((one for one in sets if move.invoice_id not in one), None)
        if free is None:
            free = {}
            sets.append(free)
        free[move.invoice_id] = move
    return sets
