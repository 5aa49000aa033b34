"""Taking away what is old of one kind: batch by batch, each whole, one run at a time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from sqlalchemy import Connection, insert, update

from core import actor, leases, upgrading
from core.clock import utcnow
from core.db import database, insist, unit_of_work
from core.errors import ConflictError
from core.ids import new_id
from core.leases import Busy, Held
from core.retention.kinds import Batch, Kind, Limits
from core.retention.models import RetentionRun, RunState

logger = logging.getLogger(__name__)

RUNS = RetentionRun.__table__

LEASE = "retention"
LEASE_LENGTH = timedelta(minutes=5)

Progress = Callable[[int, int], None]
"""Told after each batch how many rows and bytes are gone so far."""


@dataclass(slots=True)
class Tally:
    """What a run has taken away so far; `is_whole`: nothing that is due was left."""

    rows: int = 0
    bytes: int = 0
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that is under way."""

    kind: Kind
    limits: Limits
    id: UUID
    held: Held


def silent(_rows: int, _bytes: int) -> None:
    """Tell nobody."""


def purge(
    kind: Kind,
    limits: Limits,
    *,
    reason: str | None = None,
    progress: Progress = silent,
    seconds: float | None = None,
) -> Tally:
    """Take away all that is due of one kind, or what can be in so many `seconds`.

    Each batch is a transaction. A run that is killed leaves whole batches behind, and the next
    goes on with what is left.

    Raises:
        ConflictError: another run is at it, or processes of an older version, which would not
            know an emptied document, are at work.
    """
    refuse_older()
    held = taken()
    tally = Tally()
    try:
        run = _Run(kind, limits, begun(kind.name, limits.before_at, reason), held)
        try:
            _work(run, tally, progress, seconds)
        finally:
            # Ctrl-C too: what was done is done, and the run says so.
            insist(partial(_end, run_id=run.id, tally=tally))
    finally:
        let_go(held)
    logger.info("retention", extra={"kind": kind.name, "rows": tally.rows, "bytes": tally.bytes})
    return tally


def _work(run: _Run, tally: Tally, progress: Progress, seconds: float | None) -> None:
    until = None if seconds is None else monotonic() + seconds
    after: UUID | None = None
    while until is None or monotonic() < until:
        batch = insist(partial(_one_batch, run=run, after=after))
        tally.rows += batch.rows
        tally.bytes += batch.bytes
        progress(tally.rows, tally.bytes)
        if batch.last is None:
            tally.is_whole = True
            return
        after = batch.last


def _one_batch(connection: Connection, *, run: _Run, after: UUID | None) -> Batch:
    # Where little of much is due, finding it takes longer than a request may.
    database().be_patient(connection)
    renewed(connection, run.held)
    batch = run.kind.purge(connection, run.limits, run.id, after)
    columns = RUNS.c
    counts = {
        "row_count": columns.row_count + batch.rows,
        "byte_count": columns.byte_count + batch.bytes,
    }
    connection.execute(update(RUNS).where(columns.id == run.id).values(counts))
    return batch


def refuse_older() -> None:
    """Refuse to work beside those who would send an emptied document; a beat only rings.

    Raises:
        ConflictError: and who they are.
    """
    older = [one for one in upgrading.older(database()) if not one.is_beat]
    if older:
        names = ", ".join(str(one) for one in older)
        raise ConflictError(f"older versions are at work, which know no retention: stop {names}")


def taken() -> Held:
    """Keep every other run of retention and erasure out.

    Raises:
        ConflictError: one is at it.
    """
    with unit_of_work() as connection:
        found = leases.take(connection, LEASE, LEASE_LENGTH)
        if isinstance(found, Busy):
            since = f"{found.since:%H:%M:%S}"
            detail = f"retention runs already, since {since} UTC by {found.holder}"
            raise ConflictError(detail)
        _settle_killed(connection)
    return found


def renewed(connection: Connection, held: Held) -> None:
    """Hold on to the lease; its row stays locked to the end of the transaction.

    Raises:
        ConflictError: it ran out, and another run has it.
    """
    if not leases.renew(connection, held, LEASE_LENGTH):
        raise ConflictError("another run of retention has begun meanwhile")


def let_go(held: Held) -> None:
    """Let the next run begin."""
    insist(partial(leases.release, held=held))


def begun(kind: str, before_at: datetime, reason: str | None) -> UUID:
    """Write down that a run has begun; return its id."""
    with unit_of_work() as connection:
        return begin(connection, kind, before_at, reason)


def begin(connection: Connection, kind: str, before_at: datetime, reason: str | None) -> UUID:
    """Write down that a run has begun, in a transaction of the caller's; return its id."""
    run_id = new_id()
    row = {
        "id": run_id,
        "kind": kind,
        "before_at": before_at,
        "asked_by": actor.current(),
        "reason": reason[: actor.LONGEST_REASON] if reason else None,
        "state": str(RunState.RUNNING),
        "row_count": 0,
        "byte_count": 0,
        "result": None,
        "started_at": utcnow(),
        "finished_at": None,
    }
    connection.execute(insert(RUNS).values(row))
    return run_id


def _end(connection: Connection, *, run_id: UUID, tally: Tally) -> None:
    """Say how a run ended."""
    state = RunState.DONE if tally.is_whole else RunState.STOPPED
    left = "" if tally.is_whole else "; what is left goes with the next run"
    values = {
        "state": str(state),
        "result": f"{tally.rows} rows, {tally.bytes} bytes{left}",
        "finished_at": utcnow(),
    }
    connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(values))


def _settle_killed(connection: Connection) -> None:
    """Say of runs that nobody ended that they are over: we hold the lease, so they are."""
    killed = update(RUNS).where(RUNS.c.state == RunState.RUNNING)
    values = {"state": str(RunState.STOPPED), "result": "ended before its end; its batches stay"}
    connection.execute(killed.values(finished_at=utcnow(), **values))
