"""Quorum queues: a message that kills whoever takes it is set aside after five times (Q07)."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from core.broker import MOST_RUNS, declare_all, queues
from tests.end_to_end.desk import Desk, installation
from tests.support import brokers
from tests.support.cluster import cluster
from tests.support.databases import new_database
from tests.support.processes import wait_until
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.rabbitmq]

DEADLY, HARMLESS = b"deadly", b"harmless"


def taken(url: str, queue: str, *, is_acknowledged: bool) -> Any:  # noqa: ANN401 - amqp's message
    """Take the first message of a queue over a connection of its own, or None."""
    with Connection(url) as connection:
        channel: Any = connection.channel()
        message = channel.basic_get(queue)
        if message is not None and is_acknowledged:
            channel.basic_ack(message.delivery_tag)
        return message


@pytest.fixture
def broker_url() -> Iterator[str]:
    """A virtual host with quorum queues."""
    with brokers.virtual_host() as url:
        with Connection(url) as connection:
            declare_all(connection, queues("quorum"))
        yield url


def test_who_is_lost_with_a_message_five_times_leaves_it_to_the_dead_letters(
    broker_url: str,
) -> None:
    with Connection(broker_url) as connection:
        for body in (DEADLY, HARMLESS):
            connection.Producer().publish(
                body, routing_key="jobs", delivery_mode=2, content_type="text/plain"
            )

    found: list[bytes] = []
    while not found or found[-1] != HARMLESS:
        message = None
        while message is None:  # it comes back a moment after its connection is gone
            message = taken(broker_url, "jobs", is_acknowledged=False)
        found.append(message.body.encode() if isinstance(message.body, str) else message.body)
        assert len(found) < 20, found

    assert Counter(found)[DEADLY] == MOST_RUNS == 5
    with Connection(broker_url) as connection:
        wait_until(lambda: _waiting(connection, "dead"), 10, "it is a dead letter")
    [death] = taken(broker_url, "dead", is_acknowledged=True).headers["x-death"]
    assert (death["reason"], death["queue"]) == ("delivery_limit", "jobs")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Desk]:
    """A desk with quorum queues, and no worker yet."""
    with ExitStack() as stack:
        # Its own: on the one that all tests share, others may have taken every connection.
        server = stack.enter_context(cluster())
        url, _ = stack.enter_context(new_database("postgresql", tmp_path, server.server))
        broker_url = stack.enter_context(brokers.virtual_host())
        quorum = {"KUVERT_QUEUE_TYPE": "quorum"}
        kuvert = stack.enter_context(installation(tmp_path, url, broker_url, **quorum))
        kuvert.start_all("web", "beat")
        yield Desk(kuvert, "postgresql", broker_url)


@pytest.mark.storm
def test_a_task_that_takes_its_process_with_it_is_run_five_times_at_most(own: Desk) -> None:
    file = own.kuvert.folder / "runs"
    dying = (sys.executable, "-m", "tests.support.dying_worker", str(file), "worker")
    with Provider("post") as provider:
        own.add(provider, sources={"post": "post"})
        worker = own.kuvert.start("worker", dying)
        invoice_id = own.send("post")
        assert own.broker_url
        with Connection(own.broker_url) as connection:
            declare_all(connection, queues("quorum"))
            own.expect(lambda: _waiting(connection, "dead"), 90, "a dead letter")
        assert worker.is_running
        worker.kill()
        own.kuvert.start_all("worker")

        own.wait_for("post", invoice_id, "sent", seconds=60)

        runs = Counter(file.read_text().split())
        print(f"runs by message: {sorted(runs.values())}")
        assert max(runs.values()) == MOST_RUNS
        assert [len(found) for found in provider.acceptances.values()] == [1]


def _waiting(connection: Connection, queue: str) -> int:
    channel: Any = connection.channel()
    with channel:
        return int(channel.queue_declare(queue, passive=True).message_count)
