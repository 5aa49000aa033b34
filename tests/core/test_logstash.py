"""The way to Logstash: nobody waits for it, nothing is raised, what is lost is counted and said."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from core.logs import sender, shipping
from core.logs.forms import JsonFormatter
from core.logs.shipping import Shipper
from core.logs.wire import Wire
from tests.support.lines import Receiver
from tests.support.ports import free_port
from tests.support.processes import wait_until

logger = logging.getLogger("kuvert.test.logstash")

Start = Callable[..., Shipper]

CLOSING_SECONDS = 2.5
"""A close waits for a second; one that waited for a connection would take three, or five."""


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Start]:
    """Starts handlers of `logger` alone; nobody has complained yet, and pauses are short."""
    sender._complained[:] = bytes(8)
    monkeypatch.setattr(sender, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(sender, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(sender, "_LOOK_SECONDS", 0.1)
    begun: list[Shipper] = []
    caplog.set_level(logging.INFO)

    def begin(port: int, host: str = "127.0.0.1", **limits: int) -> Shipper:
        shipper = Shipper(f"tcp://{host}:{port}", Wire(host, port, JsonFormatter("test")), **limits)
        begun.append(shipper)
        logger.addHandler(shipper)
        return shipper

    yield begin
    for shipper in begun:
        logger.removeHandler(shipper)
        shipper.close()
    sender._complained[:] = bytes(8)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == sender.CONSOLE_ONLY]


def test_a_line_arrives_as_an_object(start: Start, receiver: Receiver) -> None:
    start(receiver.port)

    logger.info("one", extra={"invoice_id": "0197-a"})

    receiver.wait_for("one")
    [event] = receiver.events()
    assert (event["@version"], event["type"], event["invoice_id"]) == ("1", "kuvert", "0197-a")
    assert event["host"]["name"]


def test_lines_arrive_once_and_in_their_order(start: Start, receiver: Receiver) -> None:
    shipper = start(receiver.port)

    for number in range(3000):
        logger.info("line %s", number)

    receiver.wait_for("line 2999")
    assert receiver.messages() == [f"line {number}" for number in range(3000)]
    counts = shipper.counts()
    assert (counts.sent, counts.dropped, counts.waiting) == (3000, 0, 0)
    assert counts.is_connected


def test_a_process_that_ends_sends_its_last_line(start: Start, receiver: Receiver) -> None:
    shipper = start(receiver.port)

    logger.info("last")
    shipper.close()

    receiver.wait_for("last")
    assert shipper.counts().dropped == 0


def test_what_is_logged_while_nobody_listens_arrives_later(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    start(port)

    logger.info("early")
    wait_until(lambda: complaints(caplog), 20, "a complaint")
    with Receiver(port=port) as receiver:
        receiver.wait_for("early")
        wait_until(lambda: "Logstash takes log lines again" in caplog.text, 20, "it is said")


def test_nobody_there_is_one_warning_a_minute(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """G11."""
    shipper = start(free_port())

    for _ in range(20):
        logger.info("x")
        time.sleep(0.05)

    assert complaints(caplog) == ["Logstash takes no log lines"]
    assert shipper.counts().waiting == 20


def test_a_warning_says_where_why_and_how_much(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    start(port)

    logger.info("x")

    wait_until(lambda: complaints(caplog), 20, "a complaint")
    [record] = [one for one in caplog.records if one.name == sender.CONSOLE_ONLY]
    said = vars(record)
    assert said["where"] == f"127.0.0.1:{port}"
    assert "refused" in said["error"]
    assert (said["waiting"], said["dropped"]) == (1, 0)


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 64 + ".invalid"], ids=["none", "long"])
def test_a_name_without_address_is_a_warning(
    start: Start, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    """G11."""
    start(5000, host)

    logger.info("x")

    wait_until(lambda: complaints(caplog), 30, "a complaint")
    assert complaints(caplog) == ["Logstash takes no log lines"]


def test_a_full_queue_drops_counts_and_says_so(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    shipper = start(port, capacity=100)
    logger.info("first")
    wait_until(lambda: complaints(caplog), 20, "a complaint")

    for number in range(1000):
        logger.info("line %s", number)

    dropped = shipper.counts().dropped
    assert 890 <= dropped <= 901
    with Receiver(port=port):
        wait_until(lambda: "takes log lines again" in caplog.text, 20, "it is said")
    [again] = [one for one in caplog.records if "again" in one.getMessage()]
    assert vars(again)["dropped"] == vars(again)["dropped_in_all"] == dropped


def test_the_queue_has_a_limit_in_bytes(start: Start) -> None:
    shipper = start(free_port(), capacity_bytes=20_000)

    for _ in range(10):
        logger.info("x" * 5000)

    counts = shipper.counts()
    assert counts.waiting + counts.dropped == 10
    assert counts.dropped >= 4


def test_a_burst_that_is_dropped_is_said_though_all_is_well(
    start: Start, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    shipper = start(receiver.port, capacity=10)

    for number in range(2000):
        logger.info("line %s", number)

    wait_until(lambda: "log lines were dropped" in caplog.text, 20, "it is said")
    assert shipper.counts().dropped > 0


def test_what_is_left_at_the_end_is_said(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    shipper = start(free_port())
    logger.info("x")
    logger.info("y")

    began = time.monotonic()
    shipper.close()

    assert time.monotonic() - began < CLOSING_SECONDS
    assert shipper.counts().dropped == 2
    assert complaints(caplog)[-1] == "log lines did not reach Logstash"


def test_a_receiver_that_starts_again_gets_every_line(start: Start) -> None:
    first = Receiver()
    shipper = start(first.port)
    logger.info("before")
    first.wait_for("before")

    wait_until(lambda: not shipper._wire.is_unsure, 20, "it is known to have arrived")
    first.close()
    logger.info("after")
    with Receiver(port=first.port) as second:
        second.wait_for("after")

        assert second.messages()[0] == "after"


@pytest.mark.parametrize("is_reading", [True, False], ids=["slow", "half-open"])
def test_nobody_waits_for_a_receiver_that_is_unwell(
    start: Start, monkeypatch: pytest.MonkeyPatch, is_reading: bool
) -> None:
    """P18: at most 50 ms in one of a hundred, and nothing raised."""
    monkeypatch.setattr("core.logs.wire.SEND_SECONDS", 0.3)
    seconds = []
    with Receiver(is_reading=is_reading, pause=0.05) as receiver:
        shipper = start(receiver.port, capacity=500)
        begun = time.monotonic()
        # On a busy machine it takes longer until the queue is full.
        while time.monotonic() < begun + 3 or (
            not shipper.counts().dropped and time.monotonic() < begun + 60
        ):
            began = time.perf_counter()
            logger.info("x" * 10_000)
            seconds.append(time.perf_counter() - began)
            time.sleep(0.0005)

        assert sorted(seconds)[int(len(seconds) * 0.99)] < 0.05
        assert shipper.counts().dropped > 0
        began = time.monotonic()
        shipper.close()
        assert time.monotonic() - began < CLOSING_SECONDS


def test_a_fork_sends_its_own_lines_over_its_own_connection(
    start: Start, receiver: Receiver
) -> None:
    start(receiver.port)
    logger.info("parent")
    receiver.wait_for("parent")

    child = os.fork()
    if child == 0:
        logger.info("child")
        logger.handlers[0].close()
        os._exit(0)
    os.waitpid(child, 0)
    logger.info("parent again")

    receiver.wait_for("child", "parent again")
    assert sorted(receiver.messages()) == ["child", "parent", "parent again"]
    assert len(receiver.connections) == 2
    pids = {event["message"]: event["pid"] for event in receiver.events()}
    assert pids["child"] != pids["parent"] == os.getpid()


def test_a_fork_does_not_repeat_what_waits_in_its_parent(start: Start) -> None:
    port = free_port()
    start(port)
    logger.info("parent")

    child = os.fork()
    if child == 0:
        left = logger.handlers[0].counts().waiting  # type: ignore[attr-defined]
        os._exit(left)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with Receiver(port=port) as receiver:
        receiver.wait_for("parent")
        assert receiver.messages().count("parent") == 1


def test_many_threads_may_log_at_once(start: Start, receiver: Receiver) -> None:
    start(receiver.port)

    def say(name: int) -> None:
        for number in range(200):
            logger.info("%s %s", name, number)

    threads = [threading.Thread(target=say, args=(name,)) for name in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wait_until(lambda: len(receiver.events()) == 2000, 10, "2,000 lines")
    assert len(set(receiver.messages())) == 2000


class Evil:
    """Fails wherever it is looked at."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_whatever_is_logged_nothing_is_raised(
    start: Start, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(receiver.port)
    # pytest's own handlers do raise.
    monkeypatch.setattr(logger, "propagate", False)

    logger.info(Evil())
    logger.info("%d", "x")
    logger.info("%s %s", *["one"])
    logger.info("end", extra={"k": Evil(), "d": {Evil(): Evil()}, "s": "\ud800"})

    receiver.wait_for("end")
    assert len(receiver.events()) == 4


def test_two_outputs_share_the_work_of_writing_json(start: Start, receiver: Receiver) -> None:
    start(receiver.port)
    record = logging.makeLogRecord({"msg": "once", "name": "x", "levelno": 20})

    first = JsonFormatter("test").format(record)

    assert JsonFormatter("test").format(record) is first


def test_what_waits_has_a_limit() -> None:
    assert shipping.CAPACITY <= 10_000
    assert shipping.CAPACITY_BYTES <= 16 * 1024 * 1024
