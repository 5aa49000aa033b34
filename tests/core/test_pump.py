"""The pump: one run at a time, pages of claimed rows, batches of ids, room in the queue."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from flask import Flask
from kombu.exceptions import OperationalError
from sqlalchemy import Connection, select

from core import leases, metrics, pump
from core.broker import queues
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from core.leases import LEASES
from core.metrics import store
from core.models import Lease
from core.pump import Group, Limits, Pump
from core.queues import QUEUE_OF, TaskName
from invoices.models import Delivery
from invoices.services import claims
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice, add_source

DELIVERIES = Delivery.__table__
LEASE = timedelta(minutes=5)
LIMITS = Limits(window=10_000, lease=LEASE)
JOBS = QUEUE_OF[TaskName.SEND_INVOICE]


class MemoryCelery(Celery):
    """Celery over a broker in this process, which can be told to take so many messages only."""

    takes: int | None = None

    def send_task(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as Celery has it
        if self.takes is not None:
            if self.takes == 0:
                raise OperationalError("the broker is blocked")
            self.takes -= 1
        return super().send_task(*args, **kwargs)


@pytest.fixture
def celery() -> Iterator[MemoryCelery]:
    app = MemoryCelery("test", broker="memory://", set_as_current=False)
    app.conf.update(
        task_queues=queues("classic"),
        task_routes={str(task): {"queue": queue} for task, queue in QUEUE_OF.items()},
        task_create_missing_queues=False,
    )
    with app.connection_for_write() as connection, connection.channel() as channel:
        for queue in app.amqp.queues.values():
            queue(channel).declare()
            queue(channel).purge()
    yield app
    app.close()


def deliveries(**changes: Any) -> Pump:  # noqa: ANN401 - members of a Pump
    given: dict[str, Any] = {
        "pump": TaskName.GET_ACTIVE_INVOICES,
        "work": TaskName.SEND_INVOICE,
        "table": DELIVERIES,
        "is_due": claims.has_due,
        "claim": claims.claim,
        "oldest": claims.oldest,
    }
    return Pump(**given | changes)


def messages(celery: Celery) -> list[tuple[UUID, list[UUID]]]:
    """Take what waits for the workers: token and ids of each message."""
    found = []
    with celery.connection_for_read() as connection, connection.channel() as channel:
        queue = celery.amqp.queues[JOBS](channel)
        while message := queue.get(no_ack=True):
            token, ids = json.loads(message.body or "")[0]
            found.append((UUID(token), [UUID(item) for item in ids]))
    return found


def invoices(source: SourceWithKey, count: int) -> set[UUID]:
    for _ in range(count):
        add_invoice(source)
    return {row.id for row in desk.rows(DELIVERIES)}


def is_free() -> bool:
    with reading() as connection:
        holders = connection.scalars(select(LEASES.c.holder)).all()
    return holders == [None]


@pytest.mark.every_database
def test_what_is_due_is_handed_out_with_its_token(
    source: SourceWithKey, celery: MemoryCelery
) -> None:
    ids = invoices(source, 3)

    line = pump.run(deliveries(), celery, LIMITS)

    [(token, sent)] = messages(celery)
    assert line == "handed out 3"
    assert set(sent) == ids
    rows = desk.rows(DELIVERIES)
    assert {row.lease_token for row in rows} == {token}
    assert all(row.due_at > utcnow() + LEASE - timedelta(minutes=1) for row in rows)
    assert is_free()


def test_nothing_due_is_nothing_sent(app: Flask, celery: MemoryCelery) -> None:
    assert pump.run(deliveries(), celery, LIMITS) == "handed out 0"
    assert messages(celery) == []
    assert is_free()


def test_a_message_holds_a_batch(
    source: SourceWithKey, celery: MemoryCelery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Q09: ids travel, and a hundred at most."""
    monkeypatch.setattr(pump, "BATCH", 10)
    ids = invoices(source, 23)

    pump.run(deliveries(), celery, LIMITS)

    found = messages(celery)
    assert [len(batch) for _, batch in found] == [10, 10, 3]
    assert {item for _, batch in found for item in batch} == ids


def test_a_message_is_for_one_group(app: Flask, celery: MemoryCelery) -> None:
    invoices(add_source(provider="sandbox"), 2)
    invoices(add_source(provider="sandbox-2"), 2)

    pump.run(deliveries(), celery, LIMITS)

    assert [len(batch) for _, batch in messages(celery)] == [2, 2]


def test_pages_follow_until_nothing_is_due(
    source: SourceWithKey, celery: MemoryCelery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "PAGE", 2)
    ids = invoices(source, 5)

    assert pump.run(deliveries(), celery, LIMITS) == "handed out 5"

    found = messages(celery)
    assert [len(batch) for _, batch in found] == [2, 2, 1]
    assert len({token for token, _ in found}) == 3
    assert {item for _, batch in found for item in batch} == ids


def test_it_stops_when_the_queue_holds_the_window(
    source: SourceWithKey, celery: MemoryCelery
) -> None:
    invoices(source, 5)

    assert pump.run(deliveries(), celery, Limits(2, LEASE)) == "handed out 2"
    assert pump.run(deliveries(), celery, Limits(100, LEASE)) == "handed out 0"
    assert len(messages(celery)) == 1
    assert pump.run(deliveries(), celery, Limits(100, LEASE)) == "handed out 3"


def test_it_ends_within_its_time(
    source: SourceWithKey, celery: MemoryCelery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "RUN_SECONDS", 0.0)
    invoices(source, 1)

    assert pump.run(deliveries(), celery, LIMITS) == "handed out 0"
    assert is_free()


# One at a time


@pytest.mark.every_database
def test_a_second_run_ends_at_once_and_says_since_when(app: Flask, celery: MemoryCelery) -> None:
    """Q11."""
    with unit_of_work() as connection:
        leases.take(connection, str(TaskName.GET_ACTIVE_INVOICES), pump.RUN_LEASE)

    line = pump.run(deliveries(), celery, LIMITS)

    with reading() as connection:
        since = connection.scalars(select(LEASES.c.since)).one()
    assert line.startswith(f"already running since {since:%Y-%m-%dT%H:%M:%SZ}")
    assert leases.holder_name() in line


@pytest.mark.every_database
def test_runs_never_overlap(source: SourceWithKey, celery: MemoryCelery) -> None:
    """P11, on a small scale."""
    from flask import current_app

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    ids = invoices(source, 20)
    inside, most = [0], [0]

    def claim(connection: Connection, limit: int, token: UUID, until: datetime) -> list[Group]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.01)
        groups = claims.claim(connection, 4, token, until)
        inside[0] -= 1
        return groups

    def run() -> None:
        with app.app_context():
            for _ in range(3):
                pump.run(deliveries(claim=claim), celery, LIMITS)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    sent = [item for _, batch in messages(celery) for item in batch]
    assert most == [1]
    assert sorted(sent) == sorted(ids)


def test_a_run_that_lost_its_lease_claims_nothing_more(
    source: SourceWithKey, celery: MemoryCelery
) -> None:
    invoices(source, 1)

    def lose(connection: Connection) -> None:
        connection.execute(Lease.__table__.update().values(token=99))

    assert pump.run(deliveries(before=lose), celery, LIMITS) == "handed out 0"
    assert desk.only(DELIVERIES).lease_token is None


def test_a_run_that_fails_gives_its_lease_back(source: SourceWithKey, celery: MemoryCelery) -> None:
    def fail(_: Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pump.run(deliveries(before=fail), celery, LIMITS)

    assert is_free()


# A broker that takes nothing


@pytest.mark.parametrize(("takes", "left"), [(0, 23), (1, 13), (2, 3)])
def test_what_could_not_leave_is_due_again(
    source: SourceWithKey,
    celery: MemoryCelery,
    takes: int,
    left: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pump, "BATCH", 10)
    invoices(source, 23)
    celery.takes = takes

    line = pump.run(deliveries(), celery, LIMITS)

    rows = desk.rows(DELIVERIES)
    assert "the broker took no work" in line
    assert sum(row.lease_token is None and row.due_at <= utcnow() for row in rows) == left
    celery.takes = None
    pump.run(deliveries(), celery, LIMITS)
    assert len({item for _, batch in messages(celery) for item in batch}) == 23


# What a message asks for


def opened(token_or_id: UUID, ids: list[UUID] | None = None) -> pump.Message | None:
    texts = None if ids is None else [str(item) for item in ids]
    with unit_of_work() as connection:
        return pump.open_message(connection, deliveries(), str(token_or_id), texts, LEASE)


def test_token_and_ids_are_taken_as_they_are(app: Flask) -> None:
    token, ids = new_id(), [new_id(), new_id()]

    assert opened(token, ids) == pump.Message(token, ids, LEASE)


@pytest.mark.every_database
def test_a_bare_id_claims_for_itself_once(source: SourceWithKey) -> None:
    """Q10."""
    [delivery_id] = invoices(source, 1)

    message = opened(delivery_id)

    assert message is not None
    assert desk.only(DELIVERIES).lease_token == message.token
    assert opened(delivery_id) is None


def test_a_bare_id_of_nothing_is_nothing(
    app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Q05: dropped with a line, and counted."""
    caplog.set_level("INFO", "core.pump")
    absent = new_id()
    metrics.begin(tmp_path)
    try:
        assert opened(absent) is None
    finally:
        metrics.end()

    [record] = [one for one in caplog.records if one.message == "a message without work"]
    assert record.__dict__["id"] == str(absent)
    samples = [one for found in store.read(tmp_path / metrics.FOLDER) for one in found.samples]
    counted = {(one.name, one.labels.get("task"), one.value) for one in samples}
    assert ("kuvert_messages_without_work_total", "tasks.sendInvoice", 1.0) in counted


def test_only_what_carries_the_token_is_put_back(source: SourceWithKey) -> None:
    invoices(source, 2)
    [message] = desk.claim()
    other = new_id()

    with unit_of_work() as connection:
        pump.put_back(connection, DELIVERIES, other, message.ids)
    assert desk.claim() == []

    with unit_of_work() as connection:
        pump.put_back(connection, DELIVERIES, message.token, message.ids)
    assert len(desk.ids_of(desk.claim())) == 2


def test_the_watch_knows_which_pumps_have_something_due(source: SourceWithKey) -> None:
    assert pump.due_pumps(utcnow()) == []

    add_invoice(source)

    assert pump.due_pumps(utcnow()) == [TaskName.GET_ACTIVE_INVOICES]


def test_each_package_has_registered_its_pump(app: Flask) -> None:
    assert {one.pump for one in pump.registered()} >= {
        TaskName.GET_ACTIVE_INVOICES,
        TaskName.GET_DUE_CALLBACKS,
        TaskName.GET_DUE_STATUSES,
    }
