"""P13: five minutes with the broker down, or blocked by its alarm: invoices are taken in."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.end_to_end.ledgers import extra_acceptances
from tests.faults.figures import Figures
from tests.faults.pressure import Pressure, by_status, p95, slowest
from tests.faults.stage import Stage
from tests.support.processes import wait_until
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SECONDS = 300
PER_SECOND = 10
BACK_SECONDS = 60


@pytest.mark.parametrize("fault", ["down", "blocked"])
def test_intake_goes_on_and_all_is_sent_soon_after(stage: Stage, fault: str) -> None:
    desk, broker = stage.desk, stage.broker
    figures = Figures(f"P13, RabbitMQ {fault} for {SECONDS} s, {PER_SECOND} invoices a second")
    fault_of: Callable[[], AbstractContextManager[None]] = getattr(broker, fault)
    with Provider("post") as provider:
        desk.add(provider, sources={"post": "post"})
        desk.wait_for("post", desk.send("post", "first"), "sent")
        pressure = Pressure(desk.api("post"), "B", per_second=PER_SECOND)
        with fault_of():
            with pressure.running():
                time.sleep(SECONDS)
            sent_meanwhile = len(provider.acceptances)
        back_at = time.monotonic()
        numbers = {"first", *pressure.accepted}
        wait_until(lambda: numbers <= set(provider.acceptances), 300, "all are sent")
        sent_after = time.monotonic() - back_at
        desk.expect(lambda: set(desk.statuses("post").values()) == {"sent"}, 60, "all say sent")

    figures.note("requests, by status", by_status(pressure.answers))
    accepted = len(pressure.accepted)
    figures.exactly("requests not accepted", len(pressure.answers) - accepted, 0)
    for why in sorted({one.problem for one in pressure.answers if one.problem})[:3]:
        figures.note("what one was told", why)
    figures.most("p95, s", p95(pressure.answers), 1)
    figures.most("slowest, s", slowest(pressure.answers), 5)
    figures.note("sent before the broker was back", sent_meanwhile - 1)
    figures.most("all sent after it was back, s", sent_after, BACK_SECONDS)
    figures.exactly("accepted and lost", len(numbers - set(provider.acceptances)), 0)
    figures.exactly("sent twice", len(extra_acceptances(provider)), 0)
    restarted = [name for name, child in desk.kuvert.children.items() if not child.is_running]
    figures.exactly("processes that ended", restarted, [])
    figures.check()
