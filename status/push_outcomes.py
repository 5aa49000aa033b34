"""What becomes of pushes after a try, and of subscriptions that do not answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, select, update

from core import retries, retry_after
from core.bell import ring_after_commit
from core.clock import utcnow
from core.db import database
from core.editing import By, stamp
from core.http import Answer, Failure
from core.ids import new_id
from core.queues import TaskName
from status.models import Push, PushAttempt, PushState, Subscription, SubscriptionState
from status.parking import park
from status.services import new_push, wants

PUSHES = Push.__table__
ATTEMPTS = PushAttempt.__table__
SUBSCRIPTIONS = Subscription.__table__

PLAN = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, *(hours * 3600 for hours in (5, 10, 14, 20, 24)))
)
"""Waits between tries, about three days in all; then the push is exhausted."""

JITTER = 0.2
GONE = 410
BREAKER = retries.Breaker(5, timedelta(seconds=30), timedelta(minutes=5))
EXCERPT = 2000


@dataclass(frozen=True, slots=True)
class Post:
    """One push on its way, free of the database.

    `invoice_id` and `delivery_id` are those of its event; some events are of neither.
    """

    id: UUID
    event_id: UUID
    attempt: int
    body: bytes
    started_at: datetime
    invoice_id: UUID | None = None
    delivery_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Try:
    """One try and what it means."""

    post: Post
    status: int | None
    error: str | None
    response: str | None
    retry_after: timedelta | None

    @property
    def is_done(self) -> bool:
        """True when the subscriber has taken the push."""
        return self.error is None


def is_done(end: Answer | Failure) -> bool:
    """Tell whether a subscriber has taken a push: by a 2xx; a redirect is a failure like others."""
    return isinstance(end, Answer) and 200 <= end.status < 300  # noqa: PLR2004 - RFC 9110 §15.3


def in_a_word(end: Answer | Failure) -> str:
    """Return how a try ended: `taken`, `refused` by another answer, or `failed` without one."""
    if isinstance(end, Failure):
        return "failed"
    return "taken" if is_done(end) else "refused"


def record(
    connection: Connection,
    subscription_id: UUID,
    own: UUID,
    ends: Sequence[tuple[Post, Answer | Failure]],
) -> None:
    """Write how the tries ended, for the pushes that still carry our token."""
    now = utcnow()
    tries = {post.id: _read(post, end, now) for post, end in ends}
    where = and_(database().among(PUSHES.c.id, tries), PUSHES.c.lease_token == own)
    # Not the payloads, which nobody needs here.
    held = database().lock(connection, PUSHES, where, (PUSHES.c.id, PUSHES.c.attempt_count))
    rows = [_after(row, tries[row.id], now) for row in held]
    database().update_many(connection, PUSHES, rows)
    database().insert_many(connection, ATTEMPTS, [_attempt(tries[row.id], now) for row in held])
    _judge(connection, subscription_id, [tries[row.id] for row in held], rows, now)


def _read(post: Post, end: Answer | Failure, now: datetime) -> _Try:
    if isinstance(end, Failure):
        return _Try(post, None, end.reason[:500], None, None)
    text = end.body.decode("utf-8", "replace").replace("\x00", " ")[:EXCERPT]
    error = None if is_done(end) else f"answered {end.status}"
    return _Try(
        post, end.status, error, text, retry_after.read(end.headers.get("retry-after"), now)
    )


def _after(row: Row[Any], done: _Try, now: datetime) -> dict[str, Any]:
    """Return the changed columns of a push."""
    if done.is_done:
        state, due_at = PushState.DELIVERED, None
    else:
        due_at = next_try(now, row.attempt_count, done.retry_after)
        state = PushState.PENDING if due_at else PushState.EXHAUSTED
    return {
        "id": row.id,
        "state": str(state),
        "due_at": due_at,
        "lease_token": None,
        "finished_at": None if due_at else now,
    }


def next_try(now: datetime, attempts: int, wish: timedelta | None) -> datetime | None:
    """Return when to try again after `attempts` tries; None when they are used up.

    Retry-After is honoured between one and two of the plan's steps, so that no subscriber can
    stop or flood us with it.
    """
    wait = retries.step(PLAN, attempts)
    if wait is None:
        return None
    if wish is not None:
        return now + min(max(wish, wait), 2 * wait)
    return now + retries.spread(wait, JITTER)


def _attempt(done: _Try, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "push_id": done.post.id,
        "number": done.post.attempt,
        "started_at": done.post.started_at,
        "finished_at": now,
        "http_status": done.status,
        "error": done.error,
        "response": done.response,
    }


def _judge(
    connection: Connection,
    subscription_id: UUID,
    tries: Sequence[_Try],
    rows: Sequence[dict[str, Any]],
    now: datetime,
) -> None:
    """Count failures in a row; leave a silent subscriber in peace, disable a gone one."""
    columns = SUBSCRIPTIONS.c
    me = columns.id == subscription_id
    if any(item.is_done for item in tries):
        # Read before it is written: see invoices.services.outcomes.
        if connection.scalar(select(columns.failures).where(me)):
            well: dict[str, Any] = {"failures": 0, "closed_until": None}
            connection.execute(update(SUBSCRIPTIONS).where(me).values(well))
    elif tries:
        failures = connection.scalar(select(columns.failures).where(me).with_for_update()) or 0
        failures += len(tries)
        values = {"failures": failures, "closed_until": _peace_until(failures, now)}
        connection.execute(update(SUBSCRIPTIONS).where(me).values(values))
    if any(item.status == GONE for item in tries):
        disable(connection, subscription_id, "the subscriber answered 410 Gone")
    elif any(row["state"] == PushState.EXHAUSTED for row in rows):
        disable(connection, subscription_id, "no push was taken for three days")


def _peace_until(failures: int, now: datetime) -> datetime | None:
    pause = BREAKER.pause(failures)
    return now + pause if pause else None


def disable(connection: Connection, subscription_id: UUID, reason: str) -> None:
    """Stop telling a subscriber, park what waits for it, and tell the source's other ones."""
    columns = SUBSCRIPTIONS.c
    values = {
        "state": str(SubscriptionState.DISABLED),
        "state_reason": reason,
        # Whoever edits it at this moment must hear of that.
        **stamp(columns.version, By(f"task {TaskName.CREATED_STATUS}")),
    }
    is_active = and_(columns.id == subscription_id, columns.state == SubscriptionState.ACTIVE)
    if not connection.execute(update(SUBSCRIPTIONS).where(is_active).values(values)).rowcount:
        return
    park(connection, subscription_id)
    _tell_others(connection, subscription_id, reason)


def _tell_others(connection: Connection, subscription_id: UUID, reason: str) -> None:
    columns = SUBSCRIPTIONS.c
    source = select(columns.source_id).where(columns.id == subscription_id).scalar_subquery()
    others = connection.execute(
        select(SUBSCRIPTIONS).where(
            columns.source_id == source,
            columns.id != subscription_id,
            columns.state == SubscriptionState.ACTIVE,
        )
    )
    now, event_id, event_type = utcnow(), new_id(), "subscription.disabled"
    data = {"subscription_id": str(subscription_id), "reason": reason}
    rows = [
        new_push(other, event_id, event_type, data, now=now)
        for other in others
        if wants(other.event_types, event_type)
    ]
    if rows:
        database().insert_many(connection, PUSHES, rows)
        ring_after_commit(TaskName.GET_DUE_STATUSES)
