"""The worker's side of a run: taken once, and its end written down."""

from collections.abc import Callable
from functools import partial
from itertools import count
from uuid import UUID

from celery.exceptions import Reject
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import utcnow
from core.db import LONG, insist
from core.outages import Outage, outage
from core.schedules import ledger
from core.schedules.models import RunState

HEADER = "kuvert_run"
"""The header of a message that beat has sent: the run's id."""


def tracked(run_id: str, work: Callable[[], object], *, is_redelivered: bool = False) -> object:
    """Do the work of a run and write how it ended; a second message of it does nothing.

    Raises:
        Reject: the database is away; the message goes back into its queue.
    """
    found = UUID(run_id)
    if not _begin(found, is_redelivered=is_redelivered):
        return "already taken"
    try:
        result = work()
    except BaseException as error:
        _end(found, RunState.FAILED, f"{type(error).__name__}: {error}")
        raise
    _end(found, RunState.DONE, str(result))
    return result


def _begin(found: UUID, *, is_redelivered: bool) -> bool:
    now, tries = utcnow(), count()

    def begin(connection: Connection) -> bool:
        # After a connection that was cut nobody knows whether we have taken it already.
        is_again = is_redelivered or next(tries) > 0
        return ledger.begin_run(connection, found, now, is_redelivered=is_again)

    try:
        return insist(begin, LONG)
    except SQLAlchemyError as error:
        if outage(error) is not Outage.AWAY:
            raise
        raise Reject(str(error).splitlines()[0], requeue=True) from error


def _end(found: UUID, state: RunState, note: str) -> None:
    now = utcnow()
    insist(partial(ledger.end_run, found=found, state=state, note=note, now=now), LONG)
