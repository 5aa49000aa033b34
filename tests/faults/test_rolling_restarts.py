"""P17: services are started anew one after the other under invoices: nothing lost or doubled."""

import itertools
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.queues import GROUPS
from tests.deploy.units import Service
from tests.end_to_end.desk import Desk, installation
from tests.end_to_end.ledgers import extra_acceptances, keys_by_number, missing_events
from tests.faults.figures import Figures
from tests.faults.pressure import NONE, Pressure, by_status, p95, slowest
from tests.faults.test_database_down import is_quiet
from tests.support.brokers import virtual_host
from tests.support.cluster import cluster
from tests.support.databases import new_database
from tests.support.processes import wait_until
from tests.support.provider import Provider
from tests.support.subscriber import Subscriber

pytestmark = [pytest.mark.processes, pytest.mark.storm]

COUNT = 10_000
PER_SECOND = 60
STOP_SECONDS = 30
START_SECONDS = 90
NAMES = (("kuvert-web", ""), *(("kuvert-worker@", group) for group in GROUPS), ("kuvert-beat", ""))
LEASE = {"KUVERT_LEASE_SECONDS": "60"}
"""Longer than a stop may take: what is handed back is not waited for."""


class Server:
    """The services of the units under an emulated systemd that keeps web's socket."""

    def __init__(self, folder: Path, desk: Desk, listening: socket.socket) -> None:
        self._listening = listening
        environ = dict(desk.kuvert.environ)
        self.services = [Service(name, folder, environ, group) for name, group in NAMES]
        self.stops: dict[str, list[float]] = defaultdict(list)

    def start(self, service: Service) -> None:
        """Start one and wait until it says that it is ready."""
        service.start(self._listening if service.name == "kuvert-web" else None)
        wait_until(service.is_ready, START_SECONDS, f"{service.name}: {service.output()[-2000:]}")

    def restart(self, service: Service) -> None:
        """Stop one as systemd does, and start it again."""
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(STOP_SECONDS + 15) == 0, service.output()[-2000:]
        self.stops[service.name].append(time.monotonic() - began)
        self.start(service)

    def close(self) -> None:
        """End all."""
        for service in self.services:
            service.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Desk, Server]]:
    """All services of a server, started."""
    with ExitStack() as stack:
        # Its own: on the one that all tests share, others may have taken every connection.
        own = stack.enter_context(cluster())
        url, _ = stack.enter_context(new_database("postgresql", tmp_path, own.server))
        broker_url = stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(tmp_path, url, broker_url, **LEASE))
        desk = Desk(kuvert, "postgresql", broker_url)
        listening = stack.enter_context(
            socket.create_server(("127.0.0.1", kuvert.port), backlog=2048)
        )
        server = Server(tmp_path, desk, listening)
        for service in server.services:
            server.start(service)
        stack.callback(server.close)
        yield desk, server


def test_rolling_restarts_lose_and_double_nothing(stage: tuple[Desk, Server]) -> None:
    desk, server = stage
    figures = Figures(f"P17, rolling restarts under {COUNT:,} invoices")
    with (
        Provider("post", seconds=0.02) as provider,
        Provider("deaf", honours_key=False, seconds=0.02) as deaf,
        Subscriber() as subscriber,
    ):
        desk.add(provider, deaf, sources={"post": "post", "deaf": "deaf"})
        desk.subscribe("post", subscriber)
        halves = [
            Pressure(desk.api(code), code, per_second=PER_SECOND / 2, insists=True, most=COUNT // 2)
            for code in ("post", "deaf")
        ]
        with halves[0].running(), halves[1].running():
            for service in itertools.cycle(server.services):
                server.restart(service)
                if all(len(half.accepted) >= COUNT // 2 for half in halves):
                    break
        for one in (provider, deaf):
            figures.exactly(f"{one.code}: quiet again", is_quiet(desk, one, 600), True)
        ids = list(halves[0].accepted.values())
        figures.exactly(
            "events of 500 invoices not told",
            len(missing_events(desk.api("post"), ids[::10], subscriber)),
            0,
        )

    answers = [*halves[0].answers, *halves[1].answers]
    figures.note("requests, by status", by_status(answers))
    figures.exactly("requests without an answer", by_status(answers).get(NONE, 0), 0)
    figures.note("p95 of requests, s", p95(answers))
    figures.note("slowest request, s", slowest(answers))
    for name, seconds in server.stops.items():
        figures.most(f"{name}: slowest of {len(seconds)} stops, s", max(seconds), STOP_SECONDS)
    for one, half in zip((provider, deaf), halves, strict=True):
        _judge(figures, desk, one, half)
    figures.check()


def _judge(figures: Figures, desk: Desk, provider: Provider, pressure: Pressure) -> None:
    code, accepted = provider.code, pressure.accepted
    figures.exactly(f"{code}: accepted", len(accepted), COUNT // 2)
    figures.exactly(f"{code}: lost", len(set(accepted) - set(provider.acceptances)), 0)
    figures.exactly(f"{code}: sent twice", len(extra_acceptances(provider)), 0)
    several = [keys for keys in keys_by_number(provider).values() if len(keys) > 1]
    figures.exactly(f"{code}: more than one key for an invoice", len(several), 0)
    statuses = set(desk.statuses(code).values())
    figures.exactly(f"{code}: statuses at the end", sorted(statuses), ["sent"])
