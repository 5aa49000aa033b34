"""Wire names of tasks, and the queue each travels on. Other systems depend on these strings."""

import logging
from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from amqp.exceptions import AMQPError, PreconditionFailed
from kombu import Connection, Exchange, Queue
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)


class TaskName(StrEnum):
    """The name a task has on the wire."""

    GET_ACTIVE_INVOICES = "tasks.getActiveInvoices"
    SEND_INVOICE = "tasks.sendInvoice"
    GET_DUE_CALLBACKS = "tasks.getDueCallbacks"
    PROCESS_CALLBACK = "tasks.processCallback"
    GET_DUE_STATUSES = "tasks.getDueStatuses"
    CREATED_STATUS = "tasks.createdStatus"
    CHECK_EMAIL_INBOX = "tasks.checkEmailInbox"
    GET_TOTAL_INVOICES = "tasks.getTotalInvoices"
    GET_BULK_ACTS = "tasks.getBulkActs"
    ACT_IN_BULK = "tasks.actInBulk"


QUEUE_OF = {
    TaskName.GET_ACTIVE_INVOICES: "getinvoice",
    TaskName.SEND_INVOICE: "jobs",
    TaskName.GET_DUE_CALLBACKS: "getcallback",
    TaskName.PROCESS_CALLBACK: "callback",
    TaskName.GET_DUE_STATUSES: "getstatus",
    TaskName.CREATED_STATUS: "invoicestatus",
    TaskName.CHECK_EMAIL_INBOX: "getemail",
    TaskName.GET_TOTAL_INVOICES: "gettotalinvoices",
    TaskName.GET_BULK_ACTS: "getbulk",
    TaskName.ACT_IN_BULK: "bulk",
}
"""The one table of routes."""

BROKER_ERRORS = (KombuError, AMQPError, OSError)
"""What a broker that is away, blocked or set up otherwise makes of a publish."""

WORK = ("jobs", "callback", "invoicestatus", "bulk")
"""Queues of ids: nothing may be dropped, what cannot be run is dead-lettered."""

SIGNALS = tuple(sorted(set(QUEUE_OF.values()) - set(WORK)))
"""Queues of "look now": one waiting message is enough."""


class Group(NamedTuple):
    """Queues that one worker takes from, and how many batches it works on at once."""

    queues: Sequence[str]
    concurrency: int


GROUPS = MappingProxyType(
    {
        # Quick, so that they may share one process; none waits behind a provider or a mailbox.
        "pumps": Group(("getbulk", "getcallback", "getinvoice", "getstatus"), 1),
        "timers": Group(("getemail", "gettotalinvoices"), 1),
        "dispatch": Group(("jobs",), 4),
        "rest": Group(("callback", "invoicestatus", "bulk"), 4),
    }
)
"""How the workers of a server part the queues; each queue is in one group."""

DEAD_EXCHANGE = Exchange("kuvert.dead", type="fanout", durable=True)
DEAD_QUEUE = Queue("dead", DEAD_EXCHANGE, durable=True)


def queues(queue_type: str) -> list[Queue]:
    """Return every queue; `queue_type` `quorum` replicates the queues of work in a cluster."""
    direct = Exchange("kuvert", type="direct", durable=True)
    return [
        Queue(
            name,
            direct,
            routing_key=name,
            durable=True,
            queue_arguments=_arguments(name, queue_type),
        )
        for name in (*SIGNALS, *WORK)
    ]


def _arguments(name: str, queue_type: str) -> dict[str, Any]:
    """Return the queue's arguments; RabbitMQ refuses to change them once it is declared."""
    if name not in WORK:
        return {"x-max-length": 1, "x-single-active-consumer": True}
    dead = {"x-dead-letter-exchange": DEAD_EXCHANGE.name}
    if queue_type == "quorum":
        return {**dead, "x-queue-type": "quorum", "x-delivery-limit": 5}
    return dead


def declare_all(connection: Connection, queues: Sequence[Queue]) -> None:
    """Declare where what cannot be run ends up, then every queue.

    Raises:
        SystemExit: a queue is there with other arguments, which RabbitMQ does not change.
    """
    for queue in (DEAD_QUEUE, *queues):
        _declare(connection, queue)


def _declare(connection: Connection, queue: Queue) -> None:
    """Declare one queue in a channel of its own: a refusal closes the channel."""
    try:
        with connection.channel() as channel:
            queue(channel).declare()
    except PreconditionFailed as error:
        why = f"queue {queue.name} exists with other arguments ({error.reply_text})"
        remedy = "let it run empty and delete it, or set KUVERT_QUEUE_TYPE as it was"
        logger.critical("%s; %s", why, remedy)
        raise SystemExit(1) from error
