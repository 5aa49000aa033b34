"""How much waits in the queues, in a folder and in RabbitMQ."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from core import depths
from core.app import create_app
from core.broker import DEAD_QUEUE, declare_all
from core.errors import UnavailableError
from core.queues import QUEUE_OF, TaskName
from tests.support.brokers import virtual_host
from tests.support.environment import make_settings


def celery_of(folder: Path, **settings: str) -> Celery:
    celery: Celery = create_app(make_settings(folder, **settings)).extensions["celery"]
    return celery


@pytest.fixture
def rabbitmq(tmp_path: Path) -> Iterator[Celery]:
    with virtual_host() as url:
        yield celery_of(tmp_path, BROKER_URL=url)


def found(celery: Celery) -> dict[str, int | None]:
    return {depth.queue: depth.messages for depth in depths.depths(celery)}


def test_a_folder_is_counted(tmp_path: Path) -> None:
    celery = celery_of(tmp_path)
    for _ in range(3):
        celery.send_task(str(TaskName.SEND_INVOICE), args=("x",))

    by_name = {depth.queue: depth for depth in depths.depths(celery)}

    assert set(by_name) == {*QUEUE_OF.values(), DEAD_QUEUE.name}
    assert (by_name["jobs"].messages, by_name["jobs"].ids_at_most) == (3, 300)
    assert by_name["getinvoice"].messages == 0


def test_rabbitmq_is_asked(rabbitmq: Celery) -> None:
    with rabbitmq.connection_for_write() as connection:
        declare_all(connection, rabbitmq.conf.task_queues)
    for _ in range(2):
        rabbitmq.send_task(str(TaskName.GET_ACTIVE_INVOICES))
        rabbitmq.send_task(str(TaskName.SEND_INVOICE), args=("x",))

    counted = found(rabbitmq)

    assert (counted["jobs"], counted["getinvoice"], counted["dead"]) == (2, 1, 0)


def test_a_queue_that_no_worker_has_made_yet_is_not_there(rabbitmq: Celery) -> None:
    assert set(found(rabbitmq).values()) == {None}


def test_a_broker_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    celery = celery_of(tmp_path, BROKER_URL="amqp://guest:guest@127.0.0.1:1/nothing")

    with pytest.raises(UnavailableError, match="does not answer"):
        depths.depths(celery)
