"""Which deliveries are due, and claiming them for a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, and_, case, func, or_, select

from core import pace
from core.clock import utcnow
from core.db import database
from core.pump import BATCH, Group, Message
from invoices import rating
from invoices.channels import Route
from invoices.models import ChannelName, Delivery, Provider, ProviderState
from status.models import Status

DELIVERIES = Delivery.__table__
PROVIDERS = Provider.__table__

WAITING = (str(Status.READY), str(Status.RETRY_WAIT))
"""States in which a delivery may be claimed."""

MAIL_BATCH = 10
"""Ids in a message for a mail server: mails go one by one, and a quick batch is one of 2 seconds
(core.pace)."""


def most_of(channel: str) -> int | None:
    """Return how many deliveries of a provider on `channel` go into a message; None: a batch."""
    return MAIL_BATCH if channel == ChannelName.SMTP else None


def is_open(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a provider may be given work."""
    columns = PROVIDERS.c
    return and_(
        columns.state != ProviderState.PAUSED,
        or_(columns.closed_until.is_(None), columns.closed_until <= now),
    )


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a delivery of the outer query's provider may be claimed.

    A draining provider finishes what it has begun and gets nothing new.
    """
    return and_(
        DELIVERIES.c.provider_id == PROVIDERS.c.id,
        DELIVERIES.c.due_at <= now,
        or_(PROVIDERS.c.state != ProviderState.DRAINING, DELIVERIES.c.attempt_count > 0),
    )


def _with_due(now: datetime, *also: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a provider has a delivery that is due.

    By the earliest one, not by EXISTS: PostgreSQL turns that into a join which reads every row
    that is due (35 ms of a claim where 200,000 are), and this is one look per provider.
    """
    return _earliest(now, *also).is_not(None)


def _earliest(now: datetime, *also: ColumnElement[bool]) -> ScalarSelect[datetime]:
    """Return when the first delivery of the outer query's provider that is due was due."""
    columns = DELIVERIES.c
    earliest = select(columns.due_at).where(_is_due(now), *also).order_by(columns.due_at).limit(1)
    return earliest.correlate(PROVIDERS).scalar_subquery()


def has_due(connection: Connection, now: datetime) -> bool:
    """Return whether the pump has anything to do; one indexed look per provider."""
    due = _with_due(now)
    return (
        connection.execute(select(PROVIDERS.c.id).where(is_open(now), due).limit(1)).first()
        is not None
    )


def oldest(connection: Connection, now: datetime) -> datetime | None:
    """Return since when the first delivery is due that a provider may be given."""
    each = select(_earliest(now).label("due_at")).where(is_open(now)).subquery()
    found: datetime | None = connection.scalar(select(func.min(each.c.due_at)))
    return found


def claim(connection: Connection, limit: int, token: UUID, until: datetime) -> list[Group]:
    """Take due deliveries for `token` until `until`, a fair share from each provider.

    A provider whose breaker has just run out gets one delivery, to see whether it is well again;
    one that is slow gets no more than its pace allows, and none gets more than its rate.
    """
    now = utcnow()
    due = _with_due(now, DELIVERIES.c.state.in_(WAITING))
    providers = connection.execute(select(PROVIDERS).where(is_open(now), due)).all()
    groups = []
    for provider in providers:
        share = 1 if provider.closed_until else max(1, limit // len(providers))
        mine = DELIVERIES.c.provider_id == provider.id
        most = most_of(provider.channel)
        room = pace.room(connection, DELIVERIES, mine, provider.pace, now, batch=most or BATCH)
        share = min(share, room)
        rated = rating.room(provider, now)
        share = share if rated is None else min(share, rated)
        values = {"lease_token": token, "due_at": until}
        ids = _claim_of(connection, provider, share, now, values) if share else []
        if ids:
            rating.use(connection, provider, len(ids), now)
            groups.append(Group(ids, most))
    return groups


def _claim_of(
    connection: Connection,
    provider: Row[Any],
    limit: int,
    now: datetime,
    values: Mapping[str, object],
) -> list[UUID]:
    columns = DELIVERIES.c
    where = and_(
        columns.provider_id == provider.id, columns.due_at <= now, columns.state.in_(WAITING)
    )
    if provider.state == ProviderState.DRAINING:
        where = and_(where, columns.attempt_count > 0)
    return database().claim(
        connection,
        DELIVERIES,
        where=where,
        values=values,
        order_by=columns.due_at,
        limit=limit,
        skip_locked=True,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed deliveries of one provider; `is_open` False: it must get nothing now."""

    provider_id: UUID
    route: Route
    is_open: bool


def provider_of(connection: Connection, message: Message) -> Batch | None:
    """Return the provider that the deliveries of one message go to; None when there are none.

    Only a delivery that still carries the token can tell: one that was held and released since
    may go through another provider by now.
    """
    now = utcnow()
    statement = (
        select(PROVIDERS, case((is_open(now), 1), else_=0).label("may_get_work"))
        .join(DELIVERIES, DELIVERIES.c.provider_id == PROVIDERS.c.id)
        .where(
            database().among(DELIVERIES.c.id, message.ids),
            DELIVERIES.c.lease_token == message.token,
        )
        .order_by(DELIVERIES.c.id)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    columns = DELIVERIES.c
    sending = and_(
        columns.provider_id == row.id, columns.due_at > now, columns.state == Status.SENDING
    )
    # What was claimed while it was quick is not begun once it is slow.
    size = most_of(row.channel) or BATCH
    has_room = pace.below(connection, DELIVERIES, sending, row.pace, batch=size) > 0
    return Batch(row.id, Route.of(row), bool(row.may_get_work) and has_room)
