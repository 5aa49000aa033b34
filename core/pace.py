"""How many batches one party may have under way at once, by how quickly it has answered.

A provider or subscriber that answers slowly would otherwise fill every worker and keep all the
others waiting. Each begins with one batch; every batch that ends quickly doubles what it may
have, and a slow one brings it back to one.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, update

from core import stopping
from core.pump import BATCH

FIRST = 1
MOST = 64
QUICK_SECONDS = 2.0
"""A batch that takes longer is slow."""

HOPELESS = 5
"""A batch that has met so much trouble and no success is ended."""


@dataclass(slots=True)
class Fate:
    """How a batch goes: whether anything but trouble comes back, and since when it runs."""

    began: float = field(default_factory=monotonic)
    troubles: int = 0
    has_succeeded: bool = False
    is_known_slow: bool = False
    renewed: float = field(default_factory=monotonic)

    def note(self, *, is_trouble: bool) -> None:
        """Count one end."""
        self.troubles += is_trouble
        self.has_succeeded |= not is_trouble

    @property
    def must_end(self) -> bool:
        """True when the rest is not worth trying now, or the worker is to stop."""
        is_hopeless = self.troubles >= HOPELESS and not self.has_succeeded
        return is_hopeless or stopping.is_asked()

    def wants_renewal(self, lease: timedelta) -> bool:
        """Tell, once in each third of a lease, that it is time to hold on to the batch's rows."""
        if monotonic() - self.renewed < lease.total_seconds() / 3:
            return False
        self.renewed = monotonic()
        return True

    def turns_slow(self) -> bool:
        """Tell once that the batch takes long, while it still goes on."""
        if self.is_known_slow or self.seconds <= QUICK_SECONDS:
            return False
        self.is_known_slow = True
        return True

    @property
    def seconds(self) -> float:
        """How long the batch has run."""
        return monotonic() - self.began


def after_batch(pace: int, seconds: float, *, is_over: bool) -> int:
    """Return the new pace of a party whose batch has taken so long, and is over or goes on."""
    if seconds > QUICK_SECONDS:
        return FIRST
    return min(pace * 2, MOST) if is_over else pace


def keep(
    connection: Connection, table: Table, party_id: UUID, seconds: float, *, is_over: bool
) -> None:
    """Write the pace of a provider or subscription after a batch, where it changes."""
    mine = table.c.id == party_id
    known = connection.scalar(select(table.c.pace).where(mine)) or FIRST
    now = after_batch(known, seconds, is_over=is_over)
    if now != known:
        connection.execute(update(table).where(mine).values(pace=now))


def room(
    connection: Connection,
    table: Table,
    mine: ColumnElement[bool],
    pace: int,
    now: datetime,
    *,
    batch: int = BATCH,
) -> int:
    """Return how many more rows of a party may be claimed, besides those under way.

    In whole batches, of the party's size: what a slow batch has done would otherwise come back
    as one small batch after another, and each of them holds a worker.
    """
    leased = and_(mine, table.c.due_at > now, table.c.lease_token.is_not(None))
    return below(connection, table, leased, pace, batch=batch) // batch * batch


def below(
    connection: Connection,
    table: Table,
    where: ColumnElement[bool],
    pace: int,
    *,
    batch: int = BATCH,
) -> int:
    """Return how many rows that match are missing to what the pace allows."""
    most = pace * batch
    some = select(table.c.id).where(where).limit(most).subquery()
    return most - (connection.scalar(select(func.count()).select_from(some)) or 0)
