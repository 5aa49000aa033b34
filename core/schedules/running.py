"""The worker's side of a run: taken once, and its end written down."""

from collections.abc import Callable
from itertools import count
from uuid import UUID

from celery.exceptions import Reject
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.db import LONG, database_time, insist
from core.outages import Outage, outage
from core.schedules import runs
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
    tries = count()

    def begin(connection: Connection) -> bool:
        # After a connection that was cut nobody knows whether we have taken it already.
        is_again = is_redelivered or next(tries) > 0
        now = database_time(connection)
        return runs.begin_run(connection, found, now, is_redelivered=is_again)

    try:
        return insist(begin, LONG)
    except SQLAlchemyError as error:
        if outage(error) is not Outage.AWAY:
            raise
        raise Reject(str(error).splitlines()[0], requeue=True) from error


def _end(found: UUID, state: RunState, note: str) -> None:
    def end(connection: Connection) -> None:
        runs.end_run(connection, found, state, note, database_time(connection))

    insist(end, LONG)
