"""Background work of the status package."""

from celery import current_app, shared_task

from core import pump
from core.db import unit_of_work
from core.queues import TaskName
from core.settings import current
from status import pushes

PUSHES = pump.Pump(
    pump=TaskName.GET_DUE_STATUSES,
    work=TaskName.CREATED_STATUS,
    table=pushes.PUSHES,
    is_due=pushes.has_due,
    claim=pushes.claim,
    oldest=pushes.oldest,
    is_outgoing=True,
)


@shared_task(name=TaskName.GET_DUE_STATUSES.value)
def get_due_statuses() -> str:
    """Hand out the pushes that are due."""
    return pump.run(PUSHES, current_app, pump.limits(current()))


@shared_task(name=TaskName.CREATED_STATUS.value, soft_time_limit=300, time_limit=330)
def created_status(token_or_id: str, ids: list[str] | None = None) -> int:
    """Tell a subscriber of the events of a batch; a bare id claims for itself."""
    settings = current()
    lease = pump.limits(settings).lease
    with unit_of_work() as connection:
        message = pump.open_message(connection, PUSHES, token_or_id, ids, lease)
    return pushes.post_batch(message, settings) if message else 0
