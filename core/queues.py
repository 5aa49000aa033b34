"""Wire names of tasks, and the queue each travels on. Other systems depend on these strings."""

from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


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
    PURGE_EXPIRED = "tasks.purgeExpired"


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
    TaskName.PURGE_EXPIRED: "purge",
}
"""The one table of routes."""

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
        "timers": Group(("getemail", "gettotalinvoices", "purge"), 1),
        "dispatch": Group(("jobs",), 4),
        "rest": Group(("callback", "invoicestatus", "bulk"), 4),
    }
)
"""How the workers of a server part the queues; each queue is in one group."""
