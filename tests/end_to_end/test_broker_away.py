"""Without a broker invoices are taken in as ever; with it back they go out."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.end_to_end.desk import Desk, installation
from tests.end_to_end.ledgers import extra_acceptances
from tests.support.brokers import Node, node
from tests.support.databases import new_database
from tests.support.provider import Provider

pytestmark = pytest.mark.processes

AWAY_SECONDS = 8.0
COUNT = 60
BACK_SECONDS = 60


@dataclass
class Outage:
    """What happened while the broker was away, and after it."""

    desk: Desk
    provider: Provider
    ids: list[str]
    seconds: list[float]
    callback_seconds: list[float]
    sent_after: float


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """Kill the broker, hand over, start it again, wait until all is delivered."""
    with ExitStack() as stack:
        broker = stack.enter_context(node(tmp_path_factory.mktemp("node")))
        folder = tmp_path_factory.mktemp("away")
        url, _ = stack.enter_context(new_database("postgresql", folder))
        kuvert = stack.enter_context(installation(folder, url, broker.url))
        kuvert.start_all("web", "worker", "beat")
        desk = Desk(kuvert, "postgresql", broker.url)
        provider = stack.enter_context(Provider("away"))
        desk.add(provider, sources={"away": "away"})
        yield _live_through(desk, broker, provider)


def _live_through(desk: Desk, broker: Node, provider: Provider) -> Outage:
    first = desk.send("away")
    desk.wait_for("away", first, "sent")
    [delivery] = desk.api("away").listed(f"/invoices/{first}/deliveries")
    broker.kill()
    seconds, callback_seconds, ids = [], [], [first]
    for n in range(COUNT):
        began = time.monotonic()
        ids.append(desk.send("away"))
        seconds.append(time.monotonic() - began)
        began = time.monotonic()
        assert provider.call_back(f"away-{n}", delivery["id"], "delivered") == 202
        callback_seconds.append(time.monotonic() - began)
        time.sleep(max(0.0, AWAY_SECONDS / COUNT - sum(seconds[-1:] + callback_seconds[-1:])))
    broker.start()
    began = time.monotonic()
    desk.expect(
        lambda: sorted(desk.statuses("away").values()) == ["delivered"] + ["sent"] * COUNT,
        BACK_SECONDS,
        "all is sent once the broker is back",
    )
    return Outage(desk, provider, ids, seconds, callback_seconds, time.monotonic() - began)


def test_intake_is_as_quick_without_a_broker(outage: Outage) -> None:
    print(f"intake p95 {_p95(outage.seconds):.3f} s, slowest {max(outage.seconds):.3f} s")

    assert _p95(outage.seconds) <= 1
    assert max(outage.seconds) <= 5


def test_callbacks_are_taken_as_quickly(outage: Outage) -> None:
    assert _p95(outage.callback_seconds) <= 1
    assert max(outage.callback_seconds) <= 5


def test_everything_goes_out_once_the_broker_is_back(outage: Outage) -> None:
    print(f"sent {outage.sent_after:.1f} s after the broker came back")

    assert outage.sent_after <= BACK_SECONDS
    assert len(outage.provider.acceptances) == len(outage.ids)
    assert extra_acceptances(outage.provider) == {}


def test_nobody_had_to_be_started_again(outage: Outage) -> None:
    assert all(child.is_running for child in outage.desk.kuvert.children.values())


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
