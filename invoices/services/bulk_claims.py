"""Handing bulk acts out to workers."""

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select

from core import pump
from core.clock import utcnow
from core.db import database, insist
from core.pump import Group, Message
from invoices.models import BulkAct
from invoices.services import bulk

ACTS = BulkAct.__table__

SECONDS = 60.0
"""How long a worker stays with one bulk act; a lease may be shorter, and then two go on with it."""


def has_due(connection: Connection, now: datetime) -> bool:
    """Return whether a bulk act waits; one indexed row."""
    return (
        connection.execute(select(ACTS.c.id).where(ACTS.c.due_at <= now).limit(1)).first()
        is not None
    )


def oldest(connection: Connection, now: datetime) -> datetime | None:
    """Return since when the first bulk act is due."""
    columns = ACTS.c
    first = select(columns.due_at).where(columns.due_at <= now).order_by(columns.due_at).limit(1)
    return connection.scalar(first)


def claim(connection: Connection, limit: int, token: UUID, until: datetime) -> list[Group]:
    """Take due bulk acts for `token` until `until`, each for a worker of its own."""
    ids = database().claim(
        connection,
        ACTS,
        where=ACTS.c.due_at <= utcnow(),
        values={"lease_token": token, "due_at": until},
        order_by=ACTS.c.due_at,
        limit=limit,
        skip_locked=True,
    )
    return [Group([one]) for one in ids]


def work(message: Message) -> int:
    """Go on with the bulk acts of a message and return how many have ended."""
    ended = 0
    for bulk_id in message.ids:
        if bulk.go_on(bulk_id, SECONDS):
            ended += 1
        else:
            insist(partial(pump.put_back, table=ACTS, token=message.token, ids=[bulk_id]))
    return ended
