"""P7: 20,000 events to a subscriber that refuses many and is slow with some."""

import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core.clock import utcnow
from status.models import Push, StatusEvent
from tests.end_to_end.desk import Desk
from tests.faults.conftest import Progress
from tests.faults.figures import Figures
from tests.faults.stage import Stage
from tests.support.provider import Provider
from tests.support.receiver import Received
from tests.support.subscriber import Subscriber

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SEED = int(os.environ.get("STORM_SEED", "1"))
INVOICES = 10_000
COUNT = 2 * INVOICES
BATCH = 1000
REFUSED, SLOW = 0.3, 0.1
LONGEST_SECONDS = 900

PUSHES = Push.__table__
EVENTS = StatusEvent.__table__

Told = tuple[int, str | None, str]
"""An event of an invoice: its sequence, the status before it, and its own."""


class Moody(Subscriber):
    """A subscriber that answers 500 to three in ten and takes up to a second for one in ten.

    What it does with a try depends on seed, event and the count of its tries. What it refused is
    only counted.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.refusals = self.delays = 0
        self._seed = seed
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, request: Received) -> int:
        """Take, take late, or refuse."""
        data = json.loads(request.body)["data"]
        event = f"{data['number']}/{data['sequence']}"
        with self._lock:
            self._tries[event] += 1
            dice = random.Random(f"{self._seed}/{event}/{self._tries[event]}")
            mood = dice.random()
            self.refusals += mood < REFUSED
            self.delays += REFUSED <= mood < REFUSED + SLOW
        if mood < REFUSED:
            return 500
        if mood < REFUSED + SLOW:
            time.sleep(dice.uniform(0.5, 1.0))
        return super().take(request)


def test_twenty_thousand_events_reach_a_moody_subscriber(stage: Stage, progress: Progress) -> None:
    own, figures = stage.desk, Figures(f"P7, {COUNT:,} events, seed {SEED}")
    with Provider("quick") as provider, Moody(SEED) as subscriber:
        own.add(provider, sources={"told": "quick"})
        own.subscribe("told", subscriber)
        began = time.monotonic()
        with progress(lambda: f"{len(subscriber.requests):,} of {COUNT:,} events taken"):
            for start in range(0, INVOICES, BATCH):
                own.send_batch("told", [f"T-{n:05}" for n in range(start, start + BATCH)])
            own.expect(lambda: set(own.statuses("told").values()) == {"sent"}, 300, "all are sent")
            own.expect(lambda: _is_told(own), LONGEST_SECONDS, "no push waits any more")
        figures.note("seconds until all was told", time.monotonic() - began)
        _judge(figures, own, subscriber)
    figures.check()


def _is_told(own: Desk) -> bool:
    """Whether no push waits; those that wait for a further try are made due at once."""
    time.sleep(1)
    waiting = PUSHES.c.due_at.is_not(None) & PUSHES.c.lease_token.is_(None)
    with own.kuvert.database.single() as connection:
        connection.execute(update(PUSHES).where(waiting).values(due_at=utcnow()))
        left = select(func.count()).where(PUSHES.c.due_at.is_not(None))
        return connection.scalar(left) == 0


def _judge(figures: Figures, own: Desk, subscriber: Moody) -> None:
    """Compare what the subscriber has taken with the history."""
    heard = {
        invoice_id: [_told(event["data"]) for event in events]
        for invoice_id, events in subscriber.events().items()
    }
    due = _history(own)
    figures.note("tries refused with 500", subscriber.refusals)
    figures.note("tries answered late", subscriber.delays)
    figures.note("taken in all, with repeats", len(subscriber.requests))
    figures.note("came before an earlier one of its invoice", _out_of_order(subscriber))
    figures.exactly("events in the history", sum(map(len, due.values())), COUNT)
    missing = sum(len(set(events) - set(heard.get(key, []))) for key, events in due.items())
    figures.exactly("missing", missing, 0)
    broken = sum(heard[key] != due.get(key) for key in heard)
    figures.exactly("invoices whose events by sequence are not their history", broken, 0)


def _told(data: Mapping[str, Any]) -> Told:
    return data["sequence"], data["previous_status"], data["status"]


def _history(own: Desk) -> dict[str, list[Told]]:
    """Return what subscribers are to be told, by invoice, as the history has it."""
    columns = EVENTS.c
    statement = (
        select(columns.invoice_id, columns.sequence, columns.from_status, columns.to_status)
        .where(columns.to_status.in_(("ready", "sent")))
        .order_by(columns.invoice_id, columns.sequence)
    )
    found: dict[str, list[Told]] = defaultdict(list)
    with own.kuvert.database.single() as connection:
        for key, sequence, before, status in connection.execute(statement):
            found[str(key)].append((sequence, before, status))
    return found


def _out_of_order(subscriber: Moody) -> int:
    """Count the events that were taken after a later one of the same invoice."""
    latest: dict[str, int] = defaultdict(int)
    late = 0
    for request in subscriber.requests:
        data = json.loads(request.body)["data"]
        late += data["sequence"] < latest[data["invoice_id"]]
        latest[data["invoice_id"]] = max(latest[data["invoice_id"]], data["sequence"])
    return late
