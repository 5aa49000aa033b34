"""Three ledgers outside Kuvert: what was taken in, what was handed over, what was told."""

import http.client
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, update

from callbacks.models import Callback
from core.clock import utcnow
from invoices.models import Attempt, Delivery, Invoice
from status.models import Push
from tests.end_to_end.desk import Desk
from tests.support.calls import Api
from tests.support.factories import invoice_json
from tests.support.provider import Provider
from tests.support.subscriber import Subscriber

DELIVERIES = Delivery.__table__
INVOICES = Invoice.__table__
ATTEMPTS = Attempt.__table__
TOLD_STATUSES = {"ready", "held", "sent", "delivered", "undeliverable", "unknown", "failed"}
INSIST_SECONDS = 90


@dataclass
class Submitter:
    """A billing system that hands over until it is told 2xx; `accepted` is its ledger."""

    api: Api
    accepted: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0

    def submit(self, numbers: list[str], gap_seconds: float) -> None:
        """Hand over one invoice per number, one after another."""
        for number in numbers:
            self._insist(number)
            time.sleep(gap_seconds)

    def _insist(self, number: str) -> None:
        body, until = invoice_json(number=number), time.monotonic() + INSIST_SECONDS
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                reply = self.api.post("/invoices", body, Idempotency_Key=f"key-{number}")
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)  # web was killed; the same key may be sent again
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            if reply.status in {200, 202}:
                self.accepted[number] = reply.json()["id"]
                return
            assert reply.status in {409, 503}, reply.body
            time.sleep(0.1)
        raise AssertionError(f"{number} was not taken in within {INSIST_SECONDS} s")


def submit_all(submitter: Submitter, numbers: list[str], gap_seconds: float) -> None:
    """Hand all over from four threads."""
    parts = [numbers[start::4] for start in range(4)]
    threads = [
        threading.Thread(target=submitter.submit, args=(part, gap_seconds)) for part in parts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def due_count(desk: Desk) -> int:
    """Return how many rows of any kind somebody must still look at."""
    tables = (DELIVERIES, Callback.__table__, Push.__table__)
    with desk.kuvert.database.single() as connection:
        return sum(
            connection.scalar(select(func.count()).where(table.c.due_at.is_not(None))) or 0
            for table in tables
        )


def hurry(desk: Desk) -> None:
    """Make waiting retries due at once: the plan's first wait is a minute, a test's patience less.

    Only rows that nobody holds are touched, so no lease is cut short.
    """
    columns = DELIVERIES.c
    waiting = (columns.state == "retry_wait") & columns.lease_token.is_(None)
    with desk.kuvert.database.single() as connection:
        connection.execute(update(DELIVERIES).where(waiting).values(due_at=utcnow()))


def settle(desk: Desk, seconds: float, *providers: Provider) -> None:
    """Wait until nothing is due any more and no provider has anything left to say."""

    def is_quiet() -> bool:
        hurry(desk)
        return due_count(desk) == 0 and all(provider.is_quiet() for provider in providers)

    desk.expect(is_quiet, seconds, "nothing is due any more")


def extra_acceptances(provider: Provider) -> dict[str, int]:
    """Return the invoices that were accepted more than once."""
    counts = {number: len(some) for number, some in provider.acceptances.items()}
    return {number: count for number, count in counts.items() if count > 1}


def keys_by_number(provider: Provider) -> dict[str, set[str]]:
    """Return the dispatch keys under which each invoice came, over all its attempts."""
    keys: dict[str, set[str]] = defaultdict(set)
    for request in provider.requests:
        keys[request.number].add(request.key)
    return keys


def unclear_numbers(desk: Desk) -> set[str]:
    """Return the invoices with an attempt of which nobody can say how it ended."""
    statement = (
        select(INVOICES.c.number)
        .join(DELIVERIES, DELIVERIES.c.invoice_id == INVOICES.c.id)
        .join(ATTEMPTS, ATTEMPTS.c.delivery_id == DELIVERIES.c.id)
        .where(ATTEMPTS.c.may_have_arrived)
    )
    with desk.kuvert.database.single() as connection:
        return set(connection.scalars(statement))


def missing_events(api: Api, ids: list[str], subscriber: Subscriber) -> list[tuple[str, int]]:
    """Return the events of the history that the subscriber never got, as (invoice, sequence)."""
    heard = subscriber.events()
    missing = []
    for invoice_id in ids:
        got = {event["data"]["sequence"] for event in heard.get(invoice_id, [])}
        due = {event["sequence"] for event in api.history(invoice_id) if _is_told(event)}
        missing += [(invoice_id, sequence) for sequence in sorted(due - got)]
    return missing


def _is_told(event: dict[str, Any]) -> bool:
    return event["status"] in TOLD_STATUSES and event["status"] != event["previous_status"]
