"""Telling a subscriber again, and trying out whether it hears us."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, case, func, select

from core.bell import ring_after_commit
from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, InputError, NotFoundError
from core.ids import first_id_of, new_id
from core.queues import TaskName
from status.models import Push, PushState, Subscription, SubscriptionState
from status.parking import unpark
from status.services import new_push
from status.subscriptions import locked

PUSHES = Push.__table__
SUBSCRIPTIONS = Subscription.__table__

TEST = "webhook.test"
MOST = 10_000
"""Events of one replay."""

PAGE = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = (PushState.PENDING, PushState.PARKED)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many pushes were made anew, and how many were parked and are due now."""

    again: int
    unparked: int


def send_test(connection: Connection, found: Row[Any]) -> UUID:
    """Push a `webhook.test` to a subscription, whatever types it asks for; return the push's id.

    Raises:
        ConflictError: the subscription is not active.
    """
    _check_active(found)
    data = {"subscription_id": str(found.id)}
    row = new_push(found, new_id(), TEST, data, now=utcnow())
    database().insert_many(connection, PUSHES, [row])
    ring_after_commit(TaskName.GET_DUE_STATUSES)
    return UUID(str(row["id"]))


def replay(connection: Connection, found: Row[Any], since: datetime) -> Replayed:
    """Push every event since `since` again that was ever made for a subscription.

    An event that still waits, or is parked, goes out once: as it is. The others get a new push
    with the body of the first, and `replay` one higher than before.

    Raises:
        ConflictError: the subscription is not active.
        InputError: more than 10,000 events.
    """
    _check_active(found)
    # Two replays at once would both count on from the same number.
    database().lock(connection, SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == found.id)
    unparked = unpark(connection, found.id)
    last = {row.event_id: row.last for row in connection.execute(_finished(found.id, since))}
    if len(last) > MOST:
        raise InputError.at("/since", "most", f"more than {MOST:,} events since then; say later")
    events = sorted(last)
    for start in range(0, len(events), PAGE):
        _push_again(connection, found.id, {key: last[key] for key in events[start : start + PAGE]})
    ring_after_commit(TaskName.GET_DUE_STATUSES)
    return Replayed(len(events), unparked)


def push_again(connection: Connection, push_id: UUID) -> UUID:
    """Push one event again to the subscription it was for; return the new push's id.

    Raises:
        NotFoundError: there is no such push, or its subscription is deleted.
        ConflictError: the subscription is not active, or the event waits for it as it is.
    """
    old = connection.execute(select(PUSHES).where(PUSHES.c.id == push_id)).one_or_none()
    if old is None:
        raise NotFoundError("There is nothing with this id")
    # Two at once would both count on from the same number.
    _check_active(locked(connection, None, old.subscription_id))
    columns = PUSHES.c
    same = and_(columns.subscription_id == old.subscription_id, columns.event_id == old.event_id)
    all_of_it = connection.execute(select(columns.state, columns.replay).where(same)).all()
    if any(row.state in _OPEN for row in all_of_it):
        raise ConflictError("the event waits to be pushed as it is")
    row = _again(old, max(row.replay for row in all_of_it) + 1)
    database().insert_many(connection, PUSHES, [row])
    ring_after_commit(TaskName.GET_DUE_STATUSES)
    return UUID(str(row["id"]))


def _check_active(found: Row[Any]) -> None:
    if found.state != SubscriptionState.ACTIVE:
        raise ConflictError(f"the subscription is {found.state}; enable it first")


def _finished(subscription_id: UUID, since: datetime) -> Select[tuple[UUID, int]]:
    """Select the events since `since` of which no push waits, each with its last replay."""
    columns = PUSHES.c
    waits = case((columns.state.in_(_OPEN), 1), else_=0)
    return (
        select(columns.event_id, func.max(columns.replay).label("last"))
        .where(
            columns.subscription_id == subscription_id,
            # An event's id tells when it happened; a push may be much younger.
            columns.event_id >= first_id_of(max(since, EPOCH)),
            columns.event_type != TEST,
        )
        .group_by(columns.event_id)
        .having(func.sum(waits) == 0)
        .order_by(columns.event_id)
        .limit(MOST + 1)
    )


def _push_again(connection: Connection, subscription_id: UUID, last: dict[UUID, int]) -> None:
    """Write one new push for each event, due now."""
    columns = PUSHES.c
    first = and_(
        columns.subscription_id == subscription_id,
        columns.replay == 0,
        database().among(columns.event_id, last),
    )
    found = connection.execute(select(PUSHES).where(first).order_by(columns.event_id))
    rows = [_again(row, last[row.event_id] + 1) for row in found]
    database().insert_many(connection, PUSHES, rows)


def _again(old: Row[Any], replay: int) -> dict[str, Any]:
    """Return the row of a push with the body of an older one, due now."""
    now = utcnow()
    return {
        "id": new_id(),
        "subscription_id": old.subscription_id,
        "event_id": old.event_id,
        "replay": replay,
        "event_type": old.event_type,
        "payload": old.payload,
        "state": str(PushState.PENDING),
        "due_at": now,
        "lease_token": None,
        "attempt_count": 0,
        "created_at": now,
        "finished_at": None,
    }
