"""Invoices by mail, in real processes that are killed, over a server that is cut."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from core import mail_token
from invoices.models import Attempt, Delivery
from tests.end_to_end.chaos import Chaos
from tests.end_to_end.desk import Background, Desk, desk, unique
from tests.support.data import ROOT
from tests.support.ports import free_port
from tests.support.processes import wait_until

pytestmark = pytest.mark.processes

SEED = int(os.environ.get("STORM_SEED", "1"))
SECRET_KEY = "a-key-for-tests-and-nothing-else-0123"
ENDS = {"sent", "unknown", "undeliverable", "failed", "held"}
PAGE = 100

ATTEMPTS = Attempt.__table__
DELIVERIES = Delivery.__table__


@dataclass(frozen=True)
class Outside:
    """A mail server in a process of its own, and what it has taken."""

    port: int
    ledger: Path

    @property
    def url(self) -> str:
        """Where it is."""
        return f"smtp://127.0.0.1:{self.port}"

    def taken(self) -> list[tuple[UUID, bool]]:
        """Return the dispatch key of each mail that it took, and whether it was cut then."""
        lines = map(json.loads, self.ledger.read_text().splitlines())
        found = [
            (mail_token.verify(SECRET_KEY, line["dispatch"]), line["is_cut"]) for line in lines
        ]
        return [(key, is_cut) for key, is_cut in found if key is not None]


@contextmanager
def outside(folder: Path, cut_share: float, seconds: float) -> Iterator[Outside]:
    """Yield a server that has started."""
    server = Outside(free_port(), folder / "mails.jsonl")
    server.ledger.touch()
    arguments = (str(server.port), str(server.ledger), str(cut_share), str(seconds))
    process = subprocess.Popen(
        (sys.executable, "-m", "tests.support.mail_server", *arguments), cwd=ROOT
    )
    try:
        wait_until(lambda: _listens(server.port), 30, "the mail server listens")
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk of its own."""
    with desk(request.param, tmp_path, "web", "worker", "beat") as running:
        yield running


def send_all(own: Desk, server: Outside, count: int, kills: int, per_minute: int) -> list[str]:
    """Send so many by mail while workers are killed; return what was killed."""
    settings = {
        "mail_from": "billing@seller.example",
        "attach_pdf": "no",
        "most_per_minute": str(per_minute),
    }
    provider = {"code": "mail", "channel": "smtp", "url": server.url, "settings": settings}
    own.keys |= own.kuvert.furnish(providers=[provider], sources={"mail": "mail"})
    chaos = Chaos(own.kuvert, SEED, ("pool child", "worker"))
    sending = Background(hand_in, own, count)
    for number in range(1, kills + 1):
        before = len(server.taken())
        own.expect(lambda seen=before: len(server.taken()) > seen, 60, "mails arrive")  # type: ignore[misc]
        chaos.strike(number)
    sending.wait(120)
    own.expect(lambda: set(own.statuses("mail").values()) <= ENDS, 240, "all have ended")
    return chaos.hits


def hand_in(own: Desk, count: int) -> None:
    """Hand so many invoices in."""
    for start in range(0, count, PAGE):
        own.send_batch("mail", [unique("S") for _ in range(min(PAGE, count - start))])


def last_outcomes(own: Desk) -> Mapping[UUID, Sequence[str]]:
    """Return how the attempts of each delivery ended, in their order."""
    statement = select(ATTEMPTS.c.delivery_id, ATTEMPTS.c.outcome).order_by(ATTEMPTS.c.number)
    found: dict[UUID, list[str]] = {}
    with own.kuvert.database.single() as connection:
        for row in connection.execute(statement):
            found.setdefault(row.delivery_id, []).append(str(row.outcome))
    return found


def by_state(own: Desk) -> Mapping[UUID, str]:
    """Return the state of each delivery."""
    with own.kuvert.database.single() as connection:
        rows = connection.execute(select(DELIVERIES.c.id, DELIVERIES.c.state))
        return {row.id: row.state for row in rows}


def check(own: Desk, server: Outside, count: int) -> None:
    """Hold the server's ledger against what Kuvert says."""
    states, outcomes = by_state(own), last_outcomes(own)
    taken = server.taken()
    times = Counter(key for key, _ in taken)
    cut = {key for key, is_cut in taken if is_cut}
    sent = {key for key, state in states.items() if state == "sent"}
    unknown = {key for key, state in states.items() if state == "unknown"}
    lost = {key for key in unknown if outcomes[key][-1] == "lost"}
    print(f"{len(taken)} taken, {len(cut)} cut, {len(sent)} sent, {len(unknown)} unknown,")
    print(f"{len(lost)} of them lost with their worker, {len(lost - times.keys())} never arrived")
    assert len(states) == count
    assert set(times.values()) == {1}
    assert sent | unknown == states.keys()
    assert sent <= times.keys() - cut
    assert cut <= unknown
    assert unknown == cut | lost


@pytest.mark.parametrize("own", ["sqlite"], indirect=True)
def test_mails_go_once_although_workers_are_killed(own: Desk, tmp_path: Path) -> None:
    with outside(tmp_path, cut_share=0.1, seconds=0.02) as server:
        hits = send_all(own, server, count=60, kills=2, per_minute=600)

        assert len(hits) == 2
        check(own, server, 60)


@pytest.mark.storm
@pytest.mark.parametrize("own", ["postgresql"], indirect=True)
def test_a_thousand_mails_go_once_under_ten_kills(own: Desk, tmp_path: Path) -> None:
    with outside(tmp_path, cut_share=0.01, seconds=0.1) as server:
        hits = send_all(own, server, count=1000, kills=10, per_minute=1800)

        print(f"seed {SEED}: {Counter(hits)}")
        assert len(hits) == 10
        check(own, server, 1000)
