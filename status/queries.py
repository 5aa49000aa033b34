"""Reads of the status history, of subscriptions and of what was pushed to them."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, String, Uuid, column, select, table

from core.clock import utcnow
from core.db import database
from core.errors import NotFoundError
from core.ids import first_id_of
from status.models import Push, PushAttempt, StatusEvent, Subscription, SubscriptionState

EVENTS = StatusEvent.__table__
PUSHES = Push.__table__
PUSH_ATTEMPTS = PushAttempt.__table__
SUBSCRIPTIONS = Subscription.__table__

# Sources belong to a package above; all that is known of them here is whose rows these are.
SOURCES = table("sources", column("id", Uuid()), column("name", String()))

FEED_AGE = timedelta(days=30)
SETTLING = timedelta(seconds=1.5)
"""How long after an event's id was made its transaction may still be under way."""

TICK = timedelta(milliseconds=1)
"""How finely ids tell the time."""

Open = Callable[[], AbstractContextManager[Connection]]


def feed(open_reading: Open, source_id: UUID, after: UUID | None, count: int) -> list[Row[Any]]:
    """Return up to `count` events of a source in the order of their ids, without a gap.

    An id is made before its transaction commits, so an event with a smaller id may come to light
    after one with a larger id: a reader who has gone past it would never see it. So only events
    that have had the time to settle are shown. Where there are younger ones the call waits once,
    with no connection open, until those have settled too.
    """
    now = utcnow()
    with open_reading() as connection:
        rows = _between(connection, source_id, after, first_id_of(now - SETTLING), count)
        is_settled = len(rows) == count or not _is_any_since(connection, source_id, after, now)
    if is_settled:
        return rows
    threading.Event().wait((SETTLING + TICK).total_seconds())
    with open_reading() as connection:
        return _between(connection, source_id, after, first_id_of(now + TICK), count)


def _between(
    connection: Connection, source_id: UUID, after: UUID | None, before: UUID, count: int
) -> list[Row[Any]]:
    """Return the events after one id and before another, of the last 30 days."""
    oldest = first_id_of(utcnow() - FEED_AGE)
    columns = EVENTS.c
    statement = (
        select(EVENTS)
        .where(columns.source_id == source_id, columns.id > max(after or oldest, oldest))
        .where(columns.id < before)
        .order_by(columns.id)
        .limit(count)
    )
    return list(connection.execute(statement))


def _is_any_since(
    connection: Connection, source_id: UUID, after: UUID | None, now: datetime
) -> bool:
    """Tell whether there are events that have not settled yet."""
    columns = EVENTS.c
    since = first_id_of(now - SETTLING)
    statement = select(columns.id).where(
        columns.source_id == source_id, columns.id >= max(after or since, since)
    )
    return connection.execute(statement.limit(1)).first() is not None


def history(
    connection: Connection,
    source_id: UUID | None,
    invoice_id: UUID,
    after: UUID | None,
    count: int,
) -> list[Row[Any]]:
    """Return up to `count` events of one invoice in their order; no source: for staff.

    Raises:
        NotFoundError: no such invoice of this source. (Each invoice has its first event.)
    """
    columns = EVENTS.c
    own = select(EVENTS).where(columns.invoice_id == invoice_id)
    if source_id is not None:
        own = own.where(columns.source_id == source_id)
    if connection.execute(own.limit(1)).first() is None:
        raise NotFoundError("There is nothing with this id")
    if after is not None:
        past = select(columns.sequence).where(columns.id == after).scalar_subquery()
        own = own.where(columns.sequence > past)
    return list(connection.execute(own.order_by(columns.sequence).limit(count)))


def newest_events(connection: Connection, invoice_id: UUID, count: int) -> list[Row[Any]]:
    """Return up to `count` events of one invoice, the newest first; for staff.

    Raises:
        NotFoundError: no such invoice. (Each has its first event.)
    """
    own = select(EVENTS).where(EVENTS.c.invoice_id == invoice_id)
    rows = list(connection.execute(own.order_by(EVENTS.c.sequence.desc()).limit(count)))
    if not rows:
        raise NotFoundError("There is nothing with this id")
    return rows


def pushes_of(connection: Connection, event_ids: Sequence[UUID], count: int) -> list[Row[Any]]:
    """Return up to `count` pushes of some events, newest first, with where each went as `url`."""
    columns = [column for column in PUSHES.c if column.name != "payload"]
    statement = (
        select(*columns, SUBSCRIPTIONS.c.url)
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == PUSHES.c.subscription_id)
        .where(database().among(PUSHES.c.event_id, event_ids))
        .order_by(PUSHES.c.id.desc())
    )
    return list(connection.execute(statement.limit(count)))


def push_attempts(connection: Connection, push_ids: Sequence[UUID]) -> list[Row[Any]]:
    """Return the tries of some pushes, in their order."""
    columns = PUSH_ATTEMPTS.c
    own = select(PUSH_ATTEMPTS).where(database().among(columns.push_id, push_ids))
    return list(connection.execute(own.order_by(columns.push_id, columns.number)))


def subscriptions(
    connection: Connection, source_id: UUID, after: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` subscriptions of a source, oldest first, without deleted ones."""
    columns = SUBSCRIPTIONS.c
    statement = select(SUBSCRIPTIONS).where(
        columns.source_id == source_id, columns.state != SubscriptionState.DELETED
    )
    if after is not None:
        statement = statement.where(columns.id > after)
    return list(connection.execute(statement.order_by(columns.id).limit(count)))


def subscription(connection: Connection, source_id: UUID | None, subscription_id: UUID) -> Row[Any]:
    """Return one subscription; for staff, who give no source, anybody's.

    Raises:
        NotFoundError: there is none, it is deleted, or it belongs to another source.
    """
    columns = SUBSCRIPTIONS.c
    statement = select(SUBSCRIPTIONS).where(
        columns.id == subscription_id, columns.state != SubscriptionState.DELETED
    )
    if source_id is not None:
        statement = statement.where(columns.source_id == source_id)
    found = connection.execute(statement).first()
    if found is None:
        raise NotFoundError("There is nothing with this id")
    return found


def all_subscriptions(connection: Connection) -> list[dict[str, Any]]:
    """Return the subscriptions of all sources, without deleted ones, for staff."""
    columns = SUBSCRIPTIONS.c
    shown = (columns.url, columns.event_types, columns.state, columns.state_reason)
    statement = (
        select(columns.id, SOURCES.c.name.label("source"), *shown, columns.created_at)
        .join(SOURCES, SOURCES.c.id == columns.source_id)
        .where(columns.state != SubscriptionState.DELETED)
        .order_by(SOURCES.c.name, columns.id)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def source_id(connection: Connection, name: str) -> UUID:
    """Return the id of the source called `name`.

    Raises:
        NotFoundError: there is none.
    """
    found: UUID | None = connection.scalar(select(SOURCES.c.id).where(SOURCES.c.name == name))
    if found is None:
        raise NotFoundError(f"No source is called {name}")
    return found


def pushes(
    connection: Connection, source_id: UUID, subscription_id: UUID, after: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` pushes of a subscription, newest first, without their payloads.

    Raises:
        NotFoundError: no such subscription of this source.
    """
    subscription(connection, source_id, subscription_id)
    columns = [column for column in PUSHES.c if column.name != "payload"]
    statement = select(*columns).where(PUSHES.c.subscription_id == subscription_id)
    if after is not None:
        statement = statement.where(PUSHES.c.id < after)
    return list(connection.execute(statement.order_by(PUSHES.c.id.desc()).limit(count)))
