"""The worker's side of a run: taken once, and its end written down."""

from collections.abc import Callable
from uuid import UUID

from core.clock import utcnow
from core.db import unit_of_work
from core.schedules import ledger
from core.schedules.models import RunState

HEADER = "kuvert_run"
"""The header of a message that beat has sent: the run's id."""


def tracked(run_id: str, work: Callable[[], object], *, is_redelivered: bool = False) -> object:
    """Do the work of a run and write how it ended; a second message of it does nothing."""
    found = UUID(run_id)
    with unit_of_work() as connection:
        is_ours = ledger.begin_run(connection, found, utcnow(), is_redelivered=is_redelivered)
    if not is_ours:
        return "already taken"
    try:
        result = work()
    except BaseException as error:
        _end(found, RunState.FAILED, f"{type(error).__name__}: {error}")
        raise
    _end(found, RunState.DONE, str(result))
    return result


def _end(found: UUID, state: RunState, note: str) -> None:
    with unit_of_work() as connection:
        ledger.end_run(connection, found, state, note, utcnow())
