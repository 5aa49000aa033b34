"""Status events with their pushes, in batches of a hundred."""

import time
from uuid import UUID

from sqlalchemy import select, update

from core.db import unit_of_work
from core.settings import current
from invoices.models import Invoice
from status import services, subscriptions
from status.models import Cause, Status
from tests.benchmarks.kuvert import Desk, scalar
from tests.benchmarks.limits import Limits
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

BATCH = 100
OURS, PEERS = 5000, 150


class _Sides:
    """The same events by us and by the peer."""

    def __init__(self, desk: Desk) -> None:
        self.source = desk.sources["now"]
        desk.fill("now", 1)
        by_age = select(Invoice.id).where(Invoice.source_id == self.source)
        self.invoice: UUID = scalar(by_age.order_by(Invoice.id.desc()).limit(1))
        self.sequence = 1

    def ours(self) -> float:
        began = time.perf_counter()
        for _ in range(OURS // BATCH):
            with unit_of_work() as connection:
                services.record(connection, [self._change() for _ in range(BATCH)])
        return OURS / (time.perf_counter() - began)

    def _change(self) -> services.Change:
        self.sequence += 1
        return services.Change(
            invoice_id=self.invoice,
            source_id=self.source,
            number="2026-1",
            external_id=None,
            sequence=self.sequence,
            from_status=Status.SENDING,
            to_status=Status.SENT,
            cause=Cause.DISPATCH,
            note="accepted",
        )

    def peers(self) -> float:
        from tests.benchmarks.peers.desk import models, tasks

        invoice = models.Invoice.objects.order_by("created_at").first()
        began = time.perf_counter()
        for _ in range(PEERS):
            tasks.change(invoice, models.Status.SENT)
        return PEERS / (time.perf_counter() - began)


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Record events of a source that one subscriber listens to; its pushes are parked."""
    _subscribe(desk.sources["now"])
    sides, limits = _Sides(desk), Limits(stage.database, "bench_events")
    ours, peers, limit = in_turns(sides.ours, sides.peers, lambda: limits.copy(OURS * 2))
    name = "status events with their pushes"
    return [
        Row(name=name, ours=ours, other=peers, against="Django", goal=50),
        Row(name=name, ours=ours, other=limit / 2, against="COPY of both rows"),
    ]


def _subscribe(source: UUID) -> None:
    """Add a paused subscription on both sides: its pushes are written and wait."""
    from tests.benchmarks.peers.desk import models

    url = "http://127.0.0.1:9/hook"
    with unit_of_work() as connection:
        new, _ = subscriptions.subscribe(connection, source, url, (), settings=current())
        table = services.SUBSCRIPTIONS
        connection.execute(update(table).where(table.c.id == new).values(state="paused"))
    models.Subscription.objects.create(source=models.Source.objects.get(), url=url)
