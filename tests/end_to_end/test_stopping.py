"""Workers that are told to stop, and Celery's own way of starting them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.desk import Desk, desk, unique
from tests.support.processes import CELERY, Child
from tests.support.provider import Provider

pytestmark = pytest.mark.processes

STOP_SECONDS = 30
LEASE = {"KUVERT_LEASE_SECONDS": "60"}
"""Longer than the slow batch, which must not be taken for lost."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk on which each test starts the worker and beat that it needs."""
    folder: Path = tmp_path_factory.mktemp("stopping")
    with desk("postgresql", folder, "web", **LEASE) as running:
        yield running


def start(desk: Desk, name: str, *command: str) -> Child:
    """Start a process and wait until it works."""
    child = desk.kuvert.start(name, command or None)
    desk.kuvert.wait_until_ready(name)
    return child


def test_celery_starts_worker_and_beat_as_well(own: Desk) -> None:
    worker = start(own, "worker", *CELERY, "worker", "-l", "info")
    beat = start(own, "beat", *CELERY, "beat", "-l", "info")
    with Provider("celery") as provider:
        own.add(provider, sources={"celery": "celery"})
        own.wait_for("celery", own.send("celery"), "sent")

    assert beat.stop(STOP_SECONDS) == 0, beat.last_words()
    assert worker.stop(STOP_SECONDS) == 0, worker.last_words()
    for child in (worker, beat):
        assert "Traceback" not in child.output(), child.last_words()


def test_a_worker_that_is_told_to_stop_hands_back(own: Desk) -> None:
    with (
        Provider("idle", seconds=4.0) as idle,
        Provider("idle-deaf", honours_key=False, seconds=4.0) as deaf,
    ):
        slow = (idle, deaf)
        own.add(*slow, sources={item.code: item.code for item in slow}, concurrency=4)
        for item in slow:
            own.send_batch(item.code, [unique("S") for _ in range(60)])
        worker, beat = start(own, "worker"), start(own, "beat")
        own.expect(lambda: all(len(item.requests) >= 4 for item in slow), 20, "both are under way")

        assert worker.stop(STOP_SECONDS) == 0, worker.last_words()
        idle.seconds = deaf.seconds = 0.0
        after = start(own, "worker")

        own.expect(
            lambda: set(own.statuses("idle", "idle-deaf").values()) == {"sent"}, 40, "all are sent"
        )
        assert after.stop(STOP_SECONDS) == 0
        assert beat.stop(STOP_SECONDS) == 0
    for item in slow:
        numbers = [request.number for request in item.requests]
        assert len(numbers) == len(set(numbers)) == 60


def test_pool_children_do_not_outlive_their_worker(own: Desk) -> None:
    worker = start(own, "worker")
    children = worker.children()
    assert len(children) >= 2

    worker.process.kill()
    worker.process.wait(10)

    own.expect(lambda: not _running(children), 15, "the children of a killed worker end")


def _running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if re.search(r"\) [^Z]", _stat(pid))]


def _stat(pid: int) -> str:
    path = Path(f"/proc/{pid}/stat")
    return path.read_text() if path.exists() else ""
