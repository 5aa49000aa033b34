"""P18: whatever becomes of Logstash, requests do not wait, nothing fails, losses are counted."""

import http.client
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.desk import Desk, desk
from tests.support.lines import Receiver
from tests.support.ports import free_port
from tests.support.processes import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.storm]

REQUESTS = 3000
"""With `LONG_ID` more lines than the buffers between two processes hold."""

LONG_ID = "r" * 100
DROPPED = re.compile(r"dropped_in_all=(\d+)")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("unwell")
    with desk("sqlite", folder) as running:
        yield running


@contextmanager
def unwell(state: str) -> Iterator[str | None]:
    """Yield the URL of a receiver in this state; None for none."""
    with ExitStack() as stack:
        if state == "none":
            yield None
        elif state == "down":
            yield f"tcp://127.0.0.1:{free_port()}"
        elif state == "nameless":
            yield "tcp://nobody.invalid:5000"
        else:
            receiver = Receiver(is_reading=state == "slow", pause=0.05)
            yield stack.enter_context(receiver).url


def p99(port: int) -> float:
    """Make requests one after the other and return what 99 of 100 did not exceed, in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        connection.request("GET", "/healthz", headers={"X-Request-ID": LONG_ID})
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - began)
        assert answer.status == 200
    connection.close()
    return sorted(times)[int(len(times) * 0.99)]


def measure(own: Desk, state: str) -> tuple[float, str]:
    """Return the p99 of requests with a receiver in this state, and what web has said."""
    with unwell(state) as url:
        own.kuvert.give(KUVERT_LOGSTASH_URL=url or "")
        web = own.kuvert.start("web")
        wait_until(own.kuvert.is_ready, 60, "web is ready")
        measured = p99(own.kuvert.port)
        web.stop()
    return measured, web.own_output()


@pytest.fixture(scope="module")
def without(own: Desk) -> float:
    """What requests take where no Logstash is set."""
    return measure(own, "none")[0]


@pytest.mark.parametrize("state", ["down", "nameless", "slow", "half-open"])
def test_a_request_waits_at_most_50_ms_longer(own: Desk, without: float, state: str) -> None:
    """G11."""
    began = time.monotonic()
    with_it, said = measure(own, state)

    print(f"{state}: p99 {without * 1000:.1f} ms without, {with_it * 1000:.1f} ms with")
    assert with_it - without <= 0.05
    assert "Traceback" not in said
    minutes = 1 + int((time.monotonic() - began) // 60)
    assert said.count("Logstash takes no log lines") <= minutes
    lost = max(int(found) for found in DROPPED.findall(said))
    assert lost >= (REQUESTS if state in {"down", "nameless"} else 1)
