"""The whole group under a real supervisord, while deliveries are under way."""

import configparser
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.queues import GROUPS
from tests.deploy import units
from tests.deploy.supervisor import CONF, Supervisor, kill
from tests.end_to_end.desk import Desk, installation, unique
from tests.end_to_end.ledgers import extra_acceptances
from tests.support.brokers import virtual_host
from tests.support.databases import new_database
from tests.support.provider import Provider

START_SECONDS = 120
STOP_SECONDS = 30
COUNT = 40


def _programs() -> dict[str, str]:
    """Return the command of each program in the file."""
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(CONF.read_text())
    names = parser["group:kuvert"]["programs"].split(",")
    return {name: parser[f"program:{name}"]["command"] for name in names}


def test_supervisord_and_systemd_run_the_same() -> None:
    workers = [
        *(f"kuvert-worker-{group}" for group in GROUPS),
    ]
    assert sorted(_programs()) == sorted(["kuvert-web", *workers, "kuvert-beat"])
    for group in GROUPS:
        [unit] = units.values("kuvert-worker@.service")["ExecStart"]
        assert _programs()[f"kuvert-worker-{group}"] == unit.replace("%i", group)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Desk, Supervisor]]:
    """A desk that supervisord runs."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(new_database("postgresql", tmp_path))
        broker_url = stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(tmp_path, url, broker_url))
        supervisor = Supervisor(tmp_path, kuvert.environ, kuvert.port)
        stack.callback(supervisor.close)
        yield Desk(kuvert, "postgresql", broker_url), supervisor


@pytest.mark.storm
@pytest.mark.processes
def test_the_group_is_started_stopped_and_mended_and_nothing_is_lost(
    own: tuple[Desk, Supervisor],
) -> None:
    desk, supervisor = own
    with Provider("slow", seconds=1.5) as provider:
        desk.add(provider, sources={"slow": "slow"}, concurrency=4)
        supervisor.wait_for("RUNNING", START_SECONDS)
        desk.expect(desk.kuvert.is_ready, START_SECONDS, "web is ready")
        assert set(supervisor.states()) == set(_programs())

        desk.send_batch("slow", [unique("V") for _ in range(COUNT)])
        desk.expect(lambda: provider.requests, 60, "deliveries are under way")
        before = supervisor.pid("kuvert-worker-dispatch")
        said = supervisor.control("restart", "kuvert:kuvert-worker-dispatch")
        assert "started" in said, said
        assert supervisor.pid("kuvert-worker-dispatch") not in {0, before}

        seen = len(provider.requests)
        desk.expect(lambda: len(provider.requests) > seen, 60, "deliveries are under way again")
        killed = supervisor.pid("kuvert-worker-dispatch")
        kill(killed)
        supervisor.wait_for("RUNNING", START_SECONDS)
        assert supervisor.pid("kuvert-worker-dispatch") not in {0, killed}

        began = time.monotonic()
        supervisor.control("stop", "kuvert:*")
        stopped = time.monotonic() - began
        assert set(supervisor.states().values()) == {"STOPPED"}
        assert stopped <= STOP_SECONDS

        supervisor.control("start", "kuvert:*")
        supervisor.wait_for("RUNNING", START_SECONDS)
        desk.expect(
            lambda: set(desk.statuses("slow").values()) == {"sent"}, 120, "everything is sent"
        )
        print(f"stopped after {stopped:.1f} s; {len(provider.requests)} requests for {COUNT}")
    assert len(provider.acceptances) == COUNT
    assert extra_acceptances(provider) == {}
    assert "Traceback" not in supervisor.output(), supervisor.output()
