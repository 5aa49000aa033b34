"""Background work of the callbacks package."""

from functools import partial

from celery import current_app, shared_task
from sqlalchemy import Connection

from callbacks import services
from callbacks.mailbox import reading
from core import pump
from core.db import insist
from core.errors import KuvertError
from core.queues import TaskName
from core.settings import current

CALLBACKS = pump.Pump(
    pump=TaskName.GET_DUE_CALLBACKS,
    work=TaskName.PROCESS_CALLBACK,
    table=services.CALLBACKS,
    is_due=services.has_due,
    claim=services.claim,
    oldest=services.oldest,
)


# A mailbox that is away is said in one line, without a trace.
@shared_task(name=TaskName.CHECK_EMAIL_INBOX.value, throws=(KuvertError,))
def check_email_inbox() -> str:
    """Read the mailbox that answers to our mails come to."""
    settings = current()
    return str(reading.check(settings.imap_url, lease=pump.limits(settings).lease))


@shared_task(name=TaskName.GET_DUE_CALLBACKS.value)
def get_due_callbacks() -> str:
    """Hand out the callbacks that are due."""
    return pump.run(CALLBACKS, current_app, pump.limits(current()))


@shared_task(name=TaskName.PROCESS_CALLBACK.value)
def process_callback(token_or_id: str, ids: list[str] | None = None) -> int:
    """Work through the callbacks of a batch; a bare id claims for itself. Returns how many."""
    return insist(partial(_process, token_or_id=token_or_id, ids=ids))


def _process(connection: Connection, token_or_id: str, ids: list[str] | None) -> int:
    lease = pump.limits(current()).lease
    message = pump.open_message(connection, CALLBACKS, token_or_id, ids, lease)
    return len(services.process(connection, message.token, message.ids)) if message else 0
