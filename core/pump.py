"""Bell, pump, batch: the one way in which work moves from rows to workers.

A pump claims rows that are due, a page at a time, and hands their ids out in batches with the
token that the claim wrote. A package describes its kind of work once as a `Pump` and registers
it; core knows no table of theirs.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from celery import Celery
from sqlalchemy import Connection, Table, and_, update

from core import leases, metrics, pauses, stopping
from core.broker import BROKER_ERRORS
from core.clock import utcnow
from core.db import database, insist, reading, unit_of_work
from core.errors import UnavailableError
from core.ids import new_id
from core.queues import QUEUE_OF, TaskName
from core.settings import Settings

logger = logging.getLogger(__name__)

BATCH = 100
"""Ids in one message."""

PAGE = 1000
"""Rows claimed in one transaction."""

RUN_LEASE = timedelta(seconds=20)
"""How long a run that died keeps the next one waiting; a live one renews it with each page."""

RUN_SECONDS = 50.0
"""A run ends by itself after this long; the next bell goes on."""


@dataclass(frozen=True, slots=True)
class Group:
    """Claimed ids that belong together in a message (one provider, one subscription).

    `most`: so many in one message, where that is fewer than a batch.
    """

    ids: Sequence[UUID]
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Pump:
    """One kind of work.

    `table` has `id`, `due_at` and `lease_token`. `is_due` is one indexed look-up;
    `claim(connection, limit, token, until)` sets `due_at` to `until` and the lease token on due
    rows and returns them in groups; `oldest` is since when the first row of those is due, by some
    indexed look-ups; `before` runs once per run. `is_outgoing`: its work reaches somebody outside,
    and stands still while dispatch is paused (core.pauses).
    """

    pump: TaskName
    work: TaskName
    table: Table
    is_due: Callable[[Connection, datetime], bool]
    claim: Callable[[Connection, int, UUID, datetime], list[Group]]
    oldest: Callable[[Connection, datetime], datetime | None]
    before: Callable[[Connection], None] | None = None
    is_outgoing: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a pump may go: rows waiting in the workers' queue, and the length of a claim."""

    window: int
    lease: timedelta


def limits(settings: Settings) -> Limits:
    """Return the limits that the settings give."""
    lease = timedelta(seconds=settings.lease_seconds)
    return Limits(settings.dispatch_window, lease)


_pumps: dict[TaskName, Pump] = {}
_watched: dict[TaskName, Callable[[Connection, datetime], bool]] = {}
_outgoing: set[TaskName] = set()


def register(pump: Pump) -> None:
    """Make `pump` known to beat's watch."""
    _pumps[pump.pump] = pump
    watch(pump.pump, pump.is_due, is_outgoing=pump.is_outgoing)


def watch(
    task: TaskName, is_due: Callable[[Connection, datetime], bool], *, is_outgoing: bool = False
) -> None:
    """Have beat ring for a task that hands nothing out, but works on due rows by itself.

    Nobody rings for what is outgoing while dispatch is paused.
    """
    _watched[task] = is_due
    if is_outgoing:
        _outgoing.add(task)


def registered() -> list[Pump]:
    """Return every pump that a package has registered."""
    return list(_pumps.values())


def run(pump: Pump, celery: Celery, limits: Limits) -> str:
    """Hand out what is due until nothing is, the window is full or the time is up.

    Only one run of a pump works at a time, over all hosts; a second one ends at once and says
    since when the first runs. Returns one line for the log.
    """
    with unit_of_work() as connection:
        if _stands_still(connection, pump):
            return pauses.PAUSED
        held = leases.take(connection, str(pump.pump), RUN_LEASE)
    if isinstance(held, leases.Busy):
        line = f"already running since {held.since:%Y-%m-%dT%H:%M:%SZ} on {held.holder}"
        logger.info("pump already runs", extra={"task": str(pump.pump), "since": str(held.since)})
        return line
    count = 0
    try:
        for handed_out in _rounds(pump, held, celery, limits):
            count += handed_out
    except UnavailableError as error:
        return f"handed out {count}; {error.detail}"
    finally:
        insist(partial(leases.release, held=held))
    return f"handed out {count}"


def _rounds(pump: Pump, held: leases.Held, celery: Celery, limits: Limits) -> Iterator[int]:
    """Claim and publish page after page; yields how many ids left with each."""
    stop_at = monotonic() + RUN_SECONDS
    if pump.before is not None:
        with unit_of_work() as connection:
            pump.before(connection)
    while monotonic() < stop_at and not stopping.is_asked():
        room = limits.window - _waiting(celery, QUEUE_OF[pump.work])
        if room <= 0:
            return
        token = new_id()
        with unit_of_work() as connection:
            if not leases.renew(connection, held, RUN_LEASE) or _stands_still(connection, pump):
                return
            groups = pump.claim(connection, min(PAGE, room), token, utcnow() + limits.lease)
        if not groups:
            return
        yield _publish(pump, celery, token, groups)


def _stands_still(connection: Connection, pump: Pump) -> bool:
    return pump.is_outgoing and pauses.is_paused(connection)


def _publish(pump: Pump, celery: Celery, token: UUID, groups: Sequence[Group]) -> int:
    """Publish each group in batches; what could not leave is put back. Returns how many left."""
    batches = [batch for group in groups for batch in chunks(group.ids, group.most or BATCH)]
    sent = 0
    try:
        with celery.producer_or_acquire() as producer:
            for batch in batches:
                ids = [str(item) for item in batch]
                celery.send_task(str(pump.work), args=(str(token), ids), producer=producer)
                sent += 1
    except BROKER_ERRORS as error:
        logger.warning(
            "could not hand out work, it is put back",
            extra={"task": str(pump.work), "error": str(error) or type(error).__name__},
        )
        with unit_of_work() as connection:
            left = [item for batch in batches[sent:] for item in batch]
            put_back(connection, pump.table, token, left)
        raise UnavailableError("the broker took no work; what was claimed is due again") from error
    return sum(len(batch) for batch in batches)


def put_back(connection: Connection, table: Table, token: UUID, ids: Sequence[UUID]) -> None:
    """Make rows due again that `token` has claimed and nobody has begun."""
    mine = and_(database().among(table.c.id, ids), table.c.lease_token == token)
    connection.execute(update(table).where(mine).values(lease_token=None, due_at=utcnow()))


def renew(
    connection: Connection, table: Table, token: UUID, ids: Sequence[UUID], lease: timedelta
) -> None:
    """Hold on to rows for `lease` from now, as far as they still carry `token`."""
    mine = and_(database().among(table.c.id, ids), table.c.lease_token == token)
    connection.execute(update(table).where(mine).values(due_at=utcnow() + lease))


@dataclass(frozen=True, slots=True)
class Message:
    """What a message of work asks for: rows that carry `token`, as far as it is still true."""

    token: UUID
    ids: Sequence[UUID]
    lease: timedelta


def open_message(
    connection: Connection, pump: Pump, token_or_id: str, ids: list[str] | None, lease: timedelta
) -> Message | None:
    """Read a message's arguments; a bare id claims for itself, None when it is not due.

    While dispatch is paused, what a message of outgoing work holds is put back: it may have waited
    in the broker since before a restore.
    """
    if _stands_still(connection, pump):
        if ids is not None:
            put_back(connection, pump.table, UUID(token_or_id), [UUID(item) for item in ids])
        return None
    if ids is not None:
        return Message(UUID(token_or_id), [UUID(item) for item in ids], lease)
    message = Message(new_id(), [UUID(token_or_id)], lease)
    table, now = pump.table, utcnow()
    where = and_(table.c.id == message.ids[0], table.c.due_at <= now)
    values = {"lease_token": message.token, "due_at": now + lease}
    if database().claim(connection, table, where=where, values=values):
        return message
    logger.info("a message without work", extra={"task": str(pump.work), "id": token_or_id})
    metrics.message_without_work(str(pump.work))
    return None


def _waiting(celery: Celery, queue: str) -> int:
    """Return about how many ids wait in `queue`: messages times the size of a full batch."""
    with celery.connection_for_read() as connection, connection.channel() as channel:
        declared: Any = celery.amqp.queues[queue](channel).queue_declare(passive=True)
    return int(declared.message_count) * BATCH


def chunks(items: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    """Cut `items` into pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def due_pumps(now: datetime) -> list[TaskName]:
    """Return the pumps that have something due; what beat's watch looks at."""
    with reading() as connection:
        still = _outgoing if pauses.is_paused(connection) else frozenset[TaskName]()
        return [
            task
            for task, is_due in _watched.items()
            if task not in still and is_due(connection, now)
        ]
