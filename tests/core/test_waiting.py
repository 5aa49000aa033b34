"""What is said of a part that is away, to people and to the service manager."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import lookout, notify, waiting
from core.waiting import Waiting

logger = logging.getLogger("tests.waiting")
AWAY = OSError("Connection refused\nand more")


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in the place of `monotonic`."""
    own = Clock()
    monkeypatch.setattr(waiting, "monotonic", own)
    return own


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """A service manager that listens at a path, or at an abstract address."""
    name = str(tmp_path / "notify")
    is_abstract = request.param == "abstract"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}" if is_abstract else name)
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if is_abstract else name)
        yield listening


def test_it_is_said_once_and_then_every_half_minute(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Waiting("broker", logger)

    for _ in range(61):
        broker.away(AWAY)
        clock.now += 1

    assert [record.message for record in caplog.records] == ["waiting for the broker"] * 3
    assert [record.__dict__["waited_seconds"] for record in caplog.records] == [0, 30, 60]
    assert caplog.records[0].__dict__["error"] == "Connection refused"


def test_that_it_is_back_is_said_only_of_what_was_away(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    broker = Waiting("broker", logger)
    broker.back()
    assert caplog.records == []

    broker.away(AWAY)
    broker.back()
    broker.away(AWAY)

    words = ["waiting for the broker", "the broker is back", "waiting for the broker"]
    assert [record.message for record in caplog.records] == words
    assert broker.is_away


def test_the_service_manager_gives_a_start_that_waits_more_time(manager: socket.socket) -> None:
    Waiting("database", logger).away(AWAY)

    said = manager.recv(4096).decode().splitlines()
    assert "STATUS=waiting for the database" in said
    assert "EXTEND_TIMEOUT_USEC=90000000" in said
    assert "READY=1" not in said


def test_the_service_manager_hears_of_start_and_stop(manager: socket.socket) -> None:
    notify.ready("serving")
    notify.stopping()

    assert manager.recv(4096) == b"READY=1\nSTATUS=serving"
    assert manager.recv(4096).startswith(b"STOPPING=1\n")


def test_a_service_manager_that_is_gone_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))

    notify.ready("serving")


def test_web_looks_until_every_part_has_answered_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(lookout, "PAUSE_SECONDS", 0.01)
    tries = {"database": 3, "broker": 1}

    def reach(part: str) -> None:
        tries[part] -= 1
        if tries[part]:
            raise AWAY

    lookout.look({"database": lambda: reach("database"), "broker": lambda: reach("broker")})

    assert tries == {"database": 0, "broker": 0}
    words = ["waiting for the database", "the database is back"]
    assert [record.message for record in caplog.records] == words
