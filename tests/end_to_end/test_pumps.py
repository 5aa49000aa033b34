"""A pump runs once at a time, over all workers; its queue holds one message."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import insert, or_, select, update

from core import leases
from core.clock import utcnow
from core.leases import LEASES
from core.pump import RUN_LEASE
from tests.end_to_end.desk import Desk, unique
from tests.support.brokers import queue_arguments
from tests.support.processes import wait_until
from tests.support.provider import Provider

pytestmark = pytest.mark.processes

PUMP = "tasks.getActiveInvoices"
SIGNALS = {
    *("getinvoice", "getcallback", "getstatus", "getemail", "gettotalinvoices", "getbulk"),
}
WORK = {"jobs", "callback", "invoicestatus"}


@contextmanager
def pump_held(desk: Desk) -> Iterator[None]:
    """Run the pump ourselves, so to speak: hold its lease until the end of the block."""
    engine = desk.kuvert.database.engine
    mine = LEASES.c.name == PUMP

    def take() -> object:
        now = utcnow()
        is_free = or_(LEASES.c.holder.is_(None), LEASES.c.until < now)
        ours = {"holder": leases.holder_name(), "since": now, "until": now + RUN_LEASE * 1.5}
        with engine.begin() as connection:
            if connection.execute(select(LEASES).where(mine)).first() is None:
                connection.execute(insert(LEASES).values(name=PUMP, token=1, **ours))
                return True
            values = {**ours, "token": LEASES.c.token + 1}
            return connection.execute(update(LEASES).where(mine, is_free).values(values)).rowcount

    wait_until(take, 15, "the pump's lease is free")
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(update(LEASES).where(mine).values(holder=None))


def test_a_second_run_ends_and_says_since_when_the_first_runs(shared: Desk) -> None:
    """Q11."""
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
