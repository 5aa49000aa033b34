"""Parking the pushes of a subscription that is not told, and letting them go again.

A parked push keeps its `due_at`: nothing takes it while its subscription is not active. So one
that was made in the very moment in which the subscription was enabled again goes out too.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, update

from core.bell import ring_after_commit
from core.clock import utcnow
from core.queues import TaskName
from status.models import Push, PushState

PUSHES = Push.__table__


def park(connection: Connection, subscription_id: UUID) -> None:
    """Take what waits for a subscription out of the way; a worker that has one loses it."""
    _move(connection, subscription_id, PushState.PENDING, PushState.PARKED)


def unpark(connection: Connection, subscription_id: UUID) -> int:
    """Make what is parked for a subscription due now, and return how much that is."""
    ring_after_commit(TaskName.GET_DUE_STATUSES)
    return _move(connection, subscription_id, PushState.PARKED, PushState.PENDING)


def _move(
    connection: Connection, subscription_id: UUID, from_state: PushState, to_state: PushState
) -> int:
    columns = PUSHES.c
    there = and_(columns.subscription_id == subscription_id, columns.state == from_state)
    values: dict[str, Any] = {"state": str(to_state), "due_at": utcnow(), "lease_token": None}
    return connection.execute(update(PUSHES).where(there).values(values)).rowcount
