"""Bells: rung after the commit, never in the way, never a reason to fail."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from kombu.exceptions import OperationalError

from core import bell as module
from core.bell import Bell, ring_after_commit
from core.db import db, trial, unit_of_work
from core.queues import TaskName
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

PUMP = TaskName.GET_ACTIVE_INVOICES
OTHER = TaskName.GET_DUE_STATUSES


class FakeCelery:
    """Takes messages, or fails as a broker does.

    What a thread of before still has to say, of a bell that the test did not ring, it leaves out.
    """

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.error: Exception | None = None
        self.arrived = threading.Condition()
        self._earlier = frozenset(threading.enumerate())

    def send_task(self, name: str) -> None:
        if threading.current_thread() in self._earlier:
            return
        with self.arrived:
            self.sent.append(name)
            self.arrived.notify_all()
            error = self.error
        if error:
            raise error

    def wait_for(self, count: int) -> list[str]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.sent) >= count, 20), self.sent
            return list(self.sent)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeCelery:
    fake = FakeCelery()
    monkeypatch.setattr(module, "current_app", fake)
    monkeypatch.setattr(module, "bell", Bell())
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.02)
    return fake


@contextmanager
def quiet(broker: FakeCelery) -> Iterator[None]:
    """Nothing is sent in the block, nor shortly after it."""
    before = len(broker.sent)
    yield
    threading.Event().wait(0.1)
    assert len(broker.sent) == before


def test_a_bell_wakes_its_pump(broker: FakeCelery) -> None:
    Bell().ring(PUMP)

    assert broker.wait_for(1) == [PUMP]


def test_many_rings_are_few_messages(broker: FakeCelery) -> None:
    one = Bell()

    for _ in range(10_000):
        one.ring(PUMP)

    broker.wait_for(1)
    threading.Event().wait(0.1)
    assert len(broker.sent) < 50


def test_each_pump_that_was_rung_for_is_woken(broker: FakeCelery) -> None:
    one = Bell()

    one.ring(PUMP)
    one.ring(OTHER)

    assert set(broker.wait_for(2)) == {PUMP, OTHER}


@pytest.mark.parametrize("error", [OperationalError("away"), OSError("cut"), ZeroDivisionError()])
def test_a_broker_that_fails_is_rung_again_next_time(
    broker: FakeCelery, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    one = Bell()
    broker.error = error
    one.ring(PUMP)
    broker.wait_for(1)
    threading.Event().wait(0.05)
    broker.error = None

    one.ring(PUMP)

    assert broker.wait_for(2) == [PUMP, PUMP]
    assert caplog.messages


def test_a_broker_that_is_away_is_complained_about_once(
    broker: FakeCelery, caplog: pytest.LogCaptureFixture
) -> None:
    one = Bell()
    broker.error = OperationalError("away")

    for count in range(1, 4):
        one.ring(PUMP)
        broker.wait_for(count)
        threading.Event().wait(0.05)

    assert caplog.messages == ["broker away, the timer will ring instead"]


def test_ringing_does_not_wait_for_the_broker(broker: FakeCelery) -> None:
    one = Bell()
    with broker.arrived:  # what the broker's own thread needs in order to take a message
        one.ring(PUMP)
        one.ring(PUMP)

    assert broker.wait_for(1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_bell_of_its_own(broker: FakeCelery) -> None:
    one = Bell()
    one.ring(PUMP)
    broker.wait_for(1)
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            broker.arrived = threading.Condition()
            one.ring(OTHER)
            os.write(write, b"y" if broker.wait_for(2)[-1] == OTHER else b"n")
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 1) == b"y"
    os.close(read)
    os.close(write)


# After the commit


def test_a_commit_rings(app: Flask, broker: FakeCelery) -> None:
    with quiet(broker), trial():
        pass

    with unit_of_work():
        ring_after_commit(PUMP)
        ring_after_commit(PUMP)
        assert broker.sent == []

    assert broker.wait_for(1) == [PUMP]
    with quiet(broker):
        pass


def fail_after_ringing() -> None:
    with unit_of_work():
        ring_after_commit(PUMP)
        raise ZeroDivisionError


def test_a_rollback_forgets_it(app: Flask, broker: FakeCelery) -> None:
    with quiet(broker):
        with pytest.raises(ZeroDivisionError):
            fail_after_ringing()
        with unit_of_work():
            pass


def test_a_savepoint_does_not_ring(app: Flask, broker: FakeCelery) -> None:
    with quiet(broker), pytest.raises(ZeroDivisionError):
        fail_after_a_savepoint()


def fail_after_a_savepoint() -> None:
    with unit_of_work():
        with db.session.begin_nested():
            ring_after_commit(PUMP)
        raise ZeroDivisionError


def test_an_accepted_invoice_rings(source: SourceWithKey, broker: FakeCelery) -> None:
    add_invoice(source)

    assert broker.wait_for(1) == [PUMP]


def test_a_broker_that_is_away_fails_no_commit(source: SourceWithKey, broker: FakeCelery) -> None:
    """C23, P13."""
    broker.error = OSError("away")

    invoice_id = add_invoice(source)

    assert desk.status_of(invoice_id) == "ready"
