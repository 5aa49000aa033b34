"""Processes that are told to stop, and Celery's own way of starting them."""

import http.client
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from tests.end_to_end.desk import Desk, desk, unique
from tests.support.factories import invoice_json
from tests.support.ports import free_port
from tests.support.processes import CELERY, MANAGE, Child
from tests.support.provider import Provider

pytestmark = pytest.mark.processes

STOP_SECONDS = 30
START_SECONDS = 60
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


def test_web_finishes_the_request_it_has(own: Desk) -> None:
    web = own.kuvert.children["web"]
    with Provider("half") as provider:
        own.add(provider, sources={"half": "half"})
    body = json.dumps(invoice_json(number=unique("H"))).encode()
    connection = http.client.HTTPConnection("127.0.0.1", own.kuvert.port, timeout=STOP_SECONDS)
    try:
        connection.putrequest("POST", "/api/v1/invoices")
        connection.putheader("Authorization", f"Bearer {own.keys['half']}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:100])
        time.sleep(1)
        web.process.send_signal(signal.SIGTERM)
        time.sleep(2)
        connection.send(body[100:])

        assert connection.getresponse().status == 202
        assert web.stop(STOP_SECONDS) == 0, web.last_words()
    finally:
        connection.close()
        own.kuvert.start_all("web")
    assert len(own.statuses("half")) == 1


QUICK = (0.2, 1.0, *(pytest.param(n / 2, marks=pytest.mark.storm) for n in range(1, 17)))


@pytest.mark.parametrize("seconds", QUICK)
def test_a_stop_during_the_start_ends_cleanly(own: Desk, seconds: float) -> None:
    port = str(free_port())
    commands = {"web": ("web", "--port", port), "worker": ("worker",), "beat": ("beat",)}
    children = [
        own.kuvert.start(f"{name}-quick", (*MANAGE, *arguments))
        for name, arguments in commands.items()
    ]

    time.sleep(seconds)
    for child in children:
        child.process.send_signal(signal.SIGTERM)

    for child in children:
        # Nothing was begun yet where the system itself ends it.
        assert child.stop(STOP_SECONDS) in {0, -signal.SIGTERM}, child.last_words()
        assert "Traceback" not in child.own_output(), child.last_words()


PORTS = {
    "taken": (None, "Error: cannot listen on 127.0.0.1:{port}: [Errno 98] Address already in use"),
    "no number": ("abc", "Error: cannot listen on '127.0.0.1:abc': it is not HOST:PORT"),
    "too large": (
        "65536",
        "Error: cannot listen on 127.0.0.1:65536: bind(): port must be 0-65535.",
    ),
}


@pytest.mark.parametrize("case", PORTS)
def test_l03_a_port_that_cannot_be_had_is_one_line(own: Desk, case: str) -> None:
    port, said = PORTS[case]

    done = own.kuvert.manage("web", "--port", port or str(own.kuvert.port))

    assert done.returncode == 1
    assert done.stderr.splitlines() == [said.format(port=own.kuvert.port)]


def test_l03_a_port_without_the_right_to_it_is_one_line(own: Desk) -> None:
    without = ("setpriv", "--bounding-set", "-net_bind_service", *MANAGE)

    done = own.kuvert.manage("web", "--port", "80", program=without)

    assert done.returncode == 1
    assert done.stderr == "Error: cannot listen on 127.0.0.1:80: [Errno 13] Permission denied\n"


def test_g07_a_queue_with_other_arguments_ends_the_worker(own: Desk) -> None:
    with Connection(own.broker_url or "") as connection:
        channel: Any = connection.default_channel
        channel.queue_delete("getemail")
        channel.queue_declare("getemail", durable=True, auto_delete=False)
        try:
            worker = own.kuvert.start("worker-other", (*MANAGE, "worker", "--group", "timers"))
            own.expect(lambda: not worker.is_running, START_SECONDS, "the worker ends")
        finally:
            channel.queue_delete("getemail")

    assert worker.process.returncode == 1
    assert "queue getemail exists with other arguments" in worker.output()
    assert "let it run empty and delete it" in worker.output()


def test_g08_web_warns_of_a_broker_that_takes_messages_back_early(
    own: Desk, tmp_path: Path
) -> None:
    """RabbitMQ's own limit is for everybody on this machine, so another rabbitmqctl tells it."""
    teller = tmp_path / "rabbitmqctl"
    teller.write_text("#!/bin/sh\necho '{{ok,60000},[5672]}'\n")
    teller.chmod(0o755)
    path = f"PATH={tmp_path}:{os.environ['PATH']}"

    command = ("web", "--embedded", "--bind", f"127.0.0.1:{free_port()}")
    web = own.kuvert.start("web-early", ("env", path, *MANAGE, *command))

    own.expect(lambda: "the broker does not fit" in web.output(), START_SECONDS, "it warns")
    assert "takes a message back after 60 s" in web.output()
    assert "consumer_timeout = 1800000" in web.output()
    assert web.is_running
    web.stop(STOP_SECONDS)


def _running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if re.search(r"\) [^Z]", _stat(pid))]


def _stat(pid: int) -> str:
    path = Path(f"/proc/{pid}/stat")
    return path.read_text() if path.exists() else ""
