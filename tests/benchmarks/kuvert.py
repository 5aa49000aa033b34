"""Kuvert inside the benchmark's own process: setting up, filling, looking at the rows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import Celery
from sqlalchemy import func, select, update

from callbacks.models import Callback, CallbackState
from core import pace
from core.app import create_app
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.queues import TaskName
from core.settings import current
from invoices import access, setup
from invoices.models import Delivery, Provider
from invoices.readers import read_batch
from invoices.services import intake
from invoices.values import NewInvoice
from status.models import Status, Subscription
from tests.benchmarks.documents import document
from tests.benchmarks.processes import wait_until
from tests.benchmarks.stage import Stage

CONCURRENCY = 128
"""Calls that may be under way to the provider in one process; the bare loop has the same."""

LATER = "2090-01-01T00:00:00Z"
PAGE = 1000
CALLBACKS = Callback.__table__
DELIVERIES = Delivery.__table__
PROVIDERS = Provider.__table__
SUBSCRIPTIONS = Subscription.__table__


@dataclass(frozen=True)
class Desk:
    """A running Kuvert: its Celery app, a source for each provider, and their keys."""

    celery: Celery
    sources: dict[str, UUID]
    keys: dict[str, str]

    def fill(self, provider: str, number: int) -> None:
        """Store that many invoices, due in a far future."""
        for start in range(0, number, PAGE):
            size = min(PAGE, number - start)
            read = read_batch([document(provider, send_at=LATER) for _ in range(size)])
            news = [item for item in read if isinstance(item, NewInvoice)]
            with unit_of_work() as connection:
                intake.accept_many(connection, self.sources[provider], "live", news)

    def put_aside(self) -> None:
        """Let nothing be due that other parts have left: neither deliveries nor callbacks."""
        waiting = DELIVERIES.c.state == Status.READY
        held = {"state": str(Status.HELD), "due_at": None}
        due = CALLBACKS.c.due_at.is_not(None)
        ignored = {"state": str(CallbackState.IGNORED), "due_at": None}
        with unit_of_work() as connection:
            connection.execute(update(DELIVERIES).where(waiting).values(held))
            connection.execute(update(CALLBACKS).where(due).values(ignored))

    def send_all(self) -> float:
        """Make all that is ready due, ring, and return the seconds until all of it is sent."""
        with unit_of_work() as connection:
            waiting = DELIVERIES.c.state == Status.READY
            connection.execute(update(DELIVERIES).where(waiting).values(due_at=utcnow()))
        began = time.perf_counter()
        self.celery.send_task(str(TaskName.GET_ACTIVE_INVOICES))
        wait_until(lambda: not count_not_sent())
        return time.perf_counter() - began


def count_not_sent() -> int:
    """Return how many deliveries are still on their way; they alone have a `due_at`."""
    statement = select(func.count()).where(DELIVERIES.c.due_at.is_not(None))
    with reading() as connection:
        return int(connection.scalar(statement) or 0)


def to_full_pace() -> None:
    """Give providers and subscribers the pace that they have earned after a few quick batches."""
    with unit_of_work() as connection:
        for table in (PROVIDERS, SUBSCRIPTIONS):
            connection.execute(update(table).values(pace=pace.MOST))


@contextmanager
def desk(stage: Stage) -> Iterator[Desk]:
    """Build the application over the stage's database, with a provider that answers at once
    (`now`) and one that takes 50 ms (`wait`)."""
    app = create_app()
    with app.app_context():
        sources: dict[str, UUID] = {}
        keys: dict[str, str] = {}
        for code in ("now", "wait"):
            sources[code], keys[code] = _add(code, stage)
        to_full_pace()
        celery = app.extensions["celery"]
        _declare(celery)
        yield Desk(celery, sources, keys)


def _declare(celery: Celery) -> None:
    """Make the queues, which otherwise the first worker would: bells ring into them."""
    with celery.connection_for_write() as connection, connection.channel() as channel:
        for queue in celery.amqp.queues.values():
            queue(channel).declare()


def _add(code: str, stage: Stage) -> tuple[UUID, str]:
    new = setup.NewProvider(
        code=code,
        channel="http",
        url=f"http://127.0.0.1:{stage.provider_port}/{code}",
        is_idempotent=True,
        callback_secret_refs=["env:BENCH_CALLBACK_SECRET"],
        concurrency=CONCURRENCY,
    )
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=current())
        source = setup.add_source(connection, f"source of {code}", "live", code)
        return source, access.create_key(connection, source, "live")


def scalar(statement: Any) -> Any:  # noqa: ANN401 - whatever the statement returns
    """Return the one value of a statement."""
    with reading() as connection:
        return connection.scalar(statement)
