"""What an invoice costs in its whole life: statements, transactions, messages.

Its life: handed out, sent, a callback processed, each event pushed to one subscriber. Left out
are the two acceptances, of the invoice and of the callback: each is answered, and so each is a
transaction of its own.
"""

import json
import time
from collections.abc import Callable
from uuid import UUID

from celery import Celery
from sqlalchemy import func, select, update

from callbacks import inbox
from callbacks import tasks as callback_tasks
from core import pump
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.queues import QUEUE_OF, TaskName
from core.settings import current
from core.webhooks import signed_headers
from invoices import tasks as invoice_tasks
from invoices.models import Invoice
from status import services as history
from status import subscriptions
from status import tasks as status_tasks
from status.models import Status, SubscriptionState
from status.pushes import PUSHES
from tests.benchmarks.counting import Counts, counting
from tests.benchmarks.kuvert import DELIVERIES, Desk, scalar, to_full_pace
from tests.benchmarks.report import Row, at_most
from tests.benchmarks.stage import Stage

INVOICES = 500
MOST_MESSAGES, MOST_TRANSACTIONS, MOST_STATEMENTS = 0.1, 0.3, 1.0

Task = Callable[..., object]
STEPS: tuple[tuple[pump.Pump, Task], ...] = (
    (invoice_tasks.DELIVERIES, invoice_tasks.send_invoice),
    (callback_tasks.CALLBACKS, callback_tasks.process_callback),
    (status_tasks.PUSHES, status_tasks.created_status),
)


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Work 500 invoices through with real messages, all in this process."""
    sent, heard, told = STEPS
    subscription = _subscribe(desk, f"http://127.0.0.1:{stage.provider_port}/now")
    ids = _make_due(desk)
    counts = Counts()
    _work(desk.celery, *sent, counts)
    _call_back(stage, ids)
    _work(desk.celery, *heard, counts)
    _work(desk.celery, *told, counts)
    _check(ids)
    _unsubscribe(subscription)
    each = "a whole life of an invoice:"
    return [
        at_most(f"{each} messages", counts.messages / INVOICES, MOST_MESSAGES, ""),
        at_most(f"{each} transactions", counts.transactions / INVOICES, MOST_TRANSACTIONS, ""),
        at_most(f"{each} statements", counts.statements / INVOICES, MOST_STATEMENTS, ""),
    ]


def _subscribe(desk: Desk, url: str) -> UUID:
    with unit_of_work() as connection:
        source = desk.sources["now"]
        new, _ = subscriptions.subscribe(connection, source, url, (), settings=current())
    to_full_pace()
    return new


def _unsubscribe(subscription: UUID) -> None:
    """Leave nobody listening, for the parts that follow."""
    table = history.SUBSCRIPTIONS
    with unit_of_work() as connection:
        gone = update(table).where(table.c.id == subscription)
        connection.execute(gone.values(state=str(SubscriptionState.DELETED)))


def _make_due(desk: Desk) -> list[UUID]:
    """Store the invoices and return the ids of their deliveries."""
    desk.fill("now", INVOICES)
    waiting = DELIVERIES.c.state == Status.READY
    with unit_of_work() as connection:
        connection.execute(update(DELIVERIES).where(waiting).values(due_at=utcnow()))
        return list(connection.scalars(select(DELIVERIES.c.id).where(waiting)))


def _work(celery: Celery, one: pump.Pump, task: Task, counts: Counts) -> None:
    """Run a pump, then each message that it has published."""
    with counting(counts):
        pump.run(one, celery, pump.limits(current()))
        with celery.connection_for_read() as connection, connection.channel() as channel:
            queue = celery.amqp.queues[QUEUE_OF[one.work]](channel)
            while (message := queue.get(no_ack=True)) is not None:
                arguments, _, _ = message.decode()
                task(*arguments)


def _call_back(stage: Stage, ids: list[UUID]) -> None:
    """Have the provider say of each delivery that it has arrived."""
    now = int(time.time())
    with reading() as connection:
        sender = inbox.sender(connection, "now")
        for one in ids:
            body = json.dumps({"reference": str(one), "status": "delivered"}).encode()
            signed = signed_headers([stage.callback_secret], f"life_{one}", now, body)
            inbox.receive(connection, sender, dict(signed), body, utcnow())


def _check(ids: list[UUID]) -> None:
    """Fail unless every life has come to its end: otherwise the figures mean nothing."""
    delivered = select(func.count()).where(
        Invoice.current_delivery_id.in_(ids), Invoice.status == Status.DELIVERED
    )
    waiting = select(func.count()).where(PUSHES.c.due_at.is_not(None))
    if (scalar(delivered), scalar(waiting)) != (len(ids), 0):
        raise RuntimeError(f"{TaskName.PROCESS_CALLBACK} or another task left something undone")
