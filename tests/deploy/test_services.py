"""The commands of the units under an emulated systemd: notify socket and socket activation."""

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.deploy.units import Service
from tests.end_to_end.desk import Desk, installation
from tests.support.brokers import PORT, virtual_host
from tests.support.databases import new_database
from tests.support.processes import wait_until
from tests.support.provider import Provider
from tests.support.proxy import Proxy

pytestmark = pytest.mark.processes

START_SECONDS = 90
STOP_SECONDS = 30


@dataclass
class Server:
    """Services over a database and a broker that can be taken away."""

    folder: Path
    environ: dict[str, str]
    desk: Desk
    database: Proxy
    broker: Proxy
    listening: socket.socket
    services: list[Service] = field(default_factory=list)

    def start(self, name: str, instance: str = "") -> Service:
        """Start the command of a unit; that of web gets the socket of its socket unit."""
        is_web = name == "kuvert-web"
        # One process of web instead of two shows the same, and takes two seconds less to start.
        more = ("--workers", "1") if is_web else ()
        service = Service(name, self.folder, self.environ, instance, more)
        self.services.append(service)
        service.start(self.listening if is_web else None)
        return service

    def close(self) -> None:
        """End all services."""
        for service in self.services:
            service.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server on which nothing of Kuvert runs yet."""
    with ExitStack() as stack:
        direct, _ = stack.enter_context(new_database("postgresql", tmp_path))
        url = make_url(direct)
        database = stack.enter_context(Proxy("127.0.0.1", url.port or 5432))
        broker_url = stack.enter_context(virtual_host())
        broker = stack.enter_context(Proxy("127.0.0.1", PORT))
        over = url.set(port=database.port).render_as_string(hide_password=False)
        broker_over = broker_url.replace(f":{PORT}/", f":{broker.port}/")
        kuvert = stack.enter_context(installation(tmp_path, over, broker_over))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", kuvert.port)))
        own = Server(
            tmp_path,
            dict(kuvert.environ),
            Desk(kuvert, "postgresql", broker_over),
            database,
            broker,
            listening,
        )
        stack.callback(own.close)
        yield own


def test_all_start_before_database_and_broker_and_go_on_when_they_come(server: Server) -> None:
    """G06."""
    desk = server.desk
    with Provider("early") as provider:
        desk.add(provider, sources={"early": "early"})
        with ExitStack() as broker_away:
            broker_away.enter_context(server.broker.away())
            with server.database.away():
                web, beat = server.start("kuvert-web"), server.start("kuvert-beat")
                pumps = server.start("kuvert-worker@", "pumps")
                dispatch = server.start("kuvert-worker@", "dispatch")
                for service in server.services:
                    _expect(service, "waiting for the database")
                assert _get(desk.kuvert.port, "/healthz") == 200
                assert _get(desk.kuvert.port, "/readyz") == 503
                assert not any(item.is_ready() for item in (beat, pumps, dispatch))
                assert "waiting for the database" in beat.status()
                assert any(word.startswith("EXTEND_TIMEOUT_USEC=") for word in beat.told())

            for service in server.services:
                _expect(service, "the database is back")
                _expect(service, "waiting for the broker")
            invoice = desk.send("early")
            wait_until(beat.is_ready, 30, "beat is ready without a broker")
            assert not pumps.is_ready()

        wait_until(lambda: pumps.is_ready() and dispatch.is_ready(), 30, "workers are ready")
        desk.wait_for("early", invoice, "sent", 40)
        assert web.is_ready()
        for service in server.services:
            # Again only after half a minute.
            assert service.output().count("waiting for the broker") <= 2, service.output()
            assert "Traceback" not in service.output(), service.output()

    seconds = [_stop(service) for service in server.services]
    print("stopped after", [f"{value:.1f} s" for value in seconds])
    for service in (beat, pumps, dispatch):
        assert "STOPPING=1" in service.told()


def test_nobody_is_refused_while_web_is_started_again(server: Server) -> None:
    web = server.start("kuvert-web")
    wait_until(web.is_ready, START_SECONDS, "web is ready")
    wait_until(lambda: _get(server.desk.kuvert.port, "/readyz") == 200, START_SECONDS, "it serves")
    _stop(web)

    with _asking(server.desk.kuvert.port, "/healthz") as request:
        web.start(server.listening)

        assert request.getresponse().status == 200
    assert _stop(web) <= STOP_SECONDS


@contextmanager
def _asking(port: int, path: str) -> Iterator[http.client.HTTPConnection]:
    """Ask, and leave the answer to whoever serves next."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    connection.request("GET", path)
    try:
        yield connection
    finally:
        connection.close()


def _get(port: int, path: str) -> int:
    with _asking(port, path) as request:
        return request.getresponse().status


def _expect(service: Service, words: str) -> None:
    try:
        wait_until(lambda: words in service.output(), START_SECONDS, f"{service.name}: {words}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{service.output()}") from None


def _stop(service: Service) -> float:
    """Stop it as systemd does; return the seconds that it took."""
    began = time.monotonic()
    # Nobody reads what it tells but this test, and a socket holds ten words.
    service.told()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(STOP_SECONDS) == 0, service.output()
    return time.monotonic() - began
