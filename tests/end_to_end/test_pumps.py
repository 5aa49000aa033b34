"""A pump runs once at a time, over all workers; its queue holds one message."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from core import leases
from tests.end_to_end.desk import Desk, unique
from tests.support.brokers import queue_arguments
from tests.support.processes import wait_until
from tests.support.provider import Provider

pytestmark = pytest.mark.processes

PUMP = "tasks.getActiveInvoices"
SIGNALS = {"getinvoice", "getcallback", "getstatus", "getemail", "gettotalinvoices"}
WORK = {"jobs", "callback", "invoicestatus"}


@contextmanager
def pump_held(desk: Desk) -> Iterator[leases.Held]:
    """Run the pump ourselves, so to speak: hold its lease until the end of the block."""
    engine = desk.kuvert.database.engine
    taken: list[leases.Held] = []

    def take() -> bool:
        with engine.begin() as connection:
            held = leases.take(connection, PUMP, timedelta(minutes=5))
        if isinstance(held, leases.Held):
            taken.append(held)
        return bool(taken)

    wait_until(take, 15, "the pump's lease is free")
    try:
        yield taken[0]
    finally:
        with engine.begin() as connection:
            leases.release(connection, taken[0])


def test_a_second_run_ends_and_says_since_when_the_first_runs(shared: Desk) -> None:
    worker = shared.kuvert.children["worker"]
    with Provider(unique("pumped").lower()) as provider:
        shared.add(provider, sources={provider.code: provider.code})

        with pump_held(shared):
            said = len(worker.output())
            invoice_id = shared.send(provider.code)
            done = shared.kuvert.manage("task", "send", PUMP)
            assert done.returncode == 0, done.stderr
            own = re.escape(leases.holder_name())
            line = re.compile(rf"already running since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ on {own}")
            shared.expect(lambda: line.search(worker.output()[said:]), 15, "the second one ends")
            assert shared.api(provider.code).status_of(invoice_id) == "ready"

        shared.wait_for(provider.code, invoice_id, "sent")


@pytest.mark.parametrize("shared", ["postgresql"], indirect=True)
def test_queues_are_declared_as_they_were_promised(shared: Desk) -> None:
    assert shared.broker_url

    found = queue_arguments(shared.broker_url)

    for name in SIGNALS:
        assert '{"x-max-length",1}' in found[name], found
        assert '{"x-single-active-consumer",true}' in found[name], found
        assert "dead-letter" not in found[name], found
    for name in WORK:
        assert "x-max-length" not in found[name], found
        assert '{"x-dead-letter-exchange","kuvert.dead"}' in found[name], found
    assert "dead" in found
