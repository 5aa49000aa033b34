"""Workers that say they are alive, and those that have fallen silent."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from core import heartbeats
from core.clock import utcnow
from core.database import Database
from core.db import database, reading, unit_of_work
from core.heartbeats import HEARTBEATS, Alive, Pulse
from core.queues import QUEUE_OF
from tests.support.brokers import virtual_host
from tests.support.databases import new_database
from tests.support.processes import READY_SECONDS, Installation, wait_until

ALL = tuple(sorted(QUEUE_OF.values()))


def workers() -> list[Alive]:
    with reading() as connection:
        return heartbeats.workers(connection, utcnow())


def beat(name: str, *queues: str, ago: timedelta = timedelta()) -> None:
    with unit_of_work() as connection:
        heartbeats.beat(connection, name, queues, utcnow())
        mine = HEARTBEATS.c.name == name
        connection.execute(update(HEARTBEATS).where(mine).values(seen_at=utcnow() - ago))


@pytest.mark.every_database
def test_a_worker_that_was_just_heard_is_alive(app: Flask) -> None:
    beat("all-1@host", *ALL)

    [worker] = workers()
    assert (worker.name, worker.queues, worker.is_alive) == ("all-1@host", ALL, True)
    assert heartbeats.unserved([worker]) == []


@pytest.mark.every_database
def test_a_second_beat_moves_the_moment_and_keeps_the_beginning(app: Flask) -> None:
    beat("all-1@host", *ALL, ago=timedelta(seconds=20))
    [before] = workers()
    beat("all-1@host", *ALL)

    [after] = workers()
    assert after.seen_at > before.seen_at
    assert after.since == before.since


@pytest.mark.every_database
def test_one_that_is_silent_is_shown_as_gone_and_its_queues_as_unserved(app: Flask) -> None:
    beat("jobs-1@host", "jobs", "callback", ago=timedelta(minutes=5))
    beat("rest-2@host", *(set(ALL) - {"jobs"}))

    found = workers()

    assert [(one.name, one.is_alive) for one in found] == [
        ("jobs-1@host", False), ("rest-2@host", True),
    ]  # fmt: skip
    assert heartbeats.unserved(found) == ["jobs"]


@pytest.mark.every_database
def test_one_that_has_long_been_silent_is_forgotten(app: Flask) -> None:
    beat("old-1@host", *ALL, ago=timedelta(days=2))
    beat("new-2@host", *ALL)

    assert [one.name for one in workers()] == ["new-2@host"]


@pytest.mark.every_database
def test_one_that_stops_in_order_leaves_nothing_behind(app: Flask) -> None:
    pulse = Pulse(database(), "all-1@host", ALL)
    pulse.start()
    wait_until(workers, 20, "the first beat")

    pulse.stop()

    assert workers() == []


def test_a_database_that_is_away_ends_no_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    pulse = Pulse(away, "all-1@host", ALL)

    pulse.start()
    pulse.stop()

    assert caplog.messages == ["heartbeat not written"]


@pytest.fixture(params=["folder", "rabbitmq"])
def kuvert(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation over SQLite, with nothing running."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(new_database("sqlite", tmp_path))
        broker = stack.enter_context(virtual_host()) if request.param == "rabbitmq" else None
        yield stack.enter_context(Installation(tmp_path, url, broker))


@pytest.mark.processes
def test_a_real_worker_is_seen_and_leaves(kuvert: Installation) -> None:
    def seen() -> list[Alive]:
        with kuvert.database.single() as connection:
            return heartbeats.workers(connection, utcnow())

    worker = kuvert.start("worker")
    wait_until(seen, READY_SECONDS, "the worker is seen")
    [alive] = seen()

    assert alive.is_alive
    assert alive.queues == ALL
    assert worker.stop() == 0, worker.last_words()
    assert seen() == []
