"""Connections that are kept: by one process, by its threads, and never by its children."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from celery.concurrency.prefork import process_destructor
from flask import Flask

from core.mail_server import Server
from core.smtp import pool, send
from tests.support.mail_server import MailServer
from tests.support.processes import wait_until
from tests.support.raw_mail_server import raw_mail_server

MAIL = b"Subject: x\r\n\r\ny\r\n"


def sent(server: MailServer, to: str = "a@b.example") -> bool:
    return send(Server.of(server.url), MAIL, "c@d.example", [to]).is_accepted


def test_threads_do_not_share_one_at_the_same_time(server: MailServer) -> None:
    together = Barrier(3)

    def work() -> bool:
        together.wait(10)
        return all(sent(server) for _ in range(5))

    with ThreadPoolExecutor(3) as threads:
        done = list(threads.map(lambda _: work(), range(3)))

    assert done == [True] * 3
    assert len(server.taken) == 15
    assert len(server.handler.connections) <= 3


def test_a_child_leaves_its_parents_connection_alone(server: MailServer) -> None:
    sent(server)

    child = os.fork()
    if child == 0:  # nothing of pytest may run in it
        os._exit(0 if sent(server, "child@b.example") else 1)
    _, status = os.waitpid(child, 0)
    sent(server, "parent@b.example")

    peers = {mail.recipients[0][0]: mail.peer for mail in server.taken}
    assert os.waitstatus_to_exitcode(status) == 0
    assert peers["a"] == peers["p"] != peers["c"]


def test_a_worker_that_stops_says_goodbye(app: Flask) -> None:
    with raw_mail_server({}) as server:
        child = os.fork()
        if child == 0:  # as Celery's pool has it
            send(Server.of(server.url), MAIL, "c@d.example", ["a@b.example"])
            process_destructor(os.getpid(), 0)
            os._exit(0)
        os.waitpid(child, 0)

        wait_until(lambda: "QUIT" in server.heard, 10, "the server is told")


def test_an_idle_one_is_closed_though_nobody_sends(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.3)

    sent(server)

    wait_until(lambda: not pool._pool._kept, 10, "the connection is closed")
    assert sent(server)
    assert len(server.handler.connections) == 2
