"""Background work of retention."""

from celery import shared_task

from core.queues import TaskName
from core.retention import nightly
from core.settings import current


@shared_task(name=TaskName.PURGE_EXPIRED.value)
def purge_expired() -> str:
    """Take away what was kept for its time, for some minutes."""
    return nightly.run(current())
