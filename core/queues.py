"""Wire names of tasks, and the queue each travels on. Other systems depend on these strings."""

from enum import StrEnum
from typing import Any

from amqp.exceptions import AMQPError
from kombu import Exchange, Queue
from kombu.exceptions import KombuError


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
