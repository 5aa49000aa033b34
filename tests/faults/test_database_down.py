"""P14: with the database away answers are honest and quick, and all is well soon after."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from core.database import Database
from tests.end_to_end.desk import Desk, installation
from tests.end_to_end.ledgers import extra_acceptances, settle
from tests.faults.figures import Figures
from tests.faults.pressure import Pressure, by_status, normal_after, p95, slowest
from tests.support.brokers import virtual_host
from tests.support.cluster import Cluster, cluster
from tests.support.databases import new_database
from tests.support.processes import Child
from tests.support.provider import Provider
from tests.support.proxy import Proxy

pytestmark = pytest.mark.processes

ANSWER_SECONDS = 5
BACK_SECONDS = 10
BEFORE_SECONDS = 5
CRASHES = 5
THREADS = 24
"""More callers at once than web has threads (8): some queue."""

TIMEOUT = {"timeout_seconds": "2"}
"""Below the leases of these tests."""


@dataclass
class Stage:
    """A desk whose database is behind a way that can fall silent.

    PostgreSQL's server is its own; MariaDB's is that of all tests, and is left alone.
    """

    desk: Desk
    server: Cluster | None
    way: Proxy

    @contextmanager
    def crashed(self) -> Iterator[None]:
        """Stop the server as a crash would; start it again after the block."""
        assert self.server
        self.server.crash()
        try:
            yield
        finally:
            self.server.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let nothing through; connections of before stay dead."""
        with self.way.silent():
            yield


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Web, a worker and beat; on PostgreSQL unless the test says otherwise."""
    engine = getattr(request, "param", "postgresql")
    with ExitStack() as stack:
        server = stack.enter_context(cluster()) if engine == "postgresql" else None
        direct, _ = stack.enter_context(
            new_database(engine, tmp_path, server.server if server else None)
        )
        url = make_url(direct)
        assert url.host
        assert url.port
        way = stack.enter_context(Proxy(url.host, url.port))
        over = url.set(port=way.port).render_as_string(hide_password=False)
        broker_url = stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(tmp_path, over, broker_url))
        kuvert.database.close()
        kuvert.database = Database(direct)
        kuvert.start_all("web", "worker", "beat")
        yield Stage(Desk(kuvert, engine, broker_url), server, way)


def is_quiet(desk: Desk, provider: Provider, seconds: float = 60) -> bool:
    """Whether nothing is due any more within so many seconds."""
    try:
        settle(desk, seconds, provider)
    except AssertionError as error:
        print(error)
        return False
    return True


def pids(child: Child) -> list[int]:
    """The process and those that it has started."""
    return [child.process.pid, *child.children()]


LONG = [
    pytest.param(engine, fault, 60, marks=pytest.mark.storm)
    for engine, fault in (("postgresql", "crashed"), ("postgresql", "silent"), ("mysql", "silent"))
]


@pytest.mark.parametrize(
    ("stage", "fault", "seconds"),
    [("postgresql", "crashed", 4), *LONG],
    indirect=["stage"],
)
def test_answers_are_honest_and_all_is_well_soon_after(
    stage: Stage, fault: str, seconds: float
) -> None:
    desk = stage.desk
    figures = Figures(f"P14, {desk.backend} {fault}, {seconds} s")
    with Provider("post") as provider:
        desk.add(provider, sources={"post": "post"}, settings=TIMEOUT)
        pressure = Pressure(desk.api("post"), "D", threads=THREADS)
        before = {name: pids(child) for name, child in desk.kuvert.children.items()}
        with pressure.running():
            time.sleep(BEFORE_SECONDS)
            fault_of: Callable[[], AbstractContextManager[None]] = getattr(stage, fault)
            with fault_of():
                gone_at = time.monotonic()
                time.sleep(seconds)
                back_at = time.monotonic()
            there_at = time.monotonic()
            time.sleep(BACK_SECONDS + 5)
        figures.exactly("quiet again", is_quiet(desk, provider), True)

    during = pressure.between(gone_at, back_at)
    figures.note("requests in the outage, by status", by_status(during))
    figures.exactly("2xx in the outage", sum(one.is_taken for one in during), 0)
    figures.most("slowest answer in the outage, s", slowest(during), ANSWER_SECONDS)
    after = normal_after(pressure.answers, there_at)
    figures.most("normal again after, s", after, BACK_SECONDS)
    figures.note("p95 before, s", p95(pressure.between(0, gone_at - ANSWER_SECONDS)))
    figures.note("p95 from 10 s after on, s", p95(pressure.between(there_at + BACK_SECONDS, 1e12)))
    _judge(figures, desk, pressure, provider, before)
    figures.check()


@pytest.mark.storm
def test_a_server_that_crashes_again_and_again_loses_nothing(stage: Stage) -> None:
    desk, figures = stage.desk, Figures(f"P14, PostgreSQL crashed and started {CRASHES} times")
    with Provider("post") as provider:
        desk.add(provider, sources={"post": "post"}, settings=TIMEOUT)
        pressure = Pressure(desk.api("post"), "D", threads=THREADS)
        before = {name: pids(child) for name, child in desk.kuvert.children.items()}
        there_at = time.monotonic()
        with pressure.running():
            for _ in range(CRASHES):
                time.sleep(BEFORE_SECONDS)
                with stage.crashed():
                    pass
                there_at = time.monotonic()
            time.sleep(BACK_SECONDS + 5)
        figures.exactly("quiet again", is_quiet(desk, provider), True)

    figures.note("requests, by status", by_status(pressure.answers))
    after = normal_after(pressure.answers, there_at)
    figures.most("normal again after the last, s", after, BACK_SECONDS)
    _judge(figures, desk, pressure, provider, before)
    figures.check()


def _judge(
    figures: Figures,
    desk: Desk,
    pressure: Pressure,
    provider: Provider,
    before: dict[str, list[int]],
) -> None:
    """Judge all answers, the processes, and the ledgers."""
    answers = pressure.answers
    figures.most("slowest answer of all, s", slowest(answers), ANSWER_SECONDS)
    plain = [one for one in answers if one.status == 503 and not one.retry_after]
    figures.exactly("503 without Retry-After", len(plain), 0)
    others = [one.status for one in answers if not one.is_taken and one.status != 503]
    figures.exactly("neither 2xx nor 503", sorted(set(others)), [])
    now = {name: pids(child) for name, child in desk.kuvert.children.items()}
    figures.exactly("processes started anew", sum(now[name] != before[name] for name in now), 0)
    accepted = pressure.accepted
    figures.note("accepted in all", len(accepted))
    lost = set(accepted) - set(provider.acceptances)
    figures.exactly("accepted and lost", len(lost), 0)
    figures.exactly("sent twice", len(extra_acceptances(provider)), 0)
