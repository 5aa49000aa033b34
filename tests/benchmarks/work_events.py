"""Status events with their pushes, in batches of a hundred."""

import subprocess
import sys
import time
from uuid import UUID

from sqlalchemy import select

from core.db import unit_of_work
from core.settings import current
from invoices.models import Invoice
from status import services, subscriptions
from status.models import Cause, Status
from tests.benchmarks import peer
from tests.benchmarks.kuvert import Desk, scalar
from tests.benchmarks.limits import Limits
from tests.benchmarks.processes import ROOT
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

BATCH = 100
OURS, PEERS = 5000, 150
EVENT = b"x" * 300
"""About what the row of an event or of a push holds."""


class _Sides:
    """The same events by us and by the peer."""

    def __init__(self, stage: Stage, desk: Desk) -> None:
        self.stage = stage
        self.source = desk.sources["now"]
        desk.fill("now", 1)
        peer.fill(1)
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
        command = [sys.executable, "-m", "tests.benchmarks.peers.record_events", str(PEERS)]
        environ = dict(self.stage.peer_environ)
        ended = subprocess.run(command, env=environ, cwd=ROOT, check=True, capture_output=True)
        return float(ended.stdout)


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Record events of a source that one subscriber listens to."""
    _subscribe(desk.sources["now"])
    sides, limits = _Sides(stage, desk), Limits(stage.database, "bench_events", EVENT)
    ours, peers, limit = in_turns(sides.ours, sides.peers, lambda: limits.copy(OURS * 2))
    name = "status events with their pushes"
    return [
        Row(name=name, ours=ours, other=peers, against="Django", goal=50),
        Row(name=name, ours=ours, other=limit / 2, against="COPY of both rows"),
    ]


def _subscribe(source: UUID) -> None:
    """Add a subscriber on both sides; nobody pushes while we measure."""
    from tests.benchmarks.peers.desk import models

    url = "http://127.0.0.1:9/hook"
    with unit_of_work() as connection:
        subscriptions.subscribe(connection, source, url, (), settings=current())
    models.Subscription.objects.create(source=models.Source.objects.get(), url=url)
