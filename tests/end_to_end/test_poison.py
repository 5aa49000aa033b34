"""Messages that cannot be run, on a real RabbitMQ: they end in `dead` and stop nothing."""

import json
import pickle
from typing import Any

import pytest
from kombu import Connection

from tests.end_to_end.desk import Desk
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.rabbitmq]

ID = "01a2032d-7a5f-7fcb-9811-f09781f36923"
GOOD = json.dumps([[ID], {}, {}])
JSON = "application/json"
POISON: tuple[tuple[bytes | str, str, dict[str, object]], ...] = (
    (pickle.dumps([1]), "application/x-python-serialize", {}),
    (GOOD[:20], JSON, {}),
    (GOOD, JSON, {"task": "tasks.nope"}),
    ("[[],{},{}]", JSON, {}),
    ('[["a","b","c"],{},{}]', JSON, {}),
    ("[[5],{},{}]", JSON, {}),
    (GOOD, JSON, {"timelimit": ["a", "b"]}),
    (GOOD, JSON, {"expires": "soon"}),
    (GOOD, JSON, {"retries": "many"}),
    ("hello", "text/plain", {}),
    ("{}", JSON, {}),
)


def test_poison_goes_to_the_dead_letters_and_the_worker_lives(shared: Desk) -> None:
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


def publish(
    connection: Connection, body: bytes | str, content_type: str, headers: dict[str, object]
) -> None:
    envelope = {"task": "tasks.sendInvoice", "id": "poison", "timelimit": [None, None], **headers}
    connection.Producer().publish(
        body,
        routing_key="jobs",
        headers=envelope,
        content_type=content_type,
        content_encoding="utf-8",
    )


def dead_letters(connection: Connection) -> int:
    channel: Any = connection.channel()
    with channel:
        return int(channel.queue_declare("dead", passive=True).message_count)
