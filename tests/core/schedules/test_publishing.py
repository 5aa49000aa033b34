"""Publishing a page of runs to a real RabbitMQ: one is sent when the broker has confirmed it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from celery import Celery, signals

from core.celery_app import KuvertCelery, _mandatory, _settings
from core.schedules.ledger import Order
from core.schedules.publishing import Publisher
from tests.support.brokers import close_connections, virtual_host
from tests.support.environment import make_settings

pytestmark = pytest.mark.rabbitmq

WORK = "tasks.sendInvoice"
PUMP = "tasks.getDueStatuses"


@pytest.fixture(scope="module")
def broker_url() -> Iterator[str]:
    """A virtual host for these tests."""
    with virtual_host() as url:
        yield url


@pytest.fixture
def celery(broker_url: str, tmp_path: Path) -> Iterator[Celery]:
    """Celery with Kuvert's settings, and nobody's default."""
    app = Celery("publisher", set_as_current=False)
    app.conf.update(_settings(make_settings(tmp_path, BROKER_URL=broker_url)))
    signals.before_task_publish.connect(_mandatory)
    with app.connection_for_write() as connection:
        for queue in app.amqp.queues.values():
            queue(connection.default_channel).delete()
    yield app
    signals.before_task_publish.disconnect(_mandatory)
    app.close()


@pytest.fixture
def publisher(celery: Celery) -> Iterator[Publisher]:
    """A publisher of its own."""
    own = Publisher(cast("KuvertCelery", celery))
    yield own
    own.close()


def orders(count: int, task: str = WORK) -> list[Order]:
    return [Order(uuid4(), task, ["x", []]) for _ in range(count)]


def ids(some: list[Order]) -> list[UUID]:
    return [order.run_id for order in some]


def waiting(celery: Celery, queue: str = "jobs") -> list[str]:
    """Take all messages of a queue; return their task ids in order."""
    found = []
    with celery.connection_for_read() as connection:
        own = celery.amqp.queues[queue](connection.default_channel)
        while message := own.get(no_ack=True):
            assert message.headers["kuvert_run"] == message.headers["id"]
            assert message.delivery_info["redelivered"] is False
            found.append(message.headers["id"])
    return found


def test_a_page_is_confirmed_and_in_the_queue(publisher: Publisher, celery: Celery) -> None:
    page = orders(500)

    sent = publisher.publish(page)

    assert sorted(sent) == sorted(ids(page))
    assert waiting(celery) == [str(run_id) for run_id in ids(page)]


def test_page_follows_page_on_one_connection(publisher: Publisher, celery: Celery) -> None:
    pages = [orders(30) for _ in range(3)]

    sent = [len(publisher.publish(page)) for page in pages]

    assert sent == [30, 30, 30]
    assert len(waiting(celery)) == 90


def test_a_link_that_died_unnoticed_is_replaced(
    publisher: Publisher, celery: Celery, broker_url: str
) -> None:
    publisher.publish(orders(1))
    close_connections(broker_url)
    page = orders(20)

    sent = publisher.publish(page)

    assert sorted(sent) == sorted(ids(page))
    assert set(map(str, sent)) <= set(waiting(celery))


def test_one_that_no_queue_takes_is_not_sent_and_the_next_try_is(
    publisher: Publisher, celery: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.publish(orders(1))
    with celery.connection_for_write() as connection:
        celery.amqp.queues["jobs"](connection.default_channel).delete()
    lost, good = orders(2), orders(2, PUMP)

    sent = publisher.publish(lost + good)

    assert sorted(sent) == sorted(ids(good))
    assert {record.message for record in caplog.records} == {"run cannot be sent"}
    assert sorted(publisher.publish(lost)) == sorted(ids(lost))


def test_a_queue_that_is_set_up_otherwise_holds_up_no_other(
    publisher: Publisher, celery: Celery
) -> None:
    with celery.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.queue_declare("getstatus", durable=False, auto_delete=False)
    bad, good = orders(2, PUMP), orders(6)

    sent = publisher.publish([*good[:3], *bad, *good[3:]])

    assert sorted(sent) == sorted(ids(good))
    assert set(map(str, sent)) == set(waiting(celery))


def test_without_a_broker_nothing_is_sent_and_nothing_is_raised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Celery("nobody", set_as_current=False)
    app.conf.update(_settings(make_settings(tmp_path, BROKER_URL="amqp://127.0.0.1:1//")))
    publisher = Publisher(cast("KuvertCelery", app))

    assert publisher.publish(orders(3)) == publisher.publish(orders(3)) == []

    assert [record.message for record in caplog.records] == ["waiting for the broker"]


def test_a_queue_of_files_needs_no_confirmation(tmp_path: Path) -> None:
    app = Celery("folder", set_as_current=False)
    app.conf.update(_settings(make_settings(tmp_path)))
    page = orders(3)

    assert Publisher(cast("KuvertCelery", app)).publish(page) == ids(page)
    app.close()
