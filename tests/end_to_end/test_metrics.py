"""What several real processes count, over restarts and kills; and what doctor says of them."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.desk import Desk, desk
from tests.support.processes import MANAGE, Child, wait_until
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.storm]

REQUESTS = "kuvert_http_request_duration_seconds_count"
ATTEMPTS = "kuvert_provider_attempt_duration_seconds_count"
TASKS = "kuvert_task_duration_seconds_count"
WEB_PROCESSES = 3
INVOICES = 12


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with three processes of gunicorn, and a worker with children."""
    folder: Path = tmp_path_factory.mktemp("metrics")
    with desk("postgresql", folder, "worker", "beat") as running:
        kuvert = running.kuvert
        bind = ("--bind", f"127.0.0.1:{kuvert.port}", "--workers", str(WEB_PROCESSES))
        kuvert.start("web", (*MANAGE, "web", *bind))
        kuvert.wait_until_ready("web")
        yield running


def samples(desk: Desk) -> dict[str, float]:
    with urlopen(f"{desk.kuvert.url}/metrics", timeout=20) as answer:  # noqa: S310 - our own
        text = answer.read().decode()
    return {
        " ".join((one.name, *one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def counted(desk: Desk) -> tuple[float, float, float]:
    """How many invoices were taken in, handed over, and in how many tasks."""
    found = samples(desk)
    return (
        found.get(f"{REQUESTS} POST /api/v1/invoices 202", 0),
        found.get(f"{ATTEMPTS} accepted counted", 0),
        found.get(f"{TASKS} succeeded tasks.sendInvoice", 0),
    )


def are_gone(child: Child, pids: set[int]) -> bool:
    return not pids & set(child.children())


def test_processes_add_up_and_nobody_s_end_takes_anything_away(own: Desk) -> None:
    with Provider("counted") as provider:
        own.add(provider, sources={"counted": "counted"})
        sent = [own.send("counted") for _ in range(INVOICES)]
        for one in sent:
            own.wait_for("counted", one, "sent")
    wait_until(lambda: counted(own)[1] == INVOICES, 10, "every attempt is counted")
    before = counted(own)
    assert before[0] == INVOICES
    assert before[2] > 0

    web, worker = own.kuvert.children["web"], own.kuvert.children["worker"]
    for _ in range(2):
        known = set(web.children())
        web.process.send_signal(signal.SIGHUP)
        wait_until(partial(are_gone, web, known), 40, "gunicorn is renewed")
    for pid in (*web.children(), *worker.children()):
        os.kill(pid, signal.SIGKILL)
    web.kill()
    web.start()
    own.kuvert.wait_until_ready("web")

    assert counted(own) == before
    files = list((own.kuvert.folder / "metrics" / "1").glob("*.db"))
    assert len(files) <= 2 * (2 + WEB_PROCESSES + len(worker.children()) + 2)


def test_doctor_finds_them_all_well(own: Desk) -> None:
    wait_until(lambda: samples(own)["kuvert_beat_up"] == 1, 20, "a beat leads")

    done = own.kuvert.manage("doctor", "--json")

    found = {row["check"]: row for row in json.loads(done.stdout)}
    for check in ("database", "migrations", "clock", "broker", "queues", "beat", "workers"):
        assert found[check]["state"] == "ok", found[check]
    assert found["consumer timeout"]["state"] in {"ok", "skipped"}
