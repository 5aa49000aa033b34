"""Messages that cannot be run or do nothing, on a real RabbitMQ: they stop nobody (Q01 to Q13)."""

import json
import os
import pickle
import signal
import time
from typing import Any

import pytest
from kombu import Connection

from tests.end_to_end.desk import Desk, unique
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.rabbitmq]

ID = "01a2032d-7a5f-7fcb-9811-f09781f36923"
GOOD = json.dumps([[ID], {}, {}])
JSON = "application/json"
WITHOUT_WORK = "a message without work"
POISON: tuple[tuple[bytes | str, str, dict[str, object]], ...] = (
    # Q01
    (pickle.dumps([1]), "application/x-python-serialize", {}),
    # Q02
    (GOOD[:20], JSON, {}),
    # Q03
    (GOOD, JSON, {"task": "tasks.nope"}),
    # Q04
    ("[[],{},{}]", JSON, {}),
    ('[["a","b","c"],{},{}]', JSON, {}),
    ("[[5],{},{}]", JSON, {}),
    # Q09: what we publish ourselves holds at most a hundred ids.
    (json.dumps([["x" * 10_000_000], {}, {}]), JSON, {}),
    # Q13
    (GOOD, JSON, {"timelimit": ["a", "b"]}),
    (GOOD, JSON, {"expires": "soon"}),
    (GOOD, JSON, {"retries": "many"}),
    ("hello", "text/plain", {}),
    ("{}", JSON, {}),
)


def test_poison_goes_to_the_dead_letters_and_the_worker_lives(shared: Desk) -> None:
    """Q01, Q02, Q03, Q04, Q09, Q13."""
    if shared.broker_url is None:
        pytest.skip("a folder has no dead letters")
    worker = shared.kuvert.children["worker"]
    pids = (worker.process.pid, worker.children())

    with Connection(shared.broker_url) as connection:
        before = dead_letters(connection)
        for body, content_type, headers in POISON:
            publish(connection, body, content_type, headers)
        shared.expect(lambda: dead_letters(connection) == before + len(POISON), 30, "dead letters")

    assert (worker.process.pid, worker.children()) == pids
    with Provider("antidote") as provider:
        shared.add(provider, sources={"survivor": "antidote"})
        invoice_id = shared.send("survivor")
        shared.wait_for("survivor", invoice_id, "sent")


@pytest.mark.parametrize("shared", ["postgresql"], indirect=True)
def test_messages_that_are_not_due_do_nothing(shared: Desk) -> None:
    """Q05, Q06, Q08, Q10, Q12: what is due, the database decides."""
    assert shared.broker_url
    worker = shared.kuvert.children["worker"]
    with Provider(unique("idle").lower()) as provider, Connection(shared.broker_url) as connection:
        shared.add(provider, sources={provider.code: provider.code})
        invoice_id = shared.send(provider.code)
        delivery_id = delivery_of(shared, invoice_id)
        # Q06 and Q10, most likely while it is due or on its way.
        for _ in range(100):
            publish(connection, bare(delivery_id), JSON, {})
        shared.wait_for(provider.code, invoice_id, "sent")
        before = worker.output().count(WITHOUT_WORK)

        publish(connection, bare(ID), JSON, {})
        publish(connection, bare(delivery_id), JSON, {}, timestamp=int(time.time()) - 8 * 86_400)
        for eta in ("2099-01-01T00:00:00", "9999-12-31T23:59:59", "never"):
            publish(connection, bare(delivery_id), JSON, {"eta": eta})
        shared.expect(
            lambda: worker.output().count(WITHOUT_WORK) >= before + 5, 30, "all are looked at now"
        )

        later = shared.send(provider.code)
        shared.wait_for(provider.code, later, "sent")
        assert [len(found) for found in provider.acceptances.values()] == [1, 1]
    assert f"id={ID}" in worker.output()


@pytest.mark.parametrize("shared", ["postgresql"], indirect=True)
def test_a_task_that_takes_its_process_with_it_is_not_begun_again_at_once(shared: Desk) -> None:
    """Q07: its attempt is written down first, so the message that comes back finds no work."""
    assert shared.broker_url
    worker = shared.kuvert.children["worker"]
    with Provider(unique("deadly").lower(), seconds=2.0) as provider:
        shared.add(provider, sources={provider.code: provider.code})
        invoice_id = shared.send(provider.code)
        shared.expect(lambda: provider.requests, 20, "the provider is called")
        for pid in worker.children():
            os.kill(pid, signal.SIGKILL)

        shared.wait_for(provider.code, invoice_id, "retry_wait")

        with Connection(shared.broker_url) as connection:
            shared.expect(lambda: waiting(connection, "jobs") == 0, 20, "no message goes round")
        assert len(provider.requests) == 1
    assert worker.is_running


def bare(delivery_id: str) -> str:
    """The body of a message that names one delivery."""
    return json.dumps([[delivery_id], {}, {}])


def delivery_of(desk: Desk, invoice_id: str) -> str:
    [source] = [name for name in desk.keys if invoice_id in desk.statuses(name)]
    [delivery] = desk.api(source).listed(f"/invoices/{invoice_id}/deliveries?")
    return str(delivery["id"])


def publish(
    connection: Connection,
    body: bytes | str,
    content_type: str,
    headers: dict[str, object],
    timestamp: int | None = None,
) -> None:
    envelope = {"task": "tasks.sendInvoice", "id": "poison", "timelimit": [None, None], **headers}
    connection.Producer().publish(
        body,
        routing_key="jobs",
        headers=envelope,
        content_type=content_type,
        content_encoding="utf-8",
        timestamp=timestamp,
    )


def dead_letters(connection: Connection) -> int:
    return waiting(connection, "dead")


def waiting(connection: Connection, queue: str) -> int:
    channel: Any = connection.channel()
    with channel:
        return int(channel.queue_declare(queue, passive=True).message_count)
