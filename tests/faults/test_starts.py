"""P11: 1,000 starts of a pump, from eight processes whose connections are cut: one at a time."""

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import Engine, make_url, update

from core import pace
from core.broker import declare_all, queues
from core.database import Database
from invoices.models import Provider
from tests.end_to_end.desk import Desk, installation
from tests.faults.conftest import Progress
from tests.faults.figures import Figures
from tests.support import brokers
from tests.support.databases import new_database
from tests.support.processes import Child, wait_until
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SEED = int(os.environ.get("STORM_SEED", "1"))
PROCESSES, STARTS_EACH = 8, 125
STARTS = PROCESSES * STARTS_EACH
STARTS_AFTER = 40
INVOICES = 200
CUT_SECONDS, GAP_SECONDS = 0.3, 4.0
LONGEST_SECONDS = 600

PROVIDERS = Provider.__table__


@dataclass
class Stage:
    """A desk behind ways that can be cut, with invoices that nobody sends."""

    desk: Desk
    ways: dict[str, Proxy]
    broker_url: str
    """Past the way that is cut."""


@pytest.fixture(params=["postgresql", "mysql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Invoices that wait for a pump; there is no worker."""
    with ExitStack() as stack:
        direct, _ = stack.enter_context(new_database(request.param, tmp_path))
        broker_url = stack.enter_context(brokers.virtual_host())
        url = make_url(direct)
        assert url.host
        assert url.port
        ways = {
            "database": stack.enter_context(Proxy(url.host, url.port)),
            "broker": stack.enter_context(Proxy(brokers.HOST, brokers.PORT)),
        }
        over = url.set(port=ways["database"].port).render_as_string(hide_password=False)
        broker_over = broker_url.replace(f":{brokers.PORT}/", f":{ways['broker'].port}/")
        kuvert = stack.enter_context(installation(tmp_path, over, broker_over))
        kuvert.database.close()
        kuvert.database = Database(direct)
        with Connection(broker_url) as connection:
            declare_all(connection, queues("classic"))
        kuvert.start_all("web")
        desk = Desk(kuvert, request.param, broker_url)
        desk.keys = kuvert.furnish(
            providers=[{"code": "idle", "channel": "sandbox", "is_idempotent": True}],
            sources={"idle": "idle"},
        )
        desk.send_batch("idle", [f"S-{n:05}" for n in range(INVOICES)])
        kuvert.children["web"].stop()
        _let_it_be_quick(kuvert.database.engine)
        yield Stage(desk, ways, broker_url)


def _let_it_be_quick(engine: Engine) -> None:
    """Take the provider for one that has long been quick, or its pace would keep runs short."""
    with engine.begin() as connection:
        connection.execute(update(PROVIDERS).values(pace=pace.MOST))


def test_of_a_thousand_starts_with_cut_connections_none_overlap(
    stage: Stage, progress: Progress
) -> None:
    figures = Figures(f"P11, {STARTS:,} starts, {stage.desk.backend}, seed {SEED}")
    file = stage.desk.kuvert.folder / "starts.jsonl"
    cuts: Counter[str] = Counter()
    children = [starter(stage, f"starter{n}", STARTS_EACH, file) for n in range(PROCESSES)]
    with progress(lambda: f"{len(read(file))} of {STARTS} starts, {cuts.total()} cuts"):
        handed_out = _cut_until_all_have_ended(stage, children, cuts)
    after = starter(stage, "after", STARTS_AFTER, file.with_name("after.jsonl"))
    wait_until(lambda: not after.is_running, LONGEST_SECONDS, "undisturbed starts end")
    with Connection(stage.broker_url) as connection:
        handed_out += _taken(connection)

    figures.note("cuts", dict(cuts))
    figures.exactly("exit codes", {child.process.returncode for child in children}, {0})
    starts = read(file)
    figures.exactly("starts", len(starts), STARTS)
    figures.note("what they said", dict(Counter(_in_short(one["said"]) for one in starts)))
    worked = sorted(
        (one for one in starts if one["began"] is not None), key=lambda one: float(one["began"])
    )
    figures.note("runs that worked", len(worked))
    figures.exactly("some found another at work", len(worked) < len(starts), True)
    figures.exactly("runs that were cut", any("cut" in one["said"] for one in worked), True)
    figures.exactly("overlaps", overlaps(worked), 0)
    ids = [item for batch in handed_out for item in batch]
    figures.note("ids handed out", len(ids))
    figures.exactly("invoices never handed out", INVOICES - len(set(ids)), 0)
    figures.check()


def starter(stage: Stage, name: str, count: int, file: Path) -> Child:
    """Start a process that starts the pump so often."""
    command = (sys.executable, "-m", "tests.support.starter", str(count), str(file))
    return stage.desk.kuvert.start(name, command)


def read(file: Path) -> list[dict[str, Any]]:
    """Return what has been written of the starts."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def overlaps(worked: Sequence[dict[str, Any]]) -> int:
    """Count the runs, in the order in which they began, that began while another worked."""
    latest, count = 0.0, 0
    for one in worked:
        count += one["began"] < latest
        latest = max(latest, one["ended"])
    return count


def _in_short(said: str) -> str:
    return "handed out" if said.startswith("handed") and ";" not in said else said.partition(" ")[0]


def _cut_until_all_have_ended(
    stage: Stage, children: Sequence[Child], cuts: Counter[str]
) -> list[list[str]]:
    """Cut either way now and then; returns the batches that were handed out meanwhile."""
    dice, found = random.Random(SEED), []
    until = time.monotonic() + LONGEST_SECONDS
    with Connection(stage.broker_url) as connection:
        while any(child.is_running for child in children):
            assert time.monotonic() < until, stage.desk.kuvert.last_words()
            time.sleep(dice.uniform(0.2, GAP_SECONDS))
            found += _taken(connection)
            name = dice.choice(sorted(stage.ways))
            with stage.ways[name].cut():
                time.sleep(dice.uniform(0, CUT_SECONDS))
            cuts[name] += 1
        found += _taken(connection)
    return found


def _taken(connection: Connection) -> list[list[str]]:
    """Take what waits for workers: the ids of each message."""
    found: list[list[str]] = []
    channel: Any = connection.channel()
    with channel:
        while message := channel.basic_get("jobs", no_ack=True):
            _token, ids = json.loads(message.body)[0]
            found.append(ids)
    return found
