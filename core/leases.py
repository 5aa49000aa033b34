"""Named locks in the database: one holder at a time, taken over when the holder dies.

All times are the database's own, so that hosts whose clocks differ judge a lease alike.
"""

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.db import database, database_time
from core.models import Lease

LEASES = Lease.__table__


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that we hold; `token` is higher than any earlier holder's."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else's lease."""

    name: str
    holder: str
    since: datetime


def holder_name() -> str:
    """Return host and process id, for people to read."""
    return f"{socket.gethostname()}:{os.getpid()}"


def take(connection: Connection, name: str, length: timedelta) -> Held | Busy:
    """Take the lease if it is free or has run out; otherwise say who holds it since when.

    All who take the lease `name` take it for the same `length`.
    """
    row = connection.execute(
        select(LEASES).where(LEASES.c.name == name).with_for_update()
    ).one_or_none()
    # Read after the wait for the row.
    now = database_time(connection)
    if row is None:
        return _create(connection, name, now, length)
    if _is_held(row, now, length):
        return Busy(name, row.holder, row.since)
    token = row.token + 1
    taken = {"holder": holder_name(), "token": token, "since": now, "until": now + length}
    changed = connection.execute(
        update(LEASES).where(LEASES.c.name == name, LEASES.c.token == row.token).values(taken)
    )
    return Held(name, token) if changed.rowcount == 1 else Busy(name, row.holder or "", now)


def _is_held(row: Row[Any], now: datetime, length: timedelta) -> bool:
    """Tell whether a lease still runs.

    One that would run for twice its length was written before the clock was set back; believed,
    it would outlive its holder by as much.
    """
    return row.holder is not None and now < row.until < now + 2 * length


def lock(connection: Connection, name: str) -> None:
    """Let nobody take or renew the lease `name` before this transaction ends."""
    now = database_time(connection)
    row = {"name": name, "holder": None, "token": 0, "since": now, "until": now}
    database().insert_missing(connection, LEASES, row)
    connection.execute(select(LEASES.c.name).where(LEASES.c.name == name).with_for_update())


def renew(connection: Connection, held: Held, length: timedelta) -> bool:
    """Hold on for `length` from now; False when somebody else has taken it over."""
    mine = (LEASES.c.name == held.name) & (LEASES.c.token == held.token)
    values = {"until": database_time(connection) + length}
    return connection.execute(update(LEASES).where(mine).values(values)).rowcount == 1


def release(connection: Connection, held: Held) -> None:
    """Give the lease back, if it is still ours."""
    mine = (LEASES.c.name == held.name) & (LEASES.c.token == held.token)
    values = {"holder": None, "until": database_time(connection)}
    connection.execute(update(LEASES).where(mine).values(values))


def _create(connection: Connection, name: str, now: datetime, length: timedelta) -> Held | Busy:
    """Make the row at the first use; of two at once, one wins."""
    row = {"name": name, "holder": holder_name(), "token": 1, "since": now, "until": now + length}
    try:
        with connection.begin_nested():
            connection.execute(insert(LEASES).values(row))
    except IntegrityError:
        return Busy(name, "another process", now)
    return Held(name, 1)
